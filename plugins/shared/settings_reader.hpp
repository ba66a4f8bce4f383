// shared/settings_reader.hpp -- reads a plugin's configuration, strictly.
//
// Model      One call reads all of it, and what it did not ask for is refused by name:
//
//              Settings out;
//              read_settings("cache", config, [&](SettingsReader& in) {
//                out.age = in.duration("age", 1h, {1s, 24h});
//                out.topics = in.texts("topics", {"phase.*"});
//                in.section("limits", [&](SettingsReader& limits) {
//                  out.entries = limits.integer("entries", 1000, {1, 100'000});
//                });
//              });
//
//            A key that is not there has its default; one without a default is wanted.
// Threads    [not-concurrent]
// Ownership  Borrows the JSON during the call.
// Errors     std::invalid_argument with one sentence: the key with its path, what stands there
//            (a secret as ***) and what would be right. A wrong value comes first, then unknown
//            keys, then missing ones: the last two are often the same.
// Cost       For start-up.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shared/quantity.hpp"
#include "shared/secrets.hpp"

namespace shared {

template <class T>
struct Bounds {
  T min;
  T max;
};

class SettingsReader {
 public:
  using Json = nlohmann::json;
  using Read = std::function<void(SettingsReader&)>;

  /// `who` is "the cache", or the path of a section.
  SettingsReader(std::string who, std::string path, const Json& config)
      : who_(std::move(who)), path_(std::move(path)), config_(&config) {
    if (!config.is_object()) {
      throw Wrong(who_ + ": a map of keys and values is wanted, not " + show("", config));
    }
  }

  [[nodiscard]] bool has(const std::string& key) { return find(key) != nullptr; }

  /// A text that is not empty.
  [[nodiscard]] std::string text(const std::string& key) {
    return as_text(key, wanted(key, "a text"));
  }
  [[nodiscard]] std::string text(const std::string& key, std::string otherwise) {
    const Json* value = find(key);
    return value == nullptr ? std::move(otherwise) : as_text(key, value);
  }

  /// One of some words.
  [[nodiscard]] std::string word(const std::string& key, std::string otherwise,
                                 std::initializer_list<std::string_view> words) {
    const Json* value = find(key);
    if (value == nullptr) return otherwise;
    for (const std::string_view one : words) {
      if (value->is_string() && value->get_ref<const std::string&>() == one) {
        return std::string(one);
      }
    }
    refuse(key, list({words.begin(), words.end()}, " or "));
  }

  [[nodiscard]] bool flag(const std::string& key, bool otherwise) {
    const Json* value = find(key);
    if (value == nullptr) return otherwise;
    if (!value->is_boolean()) refuse(key, "true or false");
    return value->get<bool>();
  }

  [[nodiscard]] std::int64_t integer(const std::string& key, std::int64_t otherwise,
                                     Bounds<std::int64_t> bounds) {
    const Json* value = find(key);
    if (value == nullptr) return otherwise;
    const bool fits = value->is_number_integer() &&
                      (!value->is_number_unsigned() ||
                       value->get<std::uint64_t>() <= static_cast<std::uint64_t>(INT64_MAX)) &&
                      value->get<std::int64_t>() >= bounds.min &&
                      value->get<std::int64_t>() <= bounds.max;
    if (!fits) {
      refuse(key, "a whole number from " + std::to_string(bounds.min) + " to " +
                      std::to_string(bounds.max));
    }
    return value->get<std::int64_t>();
  }

  [[nodiscard]] double number(const std::string& key, double otherwise, Bounds<double> bounds) {
    const Json* value = find(key);
    if (value == nullptr) return otherwise;
    if (!value->is_number() || !(value->get<double>() >= bounds.min) ||
        !(value->get<double>() <= bounds.max)) {
      refuse(key, "a number from " + Json(bounds.min).dump() + " to " + Json(bounds.max).dump());
    }
    return value->get<double>();
  }

  /// "90s"; zero is "0s" and needs a bound that allows it.
  [[nodiscard]] std::chrono::milliseconds duration(const std::string& key,
                                                   std::chrono::milliseconds otherwise,
                                                   Bounds<std::chrono::milliseconds> bounds) {
    return std::chrono::milliseconds(
        quantity(key, otherwise.count(), {bounds.min.count(), bounds.max.count()},
                 "a duration such as 500ms, 90s, 5m, 1h or 1d", kDurationUnits));
  }

  /// "64KiB", in bytes.
  [[nodiscard]] std::int64_t size(const std::string& key, std::int64_t otherwise,
                                  Bounds<std::int64_t> bounds) {
    return quantity(key, otherwise, bounds, "a size such as 512B, 64KiB, 1MiB or 1GiB", kSizeUnits);
  }

  /// One text or a list of at least one.
  [[nodiscard]] std::vector<std::string> texts(const std::string& key) {
    return as_texts(key, wanted(key, "a text or a list of texts"));
  }
  [[nodiscard]] std::vector<std::string> texts(const std::string& key,
                                               std::vector<std::string> otherwise) {
    const Json* value = find(key);
    return value == nullptr ? std::move(otherwise) : as_texts(key, value);
  }

  /// A map of any keys to texts, such as names to types; empty when it is not there.
  [[nodiscard]] std::map<std::string, std::string> named_texts(const std::string& key) {
    std::map<std::string, std::string> out;
    if (const Json* value = find_map(key)) {
      for (const auto& [name, one] : value->items()) {
        std::string path = key;
        out[name] = as_text(path.append(".").append(name), &one);
      }
    }
    return out;
  }

  /// A map that may hold anything; empty when it is not there.
  [[nodiscard]] Json free_map(const std::string& key) {
    const Json* value = find_map(key);
    return value == nullptr ? Json::object() : *value;
  }

  /// A map of known keys, which may be left out as a whole: the function runs over an empty one.
  void section(const std::string& key, const Read& read) {
    static const Json kEmpty = Json::object();
    const Json* value = find_map(key);
    read_all(path_ + key, path_ + key + ".", value == nullptr ? kEmpty : *value, read);
  }

  /// A list of maps of known keys; whoever needs at least one says so.
  void each(const std::string& key, Bounds<std::size_t> count, const Read& read) {
    const Json* value = count.min > 0 ? wanted(key, "a list of maps") : find(key);
    if (value == nullptr) return;
    if (!value->is_array() || value->size() < count.min || value->size() > count.max) {
      refuse(key, "a list of " + std::to_string(count.min) + " to " + std::to_string(count.max) +
                      " maps");
    }
    for (std::size_t i = 0; i < value->size(); ++i) {
      const std::string name = path_ + key + "[" + std::to_string(i) + "]";
      read_all(name, name + ".", (*value)[i], read);
    }
  }

  /// For checks of the plugin's own: what stands under the key is not what is wanted.
  [[noreturn]] void refuse(const std::string& key, const std::string& what_is_wanted) const {
    const auto at = config_->find(key);
    if (at != config_->end()) refuse_value(key, what_is_wanted, *at);
    throw std::invalid_argument(path_ + key + ": " + what_is_wanted + " is wanted; it is missing");
  }

  /// For checks of the plugin's own: the key is wanted and not there. Reading goes on to know all
  /// keys, as it may be there by another name.
  void miss(const std::string& key, const std::string& what_is_wanted) {
    if (missing_.empty()) {
      missing_ = path_ + key + ": " + what_is_wanted + " is wanted; it is missing";
    }
  }

  /// Reads one level and refuses what was not asked for.
  static void read_all(const std::string& who, const std::string& path, const Json& config,
                       const Read& read) {
    SettingsReader in(who, path, config);
    try {
      read(in);
    } catch (const Wrong&) {
      throw;
    } catch (...) {
      // What came of a key that is missing. Which keys are unknown nobody knows: not all that are
      // known were asked for.
      if (in.missing_.empty()) throw;
      throw std::invalid_argument(in.missing_);
    }
    in.refuse_unknown();
    if (!in.missing_.empty()) throw std::invalid_argument(in.missing_);
  }

 private:
  /// What stands in the configuration is wrong, whatever else is missing.
  struct Wrong : std::invalid_argument {
    using std::invalid_argument::invalid_argument;
  };

  [[nodiscard]] const Json* find(const std::string& key) {
    known_.insert(key);
    const auto at = config_->find(key);
    return at == config_->end() ? nullptr : &*at;
  }

  [[nodiscard]] const Json* find_map(const std::string& key) {
    const Json* value = find(key);
    if (value != nullptr && !value->is_object()) refuse(key, "a map of keys and values");
    return value;
  }

  [[nodiscard]] const Json* wanted(const std::string& key, const std::string& what) {
    const Json* value = find(key);
    if (value == nullptr) miss(key, what);
    return value;
  }

  [[nodiscard]] std::string as_text(const std::string& key, const Json* value) const {
    if (value == nullptr) return {};
    if (!value->is_string() || value->get_ref<const std::string&>().empty()) {
      refuse_value(key, "a text", *value);
    }
    return value->get<std::string>();
  }

  [[nodiscard]] std::vector<std::string> as_texts(const std::string& key, const Json* value) const {
    if (value == nullptr) return {};
    if (value->is_string()) return {as_text(key, value)};
    if (!value->is_array() || value->empty()) {
      refuse_value(key, "a text or a list of texts", *value);
    }
    std::vector<std::string> texts;
    for (const Json& one : *value) texts.push_back(as_text(key, &one));
    return texts;
  }

  [[nodiscard]] std::int64_t quantity(const std::string& key, std::int64_t otherwise,
                                      Bounds<std::int64_t> bounds, const std::string& what,
                                      std::span<const Unit> units) {
    const Json* value = find(key);
    if (value == nullptr) return otherwise;
    const std::optional<std::int64_t> found =
        value->is_string() ? parse_quantity(value->get_ref<const std::string&>(), units)
                           : std::nullopt;
    if (!found || *found < bounds.min || *found > bounds.max) {
      refuse(key, what + ", from " + show_quantity(bounds.min, units) + " to " +
                      show_quantity(bounds.max, units) + ",");
    }
    return *found;
  }

  [[noreturn]] void refuse_value(const std::string& key, const std::string& what,
                                 const Json& value) const {
    throw Wrong(path_ + key + ": " + what + " is wanted, not " + show(key, value));
  }

  void refuse_unknown() const {
    for (const auto& [key, value] : config_->items()) {
      if (known_.contains(key)) continue;
      throw Wrong("unknown key " + show("", path_ + key) + "; " + who_ + " knows " +
                  list({known_.begin(), known_.end()}, " and "));
    }
  }

  /// One line, not long, and no secret.
  [[nodiscard]] static std::string show(std::string_view key, const Json& value) {
    if (Secrets().is_secret(key)) return std::string(kMask);
    Json masked = value;
    Secrets().mask(masked);
    std::string text = masked.dump(-1, ' ', true, Json::error_handler_t::replace);
    if (text.size() > 200) text = text.substr(0, 200) + "...";
    return text;
  }

  [[nodiscard]] static std::string list(const std::vector<std::string_view>& words,
                                        std::string_view last) {
    std::string text;
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (i > 0) text += i + 1 == words.size() ? last : ", ";
      text += words[i];
    }
    return text;
  }

  std::string who_;
  std::string path_;  // with its dot, or empty
  const Json* config_;
  std::set<std::string> known_;
  std::string missing_;
};

/// Reads the whole configuration of a plugin.
inline void read_settings(const std::string& plugin, const nlohmann::json& config,
                          const SettingsReader::Read& read) {
  SettingsReader::read_all("the " + plugin, "", config, read);
}

}  // namespace shared
