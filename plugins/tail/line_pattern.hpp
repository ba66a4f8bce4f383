// line_pattern.hpp -- turns a line into the parts of an event.
//
// Model      An RE2 expression, searched unanchored; each named group that found something is a
//            member of the payload, of its type. Constants are added where no group has the name.
// Threads    [any-thread] once made.
// Ownership  Owns its expression.
// Errors     The constructor throws std::invalid_argument: BadRule names the key and says what is
//            wanted there. At run time none: what is not of its type is left out and counted.
// Cost       parse(): linear in the line.
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "field_type.hpp"
#include "shared/rfc3339.hpp"
#include "text_template.hpp"

namespace re2 {
class RE2;
}

namespace tail {

struct LineRule {
  std::string regex{};
  std::string topic{};
  std::map<std::string, std::string> types{};
  nlohmann::json payload = nlohmann::json::object();
  std::string user_id{};
  std::string session_id{};
  std::string key{};
};

/// What is wanted under a key of a rule.
class BadRule : public std::invalid_argument {
 public:
  BadRule(std::string at, const std::string& what_is_wanted)
      : std::invalid_argument(what_is_wanted), key(std::move(at)) {}
  std::string key;
};

struct ParsedLine {
  std::string topic{};
  nlohmann::json payload{};
  std::string user_id{};
  std::string session_id{};
  std::string key{};
  unsigned unconverted = 0;  // texts that were not of their type
};

class LinePattern {
 public:
  LinePattern(const LineRule& rule, Zone zone);
  LinePattern(LinePattern&&) noexcept;
  LinePattern& operator=(LinePattern&&) noexcept;
  ~LinePattern();

  /// Nothing when the line is another one. It must be UTF-8.
  [[nodiscard]] std::optional<ParsedLine> parse(std::string_view line, shared::WallTime now) const;

 private:
  struct Group {
    std::string name;
    std::size_t number = 0;
    FieldType type = FieldType::text;
  };

  std::unique_ptr<re2::RE2> regex_;
  std::vector<Group> groups_;
  nlohmann::json payload_;
  TextTemplate topic_;
  TextTemplate user_id_;
  TextTemplate session_id_;
  TextTemplate key_;
  Zone zone_;
};

}  // namespace tail
