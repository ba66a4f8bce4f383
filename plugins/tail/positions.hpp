// positions.hpp -- where a reader stood in its files, as JSON.
//
// Model      {"<path>": {"device": 1, "inode": 2, "offset": 3, "read": 5, "last_bytes": 5,
//            "last_sha256": "...", "retired": [{"device": 1, ...}]}}: what one generation of the
//            plugin hands to the next, and with `positions` what it keeps in a file for the next
//            start. An earlier build wrote the first three alone, which is understood.
//            The file is replaced in one step, and is on the disk before: after a crash, of the
//            machine too, it is the old one or the new one.
// Threads    [any-thread]
// Errors     read: nlohmann's for what is none. load: std::runtime_error that names the file, and
//            none when there is no file. store: std::system_error that names the file.
// Cost       store: the disk's, two syncs.
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "followed_file.hpp"

namespace tail {

using Positions = std::map<std::string, PathPosition>;

[[nodiscard]] nlohmann::json write_positions(const Positions& positions);
[[nodiscard]] Positions read_positions(const nlohmann::json& json);

[[nodiscard]] Positions load_positions(const std::string& file);
/// What write_positions() gave.
void store_positions(const std::string& file, const nlohmann::json& positions);

}  // namespace tail
