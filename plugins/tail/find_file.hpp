// find_file.hpp -- a file that has another name now.
//
// Model      Looks where a file is put that is rotated by renaming it: in the folder of its path,
//            and where that is a link, in the folder of what it leads to, be it there or not.
// Threads    [any-thread]
// Ownership  None.
// Errors     std::system_error that names a folder which cannot be looked through, when the file is
//            in none of the others.
// Cost       Reads the folder, and looks at each file of it.
#pragma once

#include <optional>
#include <string>

#include "open_file.hpp"

namespace tail {

/// The path of the file of which the position is, or else of one that may be it; nothing when there
/// is none.
[[nodiscard]] std::optional<std::string> find_file(const Position& position,
                                                   const std::string& near_path);

}  // namespace tail
