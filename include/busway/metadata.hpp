// busway/metadata.hpp -- what an event says beside its payload: names with JSON values.
// Layer: event
//
// Model      A map from string to JSON. Copies share one immutable map; set() makes a new one.
// Threads    A value: [not-concurrent] unless const.
// Ownership  Owns its names and values.
// Errors     Error(invalid_argument) names an empty name, one that is not UTF-8 or given twice, or
//            an entry too many; Error(invalid_json, too_deep) a value that cannot be written.
// Cost       Two pointers; empty costs nothing. set() copies the map: give all entries at once.
// Example    tests/event/metadata_test.cpp
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "busway/json.hpp"

namespace busway {

/// One value of Metadata as written in a program: text, a number, a boolean, or any Json.
class MetadataValue {
 public:
  MetadataValue(const char* text)
      : MetadataValue(std::string_view(text)) {}  // NOLINT(*-explicit-*)
  MetadataValue(const std::string& text)          // NOLINT(*-explicit-*)
      : MetadataValue(std::string_view(text)) {}
  MetadataValue(std::string_view text);  // NOLINT(*-explicit-*)
  MetadataValue(const Json& value);      // NOLINT(*-explicit-*)
  template <std::same_as<bool> B>
  MetadataValue(B value)  // NOLINT(*-explicit-*)
      : MetadataValue(Tag::boolean, value ? 1 : 0, 0.0) {}
  template <std::signed_integral I>
  MetadataValue(I value)  // NOLINT(*-explicit-*)
      : MetadataValue(Tag::integer, static_cast<std::int64_t>(value), 0.0) {}
  template <std::unsigned_integral I>
  requires(!std::same_as<I, bool>) MetadataValue(I value)  // NOLINT(*-explicit-*)
      : MetadataValue(Tag::natural, static_cast<std::int64_t>(value), 0.0) {}
  template <std::floating_point F>
  MetadataValue(F value)  // NOLINT(*-explicit-*)
      : MetadataValue(Tag::real, 0, static_cast<double>(value)) {}

  [[nodiscard]] const Json& json() const noexcept { return *value_; }

 private:
  enum class Tag : unsigned char { boolean, integer, natural, real };
  MetadataValue(Tag tag, std::int64_t bits, double real);

  std::shared_ptr<const Json> value_;
};

class Metadata {
 public:
  Metadata() noexcept = default;
  Metadata(std::initializer_list<std::pair<std::string_view, MetadataValue>> entries);

  [[nodiscard]] bool empty() const noexcept { return size() == 0; }
  [[nodiscard]] std::size_t size() const noexcept;

  /// The value of a name, or null. The pointer lives as long as this object is neither changed nor
  /// destroyed.
  [[nodiscard]] const Json* find(std::string_view name) const noexcept;

  /// Adds the name or replaces its value.
  void set(std::string_view name, const MetadataValue& value);

  /// All of it as one JSON object; an empty Metadata gives {}.
  [[nodiscard]] const Json& json() const noexcept;

  /// The reverse of json(). Throws Error(invalid_argument) when the value is not an object.
  [[nodiscard]] static Metadata from_json(const Json& object);

 private:
  std::shared_ptr<const Json> object_;  // null: empty
};

}  // namespace busway
