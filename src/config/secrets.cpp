#include "config/secrets.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>

#include <nlohmann/json.hpp>

#include "base/ascii.hpp"

namespace busway::config {
namespace {

constexpr std::array<std::string_view, 6> kDefaultWords{"password",      "secret", "token",
                                                        "authorization", "apikey", "passwd"};

// A name without separators, and where its words begin in that.
struct Words {
  std::string text;
  std::vector<std::size_t> begins;
};

Words split(std::string_view name) {
  Words words;
  bool begin = true;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    const auto byte = static_cast<unsigned char>(c);
    if (!is_upper(c) && !is_lower(c) && !is_digit(c) && byte < 0x80U) {
      begin = true;
      continue;
    }
    // accessToken, HTTPToken: an upper case letter after a lower case one, or before one.
    if (i > 0 && is_upper(c)) {
      const bool hump = is_lower(name[i - 1]) || is_digit(name[i - 1]);
      const bool end_of_acronym =
          is_upper(name[i - 1]) && i + 1 < name.size() && is_lower(name[i + 1]);
      if (hump || end_of_acronym) begin = true;
    }
    if (begin) words.begins.push_back(words.text.size());
    begin = false;
    words.text += to_lower(c);
  }
  return words;
}

// A slash does not end it: a password that holds one unescaped must not come out.
constexpr std::string_view kAddressEnd = " \t\r\n\"'<>";

// scheme://user:password@ -- masks what stands between ':' and the last '@' of the word. What NATS
// takes before '@' without a ':' is a token.
std::string mask_addresses(std::string_view text) {
  std::string shown;
  std::size_t from = 0;
  for (;;) {
    const std::size_t scheme = text.find("://", from);
    if (scheme == std::string_view::npos) break;
    const std::size_t authority = scheme + 3;
    const std::size_t end = std::min(text.find_first_of(kAddressEnd, authority), text.size());
    const std::string_view part = text.substr(authority, end - authority);
    const std::size_t at = part.rfind('@');
    const std::size_t colon = part.find(':');
    shown += text.substr(from, authority - from);
    const std::string_view before = text.substr(0, scheme);
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
    from = end;
  }
  shown += text.substr(from);
  return shown;
}

// password=... of a connection string or a query: masks up to the end of the word or of its quotes.
std::string mask_assignments(std::string_view text) {
  constexpr std::string_view kWord = "password=";
  std::string lowered(text);
  std::transform(lowered.begin(), lowered.end(), lowered.begin(), to_lower);
  std::string shown;
  std::size_t from = 0;
  for (;;) {
    const std::size_t found = lowered.find(kWord, from);
    if (found == std::string::npos) break;
    const std::size_t value = found + kWord.size();
    shown += text.substr(from, value - from);
    shown += kMask;
    std::size_t end = value;
    if (end < text.size() && text[end] == '\'') {
      ++end;
      while (end < text.size() && text[end] != '\'') end += text[end] == '\\' ? 2U : 1U;
      end = std::min(end + 1, text.size());
    } else {
      end = std::min(text.find_first_of(" \t\r\n&", value), text.size());
    }
    from = end;
  }
  shown += text.substr(from);
  return shown;
}

void mask_in_place(nlohmann::json& value, const SecretKeys& keys) {
  if (value.is_string()) {
    value = mask_text(value.get_ref<const std::string&>());
  } else if (value.is_array()) {
    for (nlohmann::json& item : value) mask_in_place(item, keys);
  } else if (value.is_object()) {
    for (auto& [key, item] : value.items()) {
      if (!keys.contains(key)) {
        mask_in_place(item, keys);
      } else if (!item.is_null()) {
        item = kMask;
      }
    }
  }
}

}  // namespace

SecretKeys::SecretKeys() : words_(kDefaultWords.begin(), kDefaultWords.end()) {}

SecretKeys& SecretKeys::add(std::string_view word) {
  std::string text = split(word).text;
  if (!text.empty()) words_.push_back(std::move(text));
  return *this;
}

bool SecretKeys::contains(std::string_view key) const {
  const Words name = split(key);
  return std::any_of(words_.begin(), words_.end(), [&](const std::string& word) {
    if (name.text.size() < word.size() || !name.text.ends_with(word)) return false;
    const std::size_t begin = name.text.size() - word.size();
    return std::find(name.begins.begin(), name.begins.end(), begin) != name.begins.end();
  });
}

bool is_secret_key(std::string_view key) { return SecretKeys().contains(key); }

std::string mask_text(std::string_view text) { return mask_assignments(mask_addresses(text)); }

nlohmann::json masked(const nlohmann::json& value, const SecretKeys& keys) {
  nlohmann::json shown = value;
  mask_in_place(shown, keys);
  return shown;
}

}  // namespace busway::config
