// config/value.hpp -- reads one value of the document as the type its key has.
// Layer: config
//
// Model      A Place says where a value stands; get_...() answers with the value, or reports at the
//            place what is wrong and answers with nothing. A value that came from ${VAR} counts as
//            plain even in quotes; a text key takes any scalar as it was written (password: 007 is
//            "007").
// Threads    [not-concurrent]: they share the issues.
// Errors     To place.issues. A value of a secret key is never shown.
// Cost       O(length of the value).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "config/document.hpp"
#include "config/issues.hpp"
#include "config/scalar.hpp"

namespace busway::config {

struct Place {
  Issues* issues;
  const SecretKeys* secrets;
  std::string path{};
  Location at{};
  enum class Shown : unsigned char { as_is, masked } shown = Shown::as_is;

  [[nodiscard]] Place key(const Entry& entry) const;
  [[nodiscard]] Place item(std::size_t index, const Node& node) const;

  void error(std::string message) const { issues->error(at, path, std::move(message)); }
  void warning(std::string message) const { issues->warning(at, path, std::move(message)); }
};

struct IntegerRange {
  std::int64_t min = std::numeric_limits<std::int64_t>::min();
  std::int64_t max = std::numeric_limits<std::int64_t>::max();
};
struct NumberRange {
  double min = std::numeric_limits<double>::lowest();
  double max = std::numeric_limits<double>::max();
};
struct DurationRange {
  std::chrono::milliseconds min{0};
  std::chrono::milliseconds max = std::chrono::hours(24 * 36'500);
};
struct SizeRange {
  std::uint64_t min = 0;
  std::uint64_t max = std::uint64_t{1} << 62U;
};
struct TextRule {
  std::size_t bytes_min = 1;
  std::size_t bytes_max = 4096;
  /// Characters allowed; empty for all but control characters.
  std::string letters{};
  /// For docs and messages: what the text is, such as "a path".
  std::string form{};
};

[[nodiscard]] std::string show(const IntegerRange& range);
[[nodiscard]] std::string show(const NumberRange& range);
[[nodiscard]] std::string show(const DurationRange& range);
[[nodiscard]] std::string show(const SizeRange& range);
[[nodiscard]] std::string show(const std::vector<std::string>& names);

[[nodiscard]] std::optional<bool> get_boolean(const Node& node, const Place& place);
[[nodiscard]] std::optional<std::int64_t> get_integer(const Node& node, const Place& place,
                                                      IntegerRange range);
[[nodiscard]] std::optional<double> get_number(const Node& node, const Place& place,
                                               NumberRange range);
[[nodiscard]] std::optional<std::chrono::milliseconds> get_duration(const Node& node,
                                                                    const Place& place,
                                                                    DurationRange range);
[[nodiscard]] std::optional<std::uint64_t> get_size(const Node& node, const Place& place,
                                                    SizeRange range);
[[nodiscard]] std::optional<std::string> get_text(const Node& node, const Place& place,
                                                  const TextRule& rule);
/// The index of the name.
[[nodiscard]] std::optional<std::size_t> get_choice(const Node& node, const Place& place,
                                                    const std::vector<std::string>& names);
[[nodiscard]] std::vector<std::string> get_texts(const Node& node, const Place& place,
                                                 const TextRule& rule);
[[nodiscard]] std::map<std::string, std::string> get_text_map(const Node& node, const Place& place,
                                                              const TextRule& rule);
void get_free_form(const Node& node, const Place& place, nlohmann::json& value);

/// Calls function for each item of a list; nothing at all counts as an empty list.
void for_each_item(const Node& node, const Place& place,
                   const std::function<void(const Node&, const Place&)>& function);

/// "; did you mean NAME?" or, with nothing near, "; it is one of A, B"; empty without names.
[[nodiscard]] std::string suggestion(std::string_view wrong, const std::vector<std::string>& names);

}  // namespace busway::config
