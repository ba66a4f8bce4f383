// config/section.hpp -- declares the keys of a section: types, ranges, defaults, texts.
// Layer: config
//
// Model      Section<T> maps keys to members of the struct T; a default is what T{} holds and
//            stands nowhere else.
//
//                Section<HistorySection> section("How much is remembered.");
//                section.integer("size", &HistorySection::size, {0, 1000}, "events kept");
//
//            Each layer declares the sections of its own structs; Section<Root> for the whole file
//            is put together from them by the layer that reads it (config/config.hpp does so for
//            this layer's).
// Threads    Const functions are [any-thread]; a section is usually a function's static const.
// Ownership  Copies what it is given; a nested section is copied into its parent.
// Errors     read() adds all that is wrong to the place's issues: unknown, missing and unsupported
//            keys, wrong types, values out of range. It never throws for what stands in a file.
// Cost       One indirect call a key.
// Example    tests/config/section_test.cpp
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "config/document.hpp"
#include "config/issues.hpp"
#include "config/value.hpp"

namespace busway::config {

/// One key for people: docs, `busway check`, completion.
struct KeyInfo {
  std::string path{};          ///< from the section's start, such as retry_policy.max_delay
  std::string type{};          ///< "boolean", "integer", "duration", ...
  std::string values{};        ///< a range or the names allowed; may be empty
  std::string default_text{};  ///< as one would write it; empty for none
  std::string doc{};
};

/// Handed to the checks of a section: what the file says beyond the values.
class Checker {
 public:
  Checker(const Node& node, const Place& place) : node_(node), place_(place) {}

  /// Whether the file has the key; "redis.host" for a nested one.
  [[nodiscard]] bool given(std::string_view key) const { return node_.find(key) != nullptr; }
  /// Reported at the key if the file has it, else at the section.
  void error(std::string_view key, std::string message) const;
  void warning(std::string_view key, std::string message) const;

 private:
  [[nodiscard]] Place place_of(std::string_view key) const;

  const Node& node_;
  const Place& place_;
};

/// The part of a section that does not depend on its struct.
class SectionBase {
 public:
  [[nodiscard]] const std::string& doc() const noexcept { return doc_; }
  /// All keys, nested ones after their section.
  [[nodiscard]] std::vector<KeyInfo> keys() const;

 protected:
  using Read = std::function<void(const Node&, void*, const Place&)>;

  struct Key {
    KeyInfo info{};
    Read read{};
    std::vector<KeyInfo> nested{};
    enum class State : unsigned char { optional, required, not_yet } state = State::optional;
  };

  explicit SectionBase(std::string doc) : doc_(std::move(doc)) {}

  void add(Key key);
  [[nodiscard]] Key& last();
  /// Adds the keys of another section; `member_of` finds its struct in this one's.
  void adopt(const SectionBase& part, const std::function<void*(void*)>& member_of);
  /// Reads every key that the map has and reports those it should not or must have.
  void read_map(const Node& node, void* target, const Place& place) const;

 private:
  void report_unknown(const Entry& entry, const Place& place) const;

  std::string doc_;
  std::vector<Key> keys_;
};

template <class T>
class Section : public SectionBase {
 public:
  explicit Section(std::string doc) : SectionBase(std::move(doc)) {}

  Section& boolean(std::string name, bool T::*field, std::string doc) {
    return value<bool>(std::move(name), field, "boolean", "true, false", std::move(doc),
                       get_boolean,
                       [](bool shown) { return std::string(shown ? "true" : "false"); });
  }

  /// Field: an integer or std::optional of one; the range ends where the field does.
  template <class Field>
  Section& integer(std::string name, Field T::*field, IntegerRange range, std::string doc) {
    range = within<typename Bare<Field>::type>(range);
    return value<std::int64_t>(
        std::move(name), field, "integer", show(range), std::move(doc),
        [range](const Node& node, const Place& place) { return get_integer(node, place, range); },
        [](auto shown) { return std::to_string(shown); });
  }

  template <class Field>
  Section& number(std::string name, Field T::*field, NumberRange range, std::string doc) {
    return value<double>(
        std::move(name), field, "number", show(range), std::move(doc),
        [range](const Node& node, const Place& place) { return get_number(node, place, range); },
        show_number);
  }

  /// Field: std::chrono::milliseconds, or a finer duration, or std::optional of one.
  template <class Field>
  Section& duration(std::string name, Field T::*field, DurationRange range, std::string doc) {
    return value<std::chrono::milliseconds>(
        std::move(name), field, "duration", show(range), std::move(doc),
        [range](const Node& node, const Place& place) { return get_duration(node, place, range); },
        [](auto shown) {
          return show_duration(std::chrono::duration_cast<std::chrono::milliseconds>(shown));
        });
  }

  template <class Field>
  Section& size(std::string name, Field T::*field, SizeRange range, std::string doc) {
    return value<std::uint64_t>(
        std::move(name), field, "size", show(range), std::move(doc),
        [range](const Node& node, const Place& place) { return get_size(node, place, range); },
        [](auto shown) { return show_size(shown); });
  }

  template <class Field>
  Section& text(std::string name, Field T::*field, TextRule rule, std::string doc) {
    std::string values = rule.form;
    return value<std::string>(
        std::move(name), field, "text", std::move(values), std::move(doc),
        [rule = std::move(rule)](const Node& node, const Place& place) {
          return get_text(node, place, rule);
        },
        [](const std::string& shown) { return shown; });
  }

  template <class E>
  using Choices = std::vector<std::pair<std::string, E>>;

  template <class E, class Field>
  Section& choice(std::string name, Field T::*field, Choices<E> choices, std::string doc) {
    std::vector<std::string> names;
    for (const auto& [text, unused] : choices) names.push_back(text);
    return value<E>(
        std::move(name), field, "name", show(names), std::move(doc),
        [choices, names](const Node& node, const Place& place) {
          const std::optional<std::size_t> index = get_choice(node, place, names);
          return index ? std::optional<E>(choices[*index].second) : std::nullopt;
        },
        [choices](E shown) {
          for (const auto& [text, known] : choices) {
            if (known == shown) return text;
          }
          return std::string();
        });
  }

  /// Field: std::vector<std::string>, or std::optional of one.
  template <class Field>
  Section& texts(std::string name, Field T::*field, TextRule rule, std::string doc) {
    return plain(std::move(name), "list of texts", rule.form, std::move(doc),
                 [field, rule](const Node& node, T& target, const Place& place) {
                   target.*field = get_texts(node, place, rule);
                 });
  }

  Section& text_map(std::string name, std::map<std::string, std::string> T::*field, TextRule rule,
                    std::string doc) {
    return plain(std::move(name), "map of texts", rule.form, std::move(doc),
                 [field, rule](const Node& node, T& target, const Place& place) {
                   target.*field = get_text_map(node, place, rule);
                 });
  }

  /// A map whose keys are somebody else's: it is converted to JSON, see config/to_json.hpp.
  template <class Json>
  requires std::same_as<Json, nlohmann::json> Section& free_form(std::string name, Json T::*field,
                                                                 std::string doc) {
    return plain(std::move(name), "map, free", "", std::move(doc),
                 [field](const Node& node, T& target, const Place& place) {
                   get_free_form(node, place, target.*field);
                 });
  }

  /// Field: U or std::optional<U>. Keys that the file does not give keep what the field holds.
  template <class U, class Field>
  Section& section(std::string name, Field T::*field, Section<U> nested) {
    Key key;
    key.info = {.path = std::move(name), .type = "section", .doc = nested.doc()};
    key.nested = nested.keys();
    key.read = [field, nested = std::move(nested)](const Node& node, void* target,
                                                   const Place& place) {
      nested.read(node, engage<U>(static_cast<T*>(target)->*field), place);
    };
    add(std::move(key));
    return *this;
  }

  /// A section of the file whose keys are members of the same struct.
  Section& group(std::string name, Section<T> nested) {
    Key key;
    key.info = {.path = std::move(name), .type = "section", .doc = nested.doc()};
    key.nested = nested.keys();
    key.read = [nested = std::move(nested)](const Node& node, void* target, const Place& place) {
      nested.read(node, *static_cast<T*>(target), place);
    };
    add(std::move(key));
    return *this;
  }

  /// The keys and checks of another section, as if they were declared here.
  template <class U>
  Section& include(U T::*field, const Section<U>& part) {
    adopt(part, [field](void* target) -> void* { return &(static_cast<T*>(target)->*field); });
    for (const auto& check : part.checks_) {
      checks_.push_back(
          [field, check](T& target, const Checker& checker) { check(target.*field, checker); });
    }
    return *this;
  }

  /// A list of maps.
  template <class U>
  Section& list(std::string name, std::vector<U> T::*field, Section<U> item) {
    Key key;
    key.info = {.path = std::move(name), .type = "list of sections", .doc = item.doc()};
    key.nested = item.keys();
    key.read = [field, item = std::move(item)](const Node& node, void* target, const Place& place) {
      std::vector<U>& values = static_cast<T*>(target)->*field;
      values.clear();
      for_each_item(node, place, [&](const Node& found, const Place& inner) {
        item.read(found, values.emplace_back(), inner);
      });
    };
    add(std::move(key));
    return *this;
  }

  /// A key with a reader of its own: void(const Node&, T&, const Place&).
  template <class Reader>
  Section& custom(KeyInfo info, Reader reader) {
    Key key;
    key.info = std::move(info);
    key.read = [reader = std::move(reader)](const Node& node, void* target, const Place& place) {
      reader(node, *static_cast<T*>(target), place);
    };
    add(std::move(key));
    return *this;
  }

  /// A key that is planned: using it is an error that says so.
  Section& not_yet(std::string name, std::string doc) {
    Key key;
    key.info = {.path = std::move(name), .type = "not yet", .doc = std::move(doc)};
    key.state = Key::State::not_yet;
    add(std::move(key));
    return *this;
  }

  /// The last key must stand in the file.
  Section& required() {
    last().state = Key::State::required;
    return *this;
  }

  /// What holds when the last key is not given, where T{} cannot tell.
  Section& when_unset(std::string text) {
    last().info.default_text = std::move(text);
    return *this;
  }

  /// Runs after the keys of a section were read without an error: void(T&, const Checker&).
  Section& check(std::function<void(T&, const Checker&)> function) {
    checks_.push_back(std::move(function));
    return *this;
  }

  void read(const Node& node, T& target, const Place& place) const {
    const std::size_t before = place.issues->errors();
    read_map(node, &target, place);
    if (place.issues->errors() != before) return;
    const Checker checker(node, place);
    for (const auto& check : checks_) check(target, checker);
  }

 private:
  template <class U>
  friend class Section;

  template <class U>
  static U& engage(U& field) {
    return field;
  }
  template <class U>
  static U& engage(std::optional<U>& field) {
    return field ? *field : field.emplace();
  }

  template <class Field>
  struct Bare {
    using type = Field;
  };
  template <class U>
  struct Bare<std::optional<U>> {
    using type = U;
  };

  template <class Integer>
  static IntegerRange within(IntegerRange range) {
    using Limits = std::numeric_limits<Integer>;
    if (std::cmp_less(range.min, Limits::min()))
      range.min = static_cast<std::int64_t>(Limits::min());
    if (std::cmp_greater(range.max, Limits::max()))
      range.max = static_cast<std::int64_t>(Limits::max());
    return range;
  }

  template <class Field, class Show>
  static std::string shown_default(Field T::*field, const Show& show_value) {
    const T defaults{};
    if constexpr (std::is_same_v<Field, typename Bare<Field>::type>) {
      return show_value(defaults.*field);
    } else {
      return defaults.*field ? show_value(*(defaults.*field)) : std::string();
    }
  }

  template <class Value, class Field, class Get, class Show>
  Section& value(std::string name, Field T::*field, std::string type, std::string values,
                 std::string doc, Get get, const Show& show_value) {
    Key key;
    key.info = {.path = std::move(name),
                .type = std::move(type),
                .values = std::move(values),
                .default_text = shown_default(field, show_value),
                .doc = std::move(doc)};
    key.read = [field, get = std::move(get)](const Node& node, void* target, const Place& place) {
      std::optional<Value> found = get(node, place);
      using Target = typename Bare<Field>::type;
      if (found) static_cast<T*>(target)->*field = static_cast<Target>(std::move(*found));
    };
    add(std::move(key));
    return *this;
  }

  template <class Reader>
  Section& plain(std::string name, std::string type, std::string values, std::string doc,
                 Reader reader) {
    return custom({.path = std::move(name),
                   .type = std::move(type),
                   .values = std::move(values),
                   .doc = std::move(doc)},
                  std::move(reader));
  }

  std::vector<std::function<void(T&, const Checker&)>> checks_;
};

}  // namespace busway::config
