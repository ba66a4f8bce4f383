// secrets.hpp -- what an event holds, without its secrets.
//
// Model      A key is secret when it is, or ends with the word, password, secret, token,
//            authorization, api_key or passwd, or one of the configuration's secret_keys:
//            bot_token, accessToken and X-API-Key are, token_count is not. The same rule as that of
//            the host for its configuration; tests/plugins/console/secrets_test.cpp compares the
//            two, since a plugin shares no code with its host.
// Threads    [any-thread] unless it is changed.
// Errors     None.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace console {

class Secrets {
 public:
  Secrets() : Secrets(std::vector<std::string>{}) {}
  /// With further words; case, '-' and '_' do not matter.
  explicit Secrets(const std::vector<std::string>& more);

  [[nodiscard]] bool is_secret(std::string_view key) const;

  /// Replaces what stands under secret keys by "***", at any depth; whether there was any.
  bool mask(nlohmann::json& value) const;

 private:
  std::vector<std::string> words_;
};

}  // namespace console
