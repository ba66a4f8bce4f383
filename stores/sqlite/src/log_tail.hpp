// log_tail.hpp -- whether commits stand in a write-ahead log that SQLite does not read any more.
// Layer: store
//
// Model      SQLite reads a log up to the first frame that does not pass its checksum, and says
//            nothing of what is behind it; the next commit overwrites that. A kill leaves whole
//            frames, so a frame there that ends a commit of the same log was damaged, or stands
//            behind one that was; or it is of a commit nobody had an answer of, cut by a power
//            failure, or left by a process that died while others went on over it.
// Threads    [not-concurrent]; with the gate, and before anything is written.
// Ownership  None. Opens PATH-wal, on which nobody holds a lock, and no other file: to close one
//            would take away the locks that SQLite holds on it in this process.
// Errors     None: what cannot be read is not judged.
// Cost       One read of 48 bytes; of what is behind the last frame, where there is something.
#pragma once

#include <cstdint>
#include <string>

#include "database.hpp"

namespace busway::sqlite {

/// How many commits cannot be read any more; 0 as a rule. SQLite has read the log before.
[[nodiscard]] std::uint64_t unreadable_commits(Database& database, const std::string& path);

}  // namespace busway::sqlite
