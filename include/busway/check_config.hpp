// busway/check_config.hpp -- all that is wrong or doubtful in a file, without running it.
// Layer: host
//
// Model      Reads the file as initialize() does and looks at each plugin's library without opening
//            it. In a plugin's config, `pattern` and `patterns` (one text or a list) hold patterns
//            of events: a faulty one is an error, one that matches every topic without a `filter`
//            beside it a warning. `topic` and `topics` may hold anything: what is there gives
//            warnings at most, as does a topic of one word.
// Threads    [any-thread]
// Ownership  A value.
// Errors     Never throws for what a file or a plugin is like: that is in the report.
// Cost       Reads the file and the libraries.
// Example    tests/host/check_config_test.cpp
#pragma once

#include <string>
#include <vector>

#include "busway/config_issue.hpp"
#include "busway/initialize_options.hpp"
#include "busway/pattern.hpp"

namespace busway {

/// A pattern that the file names, and how it was read.
struct PatternReading {
  std::string file{};
  int line = 0;
  std::string path{};  ///< such as plugins[0].config.patterns[1]
  Pattern pattern;
};

struct ConfigReport {
  std::vector<ConfigIssue> issues{};       ///< in the order of lines
  std::vector<PatternReading> patterns{};  ///< in the order of the file
  std::string
      shown{};  ///< the file as read: variables expanded, secrets masked; empty if it is no YAML

  [[nodiscard]] bool ok() const noexcept;
};

[[nodiscard]] ConfigReport check_config(const std::string& path,
                                        const InitializeOptions& options = {});

}  // namespace busway
