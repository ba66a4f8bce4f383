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
#include <span>
#include <string>

#include "database.hpp"

namespace busway::sqlite {

inline constexpr std::int64_t kApplicationId = 0x62757377;  // "busw"

/// What brings a file of version n to n + 1 stands at n.
using Steps = std::span<const char* const>;
[[nodiscard]] Steps schema_steps() noexcept;
/// That all of them lead to.
[[nodiscard]] std::int64_t schema_version() noexcept;

/// For tests: other steps, while it lives. Not while another thread opens a file.
class OtherSteps {
 public:
  explicit OtherSteps(Steps steps) noexcept;
  OtherSteps(const OtherSteps&) = delete;
  OtherSteps& operator=(const OtherSteps&) = delete;
  ~OtherSteps();

 private:
  Steps before_;
};

/// Refuses what is not ours, without a change to it.
void require_ours(Database& database, const std::string& path);
/// Nothing was made in it: it is new, or what was begun was taken back.
[[nodiscard]] bool is_empty(Database& database);
/// Whether the tables of this version are there.
[[nodiscard]] bool is_current(Database& database);
/// Makes or migrates the tables, each step once; in a transaction of the caller.
void make_current(Database& database);

}  // namespace busway::sqlite
