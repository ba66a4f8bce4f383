// config/issues.hpp -- collects what is wrong with one file, so that all of it is reported at once.
// Layer: config
//
// Threads    [not-concurrent]
// Errors     throw_if_errors() throws ConfigError.
// Cost       At most kIssuesMax issues are kept; further ones are counted.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "busway/config_issue.hpp"
#include "config/document.hpp"

namespace busway::config {

class Issues {
 public:
  explicit Issues(std::string file);

  void error(Location at, std::string path, std::string message);
  void warning(Location at, std::string path, std::string message);
  void add(std::vector<ConfigIssue> issues);
  /// Counts an error that was reported before, where its consequence is met; nothing is shown
  /// twice.
  void error_again() noexcept { ++errors_; }

  [[nodiscard]] bool has_errors() const noexcept { return errors_ > 0; }
  [[nodiscard]] std::size_t errors() const noexcept { return errors_; }
  /// In the order of lines; the last one says how many were left out.
  [[nodiscard]] std::vector<ConfigIssue> sorted() const;
  void throw_if_errors() const;

 private:
  void keep(ConfigIssue issue);

  std::string file_;
  std::vector<ConfigIssue> kept_;
  std::size_t errors_ = 0;
  std::size_t left_out_ = 0;
};

}  // namespace busway::config
