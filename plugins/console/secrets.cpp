#include "secrets.hpp"

#include <algorithm>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <utility>

#include "ascii.hpp"

namespace console {
namespace {

bool is_separator(char c) noexcept {
  return !is_upper(c) && !is_lower(c) && !is_digit(c) && static_cast<unsigned char>(c) < 0x80U;
}

/// A key in lower case without separators, and where its words begin in that.
struct Words {
  std::string text;
  std::vector<std::size_t> begins;
};

/// accessToken, HTTPToken: an upper case letter after a lower case one, or before one.
bool begins_hump(std::string_view key, std::size_t i) noexcept {
  if (i == 0 || !is_upper(key[i])) return false;
  if (is_lower(key[i - 1]) || is_digit(key[i - 1])) return true;
  return is_upper(key[i - 1]) && i + 1 < key.size() && is_lower(key[i + 1]);
}

Words split(std::string_view key) {
  Words words;
  bool begin = true;
  for (std::size_t i = 0; i < key.size(); ++i) {
    if (is_separator(key[i])) {
      begin = true;
      continue;
    }
    if (begin || begins_hump(key, i)) words.begins.push_back(words.text.size());
    begin = false;
    words.text += is_upper(key[i]) ? static_cast<char>(key[i] - 'A' + 'a') : key[i];
  }
  return words;
}

}  // namespace

Secrets::Secrets(const std::vector<std::string>& more)
    : words_{"password", "secret", "token", "authorization", "apikey", "passwd"} {
  for (const std::string& word : more) {
    if (std::string text = split(word).text; !text.empty()) words_.push_back(std::move(text));
  }
}

bool Secrets::is_secret(std::string_view key) const {
  const Words name = split(key);
  return std::any_of(words_.begin(), words_.end(), [&](const std::string& word) {
    return name.text.ends_with(word) &&
           std::find(name.begins.begin(), name.begins.end(), name.text.size() - word.size()) !=
               name.begins.end();
  });
}

// As deep as an event's JSON may be, which the host bounds.
bool Secrets::mask(nlohmann::json& value) const {
  bool any = false;
  if (value.is_array()) {
    for (nlohmann::json& item : value) any = mask(item) || any;
  } else if (value.is_object()) {
    for (auto& [key, item] : value.items()) {
      if (!is_secret(key)) {
        any = mask(item) || any;
      } else if (!item.is_null()) {
        item = "***";
        any = true;
      }
    }
  }
  return any;
}

}  // namespace console
