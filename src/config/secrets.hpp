// config/secrets.hpp -- which keys hold secrets, and how values are shown without them.
// Layer: config
//
// Model      A key is secret when its name is, or ends with the word, password, secret, token,
//            authorization or api_key: db_password, accessToken and X-API-Key are, token_count is
//            not. Whatever stands under a secret key is shown as ***; a password inside an address
//            (redis://user:password@host) as well.
// Threads    [not-concurrent] unless const.
// Errors     None.
// Cost       O(length of the name * number of words).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace busway::config {

/// What stands in place of a secret.
inline constexpr std::string_view kMask = "***";

class SecretKeys {
 public:
  SecretKeys();

  /// Adds a word; case, '-' and '_' do not matter.
  SecretKeys& add(std::string_view word);

  [[nodiscard]] bool contains(std::string_view key) const;

 private:
  std::vector<std::string> words_;
};

/// Whether the default list holds the key.
[[nodiscard]] bool is_secret_key(std::string_view key);

/// The text with passwords inside addresses and connection strings masked.
[[nodiscard]] std::string mask_text(std::string_view text);

/// A copy to show: values of secret keys masked at any depth, all other texts through mask_text.
[[nodiscard]] nlohmann::json masked(const nlohmann::json& value, const SecretKeys& keys = {});

}  // namespace busway::config
