// busway/store.hpp -- where events are kept: the one interface of memory, SQLite and the servers.
// Layer: store
//
// Model      A log of events with growing sequences, and durable subscriptions that remember what
//            of it they have not settled. append() is durable, as info() says how far, when it is
//            done. At least once: what was appended is given to every durable name that matches,
//            whoever dies when, until it is settled; duplicates have the same id.
// Threads    Everything is [any-thread]; appends of many threads share commits. It calls back
//            AppendRequest::done() and watches, which must neither block nor call back (StoreNews
//            tells when a watch may); StoreOptions::log, on any thread, which may use the store;
//            StoreOptions::progress, on the thread of the call; and of typed payloads to_json, on
//            the thread that appends, and the destructor. None of these, but watches and progress,
//            with a lock or transaction open. The clock is asked with one, and must not call back.
// Ownership  The store owns its connections and threads; consumers and watches must go before it.
// Errors     Opening throws: Error(store_unavailable, store_format, invalid_option, io_error) that
//            names the address. A call throws Error(store_unavailable) when the server cannot be
//            asked now, Error(stopped) after close(), Error(not_offered) for what features()
//            denies.
//            append() never throws: it has three answers. Corrupt events are logged, counted, set
//            aside, and never given to anybody.
// Cost       Said by each store, measured in bench/.
// Example    docs/writing_a_store.md
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "busway/append_request.hpp"
#include "busway/durable_spec.hpp"
#include "busway/retention.hpp"
#include "busway/store_census.hpp"
#include "busway/store_consumer.hpp"
#include "busway/store_info.hpp"
#include "busway/store_news.hpp"
#include "busway/stored_event.hpp"
#include "busway/stored_letter.hpp"

namespace busway {

class Store {
 public:
  Store() = default;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  virtual ~Store() = default;

  [[nodiscard]] virtual StoreInfo info() const = 0;
  [[nodiscard]] virtual StoreFeatures features() const noexcept = 0;
  [[nodiscard]] virtual StoreStats stats() = 0;
  /// The same with counts by topic and by durable name, all of one moment. Looks at every event.
  [[nodiscard]] virtual StoreCensus census() = 0;
  /// Names this opening in StoredEvent::writer: unlike any other of the same store.
  [[nodiscard]] virtual std::uint64_t writer() const noexcept = 0;

  // -- The log ------------------------------------------------------------------------------------

  /// Begins to store the events of the request, in order; those of one thread in the order of its
  /// calls. request.done() tells when each has its answer. A reader who has seen a sequence will
  /// never see a lower one appear.
  virtual void append(AppendRequest& request) noexcept = 0;
  /// The same, and waits for the answers. A store may do the work on this thread.
  virtual void append(std::span<const Event> events, std::span<AppendResult> results) noexcept;
  [[nodiscard]] AppendResult append(const Event& event) noexcept;

  [[nodiscard]] virtual StorePage read(const StoreQuery& query) = 0;
  /// By the event's id; no value: never stored, or trimmed, or corrupt.
  [[nodiscard]] virtual std::optional<StoredEvent> find(const EventId& id) = 0;
  [[nodiscard]] virtual std::optional<StoredStatus> status(const EventId& id) = 0;

  /// Calls `news` after something was appended or can be had again, by this opening or another, and
  /// now and then without a cause, which is how what was only settled becomes known; calls may
  /// overlap. Ends when the last copy goes; then it
  /// does not run.
  using Watch = std::shared_ptr<void>;
  [[nodiscard]] virtual Watch watch(std::function<void(StoreNews)> news) = 0;

  // -- Durable subscriptions ----------------------------------------------------------------------

  [[nodiscard]] virtual std::unique_ptr<StoreConsumer> open(const DurableSpec& spec) = 0;
  /// With all it has not settled and its dead letters. False: there is none. Openings of it get
  /// Error(not_found) from then on.
  virtual bool remove(std::string_view durable) = 0;
  [[nodiscard]] virtual std::vector<DurableInfo> durables() = 0;
  /// Gives stored events out to a durable name once more, at once and as a first attempt, whatever
  /// its patterns and its start are; at most limits::kFetchMax sequences a call. Passes over those
  /// that it has still to settle and those that are not kept; a dead letter is redriven. Returns
  /// how many it gives out. Throws Error(not_found); Error(invalid_argument) for more sequences.
  virtual std::size_t replay(std::string_view durable,
                             std::span<const std::uint64_t> sequences) = 0;

  [[nodiscard]] virtual std::vector<StoredLetter> dead_letters(const StoredLetterQuery& query) = 0;
  /// Gives them out again, at once, as a first attempt. Returns how many; not those under way.
  virtual std::size_t redrive(const StoredLetterQuery& query) = 0;
  /// Forgets them; not those under way. Returns how many.
  virtual std::size_t purge(const StoredLetterQuery& query) = 0;

  // -- Keeping house ------------------------------------------------------------------------------

  virtual TrimResult trim(const Retention& retention) = 0;
  /// Reads all and compares checksums; one sentence for each fault. Empty: sound.
  [[nodiscard]] virtual std::vector<std::string> check() = 0;
  /// A copy that can be opened, while the store is in use. Throws Error(already_exists).
  virtual void backup(const std::string& path) = 0;
  /// Gives back space that is not used.
  virtual void vacuum() = 0;

  /// Refuses new calls, answers the appends under way, gives back what is leased. In a watch, on
  /// the store's own thread, it refuses new calls and returns; the next one elsewhere, or the
  /// destructor, does the rest.
  virtual void close() noexcept = 0;
};

}  // namespace busway
