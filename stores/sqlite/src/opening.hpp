// opening.hpp -- a SQLite file on its way to being a store: found, checked, brought up to date.
// Layer: store
//
// Threads    [any-thread]
// Ownership  None.
// Errors     Error in words of what is to be done; Fault where SQLite says it.
// Cost       A transaction.
#pragma once

#include <cstdint>
#include <string>
#include <system_error>

#include "busway/store_info.hpp"
#include "busway/store_provider.hpp"
#include "database.hpp"

namespace busway::sqlite {

/// What SQLite said while the file was opened.
[[noreturn]] void refuse(const Fault& fault, const std::string& path);
/// What the system said: no more files, no more threads.
[[noreturn]] void refuse(const std::system_error& error, const std::string& path);
void require_place(const std::string& path);
/// The one name of the file, whichever it is opened by and from wherever: gate, doorbell and log
/// are named after it, and a relative one would be another file after chdir().
[[nodiscard]] std::string place_of(const std::string& path);
/// Makes the entry of a file durable; says why it is not.
[[nodiscard]] std::error_code sync_folder(const std::string& path);
[[nodiscard]] Durability durability_of(const StoreOptions& options, const std::string& path);
/// Opens the file, brings it up to date, and enters an opening, whose number it returns.
[[nodiscard]] std::uint64_t prepare(const std::string& path, const StoreOptions& options);

/// How the file can be read where nothing is to be written: beside its log, or, where it has none
/// and nothing can be made beside it, as one that nobody writes. Throws as prepare().
[[nodiscard]] Database::Access prepare_to_read(const std::string& path);

}  // namespace busway::sqlite
