// tests/structure/layer_rules.hpp -- the rules of the house, checked on the files themselves.
//
// Each check reads the tree under a root folder and returns what breaks its rule, with file and
// line; an empty list means that all is well. The trees may be planted, so the checks are tested
// too.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace busway::structure {

struct Finding {
  std::string file;  // relative to the root
  std::size_t line = 0;
  std::string message;
};

struct Report {
  std::vector<Finding> findings;
  std::size_t files = 0;  // how many were read; a check that reads none proves nothing
};

/// Who includes whom: layers only what is before them, plugins only the plugin header, stores no
/// other store, public headers nothing private.
Report check_layers(const std::filesystem::path& root);

/// Each public header opens with its name, its layer and the six lines of its contract.
Report check_contracts(const std::filesystem::path& root);

/// No file carries a note of unfinished work.
Report check_leftovers(const std::filesystem::path& root);

/// One line a finding, as compilers write them.
std::string to_string(const Report& report);

}  // namespace busway::structure
