// report/child.hpp -- runs another program and reads what it prints.
#pragma once

#include <string>
#include <vector>

namespace busway::bench {

struct ChildResult {
  int status = -1;     ///< its exit code; -1 when it could not be started or was killed
  std::string output;  ///< standard output and error together
  double seconds = 0;  ///< CPU time of it and its children
};

/// Looks the program up in PATH. `environment` entries ("NAME=value") replace ours.
[[nodiscard]] ChildResult run_child(const std::vector<std::string>& command,
                                    const std::vector<std::string>& environment = {});

/// A file beside this program.
[[nodiscard]] std::string beside_me(const std::string& name);

}  // namespace busway::bench
