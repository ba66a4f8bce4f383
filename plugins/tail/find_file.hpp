// find_file.hpp -- a file that has another name now.
//
// Model      Looks where a file is put that is rotated by renaming it: in the folder of its path,
//            and where that is a link, in the folder of what it leads to.
// Threads    [any-thread]
// Ownership  None.
// Errors     std::system_error that names the folder which cannot be looked through.
// Cost       Reads the folder, and looks at each file of it.
#pragma once

#include <optional>
#include <string>

#include "open_file.hpp"

namespace tail {

/// The path of a file with this identity; nothing when there is none.
[[nodiscard]] std::optional<std::string> find_file(const FileIdentity& identity,
                                                   const std::string& near_path);

}  // namespace tail
