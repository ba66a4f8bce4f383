// busway/sqlite.hpp -- a store in one file: SQLite.
// Layer: store
//
// Model      sqlite:PATH in an address; linking the component busway::sqlite is enough. An
//            immutable log, and for each durable name a cursor, leases of ranges, and a row for
//            each event that needs one: because it waits, is out alone, or is dead. See
//            docs/formats/sqlite.md.
// Threads    As Store. One thread writes, in transactions that all callers share; another listens
//            for other processes.
// Ownership  As Store.
// Errors     Opening: Error(store_unavailable) for a folder that is missing, a file that cannot be
//            written or is locked; Error(store_format) for another format or a later version;
//            Error(invalid_option) for a durability that it cannot give. Else as Store.
// Cost       See bench/store_sqlite_bench.cpp: one fdatasync a commit with power_loss, none with
//            process_crash.
// Example    stores/sqlite/README.md
#pragma once

#include <memory>
#include <string>

#include "busway/store.hpp"
#include "busway/store_provider.hpp"

namespace busway {

/// Opens the file, or makes it. The path may be relative, or lead over links; from then on the
/// store goes by the file's own, absolute name. StoreOptions::durability: power_loss (the default;
/// synchronous = FULL) or process_crash (NORMAL: commits are not synced one by one).
[[nodiscard]] std::shared_ptr<Store> open_sqlite_store(const std::string& path,
                                                       const StoreOptions& options = {});

}  // namespace busway
