// shared/secrets.hpp -- what an event or a text holds, without its secrets.
//
// Model      A key is secret when it is, or ends with the word, password, secret, token,
//            authorization, api_key or passwd, or one of the configuration's secret_keys:
//            bot_token, accessToken and X-API-Key are, token_count is not. In a text the passwords
//            of addresses (redis://user:password@host) are secret, and so is what stands behind a
//            secret key and '=' or ':' (password=..., Authorization: Basic ...). The rule for keys
//            is that of the host for its configuration; tests/plugins/shared/secrets_test.cpp
//            compares the two, since a plugin shares no code with its host.
// Threads    [any-thread] unless it is changed.
// Ownership  Owns its words.
// Errors     None.
// Cost       O(bytes * words).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shared/ascii.hpp"

namespace shared {

/// What stands in place of a secret.
inline constexpr std::string_view kMask = "***";

class Secrets {
 public:
  Secrets() : Secrets(std::vector<std::string>{}) {}
  /// With further words; case, '-' and '_' do not matter.
  explicit Secrets(const std::vector<std::string>& more)
      : words_{"password", "secret", "token", "authorization", "apikey", "passwd"} {
    for (const std::string& word : more) {
      if (std::string text = split(word).text; !text.empty()) words_.push_back(std::move(text));
    }
  }

  [[nodiscard]] bool is_secret(std::string_view key) const {
    const Words name = split(key);
    return std::any_of(words_.begin(), words_.end(), [&](const std::string& word) {
      return name.text.ends_with(word) &&
             std::find(name.begins.begin(), name.begins.end(), name.text.size() - word.size()) !=
                 name.begins.end();
    });
  }

  /// Replaces what stands under secret keys by "***", at any depth; whether there was any. As deep
  /// as an event's JSON may be, which the host bounds.
  bool mask(nlohmann::json& value) const {
    bool any = false;
    if (value.is_array()) {
      for (nlohmann::json& item : value) any = mask(item) || any;
    } else if (value.is_object()) {
      for (auto& [key, item] : value.items()) {
        if (!is_secret(key)) {
          any = mask(item) || any;
        } else if (!item.is_null()) {
          item = kMask;
          any = true;
        }
      }
    }
    return any;
  }

  [[nodiscard]] std::string mask_text(std::string_view text) const {
    return mask_assignments(mask_addresses(text));
  }

 private:
  /// A key in lower case without separators, and where its words begin in that.
  struct Words {
    std::string text;
    std::vector<std::size_t> begins;
  };

  [[nodiscard]] static bool is_word_char(char c) noexcept {
    return is_upper(c) || is_lower(c) || is_digit(c) || static_cast<unsigned char>(c) >= 0x80U;
  }
  [[nodiscard]] static bool is_key_char(char c) noexcept {
    return is_word_char(c) || c == '-' || c == '_' || c == '.';
  }

  /// accessToken, HTTPToken: an upper case letter after a lower case one, or before one.
  [[nodiscard]] static bool begins_hump(std::string_view key, std::size_t i) noexcept {
    if (i == 0 || !is_upper(key[i])) return false;
    if (is_lower(key[i - 1]) || is_digit(key[i - 1])) return true;
    return is_upper(key[i - 1]) && i + 1 < key.size() && is_lower(key[i + 1]);
  }

  [[nodiscard]] static Words split(std::string_view key) {
    Words words;
    bool begin = true;
    for (std::size_t i = 0; i < key.size(); ++i) {
      if (!is_word_char(key[i])) {
        begin = true;
        continue;
      }
      if (begin || begins_hump(key, i)) words.begins.push_back(words.text.size());
      begin = false;
      words.text += to_lower(key[i]);
    }
    return words;
  }

  /// scheme://user:password@ -- up to the last '@' of the word, as a password may hold one.
  [[nodiscard]] static std::string mask_addresses(std::string_view text) {
    std::string shown;
    for (;;) {
      const std::size_t scheme = text.find("://");
      if (scheme == std::string_view::npos) break;
      const std::size_t end = std::min(text.find_first_of(" \t\r\n\"'<>", scheme), text.size());
      const std::string_view part = text.substr(scheme + 3, end - scheme - 3);
      const std::size_t at = part.rfind('@');
      const std::size_t colon = part.find(':');
      shown += text.substr(0, scheme + 3);
      const std::string_view before = text.substr(0, scheme);
      // What NATS takes before '@' without a ':' is a token.
      const bool token_alone = before.ends_with("nats") || before.ends_with("tls");
      if (at != std::string_view::npos && colon != std::string_view::npos && colon < at) {
        shown += part.substr(0, colon + 1);
        shown += kMask;
        shown += part.substr(at);
      } else if (at != std::string_view::npos && token_alone) {
        shown += kMask;
        shown += part.substr(at);
      } else {
        shown += part;
      }
      text.remove_prefix(end);
    }
    shown += text;
    return shown;
  }

  [[nodiscard]] std::string mask_assignments(std::string_view text) const {
    std::string shown;
    std::size_t from = 0;  // what is before has been shown
    for (std::size_t at = text.find_first_of("=:"); at != std::string_view::npos;
         at = text.find_first_of("=:", std::max(at + 1, from))) {
      std::size_t key_end = at;
      if (key_end > from && text[key_end - 1] == '"') --key_end;  // "password": of JSON in a text
      std::size_t key = key_end;
      while (key > from && is_key_char(text[key - 1])) --key;
      if (key == key_end || !is_secret(text.substr(key, key_end - key))) continue;
      std::size_t value = at + 1;
      while (value < text.size() && text[value] == ' ') ++value;
      const std::size_t end = end_of_value(text, value);
      if (end == value) continue;
      shown += text.substr(from, value - from);
      shown += kMask;
      from = end;
    }
    shown += text.substr(from);
    return shown;
  }

  /// Behind the quotes that it stands in, else at a blank; "Bearer x" and the like are one value.
  [[nodiscard]] static std::size_t end_of_value(std::string_view text, std::size_t value) {
    if (value == text.size()) return value;
    if (const char quote = text[value]; quote == '"' || quote == '\'') {
      std::size_t end = value + 1;
      while (end < text.size() && text[end] != quote) end += text[end] == '\\' ? 2U : 1U;
      return std::min(end + 1, text.size());
    }
    for (const std::string_view scheme : {"Bearer ", "Basic ", "Digest ", "Token "}) {
      if (text.substr(value).starts_with(scheme)) value += scheme.size();
    }
    return std::min(text.find_first_of(" \t\r\n&,;", value), text.size());
  }

  std::vector<std::string> words_;
};

}  // namespace shared
