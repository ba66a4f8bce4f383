// busway/config_error.hpp -- a configuration is refused: all that is wrong with it at once.
// Layer: config
//
// Model      An Error of code invalid_config. what() holds one line an error; issues() the same for
//            programs, with the warnings. The order is that of the file.
// Threads    An Error is a value; const functions are [any-thread].
// Ownership  Shares its issues between copies.
// Errors     None.
// Cost       Copying an error allocates nothing.
// Example    tests/config/config_error_test.cpp
#pragma once

#include <memory>
#include <vector>

#include "busway/config_issue.hpp"
#include "busway/error.hpp"

namespace busway {

class ConfigError : public Error {
 public:
  /// At least one of the issues should be an error; warnings do not appear in what().
  explicit ConfigError(std::vector<ConfigIssue> issues);

  [[nodiscard]] const std::vector<ConfigIssue>& issues() const noexcept { return *issues_; }

 private:
  std::shared_ptr<const std::vector<ConfigIssue>> issues_;
};

}  // namespace busway
