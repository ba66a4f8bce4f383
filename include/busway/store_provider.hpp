// busway/store_provider.hpp -- opens a store by its address; how a component makes its kind known.
// Layer: store
//
// Model      open_store("sqlite:events.db"). memory: is always there; sqlite: is when the program
//            links busway::sqlite, and so on.
// Threads    [any-thread]
// Ownership  The caller owns the store.
// Errors     Error(invalid_option) for an address that cannot be read, Error(not_yet) for a
//            provider that this program does not link, which names the component; whatever the
//            store's opening throws.
// Cost       A look-up in a short list.
// Example    tests/store/store_provider_test.cpp
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "busway/clock.hpp"
#include "busway/limits.hpp"
#include "busway/log.hpp"
#include "busway/retention.hpp"
#include "busway/store.hpp"

namespace busway {

/// How far a long call of a store is, in whatever it counts: events, bytes, pages.
struct StoreProgress {
  std::uint64_t done = 0;
  std::uint64_t whole = 0;  ///< 0: not known
};

/// What a store is told beside its address.
struct StoreOptions {
  std::string instance_id{};  ///< who opens it, for people; default: the host's name
  /// At least this is wanted; more than the server gives is Error(invalid_option). Unset: what the
  /// provider does by itself (sqlite: power_loss).
  std::optional<Durability> durability{};
  Retention retention{};  ///< applied now and then by the store itself
  std::size_t compress_above = limits::kCompressAboveDefault;  ///< bytes of a payload; 0: never
  std::optional<std::chrono::nanoseconds>
      durable_expiry{};  ///< forget names not opened for so long
  std::chrono::nanoseconds timeout = std::chrono::seconds(5);  ///< of one request to the server
  bool create = true;  ///< false: Error(store_unavailable) where there is no store yet
  /// Nothing is written, so that a store can be read that cannot be written. What would write is
  /// Error(not_offered), an append is not stored, and watches are told nothing. Of stores that keep
  /// something.
  bool read_only = false;
  LogSink log{};                   ///< default: log_to_stderr
  std::shared_ptr<Clock> clock{};  ///< default: the system's
  /// Told now and then on the thread of a check() (events), backup() (bytes), trim() (events looked
  /// at) or vacuum() (pages), by stores that know. Must not call the store. What it throws ends the
  /// call, which throws the same.
  std::function<void(const StoreProgress&)> progress{};
};

/// Opens, or creates, the store of an address: memory:, sqlite:PATH.
[[nodiscard]] std::shared_ptr<Store> open_store(std::string_view address,
                                                const StoreOptions& options = {});

using StoreFactory =
    std::function<std::shared_ptr<Store>(std::string_view address, const StoreOptions& options)>;

/// For components and for stores of your own: `scheme` is what stands before the first colon.
/// Throws Error(already_exists).
void register_store(std::string scheme, StoreFactory factory);
/// Whether addresses of this scheme can be opened.
[[nodiscard]] bool store_is_known(std::string_view scheme);

}  // namespace busway
