// schema.hpp -- the tables of the file, and which files are opened.
// Layer: store
//
// Model      docs/formats/sqlite.md. application_id tells a file of busway's, user_version the
//            version of its tables; an older one is brought forward, a newer one refused.
// Threads    [not-concurrent]
// Ownership  None.
// Errors     Error(store_format) that names the path; Fault.
// Cost       Once an opening.
#pragma once

#include <cstdint>
#include <string>

#include "database.hpp"

namespace busway::sqlite {

inline constexpr std::int64_t kApplicationId = 0x62757377;  // "busw"
inline constexpr std::int64_t kVersion = 1;

/// Refuses what is not ours, without a change to it.
void require_ours(Database& database, const std::string& path);
/// Whether the tables of this version are there.
[[nodiscard]] bool is_current(Database& database);
/// Makes or migrates the tables; in a transaction of the caller.
void make_current(Database& database);

}  // namespace busway::sqlite
