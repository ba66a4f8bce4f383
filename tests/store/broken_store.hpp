// tests/store/broken_store.hpp -- a memory store that breaks one promise, for tests of the suite.
#pragma once

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "busway/event_record.hpp"
#include "busway/memory_store.hpp"
#include "busway/testing/store_conformance.hpp"
#include "forwarding_store.hpp"
#include "shared_store.hpp"

namespace busway::testing {

enum class Defect : unsigned char {
  none,
  // of an append
  no_dedupe,
  wrong_sequence_of_a_duplicate,
  loses_an_event,
  stores_half_a_batch,
  // of a fetch
  forgets_metadata,
  gives_twice,
  wrong_order,
  more_than_asked_for,
  ignores_leases,
  never_takes_over,
  counts_no_attempts,
  counts_on_after_a_redrive,
  forgets_what_is_due,
  ignores_patterns,
  ignores_the_start,
  lets_two_be_active,
  lets_strict_be_passed,
  // of a settlement
  takes_the_stale,
  forgets_each_tenth_settlement,
  forgets_settlements_beside_an_append,
  takes_a_retry_as_done,
  retries_at_once,
  counts_a_release,
  forgets_dead_letters,
  ignores_renew,
  keeps_what_a_closed_one_had,
  // of names and letters
  forgets_to_remove,
  forgets_notes,
  lists_a_thousand_names,
  commits_for_each_name,
  redrives_nothing,
  purges_nothing,
  replays_to_everybody,
  // of looking back
  pages_overlap,
  says_completed,
  miscounts_topics,
  // of keeping house
  trims_nothing,
  trims_the_unsettled,
  deaf_watch,
  ends_a_watch_without_waiting,
  stays_open,
  // of several openings
  remembers_names,
  remembers_notes,
  remembers_what_is_trimmed,
  keeps_what_a_closed_store_had,
  loses_all_at_a_restart,
  stays_unavailable,
  counts_no_deaths
};

/// What the openings of a broken store share.
struct BrokenState {
  explicit BrokenState(Defect what) : defect(what) {}

  const Defect defect;
  std::atomic<std::size_t> restarts{0};
  std::mutex mutex;                                             // guards what follows
  std::map<std::string, std::vector<Leased>, std::less<>> out;  // by name, not settled
  std::vector<std::shared_ptr<StoreConsumer>> never_closed;
  std::uint64_t trimmed = 0;  // all up to here is hidden
  std::uint64_t appends = 0;
  std::thread::id appender;  // the last one
};

class BrokenConsumer final : public ForwardingConsumer {
 public:
  BrokenConsumer(std::shared_ptr<StoreConsumer> real, std::shared_ptr<BrokenState> state,
                 std::string name)
      : ForwardingConsumer(std::move(real)),
        state_(std::move(state)),
        name_(std::move(name)),
        restarts_(state_->restarts) {}
  ~BrokenConsumer() override { BrokenConsumer::close(); }

  FetchResult fetch(std::size_t max) override {
    if (is(Defect::stays_unavailable) && restarts_ != state_->restarts) {
      throw Error(ErrorCode::store_unavailable, "the server was restarted");
    }
    FetchResult result = real_->fetch(max > 0 && is(Defect::more_than_asked_for) ? max + 1 : max);
    if (is(Defect::forgets_what_is_due)) result.due.reset();
    for (Leased& one : result.deliveries) spoil(one);
    if (is(Defect::wrong_order)) std::reverse(result.deliveries.begin(), result.deliveries.end());
    if (result.deliveries.empty() && last_ && max > 0) {
      result.deliveries.push_back(*std::exchange(last_, std::nullopt));
    }
    const std::lock_guard lock(state_->mutex);
    appends_ = state_->appends;
    std::vector<Leased>& out = state_->out[name_];
    if (is(Defect::never_takes_over)) {
      std::erase_if(result.deliveries,
                    [&](const Leased& one) { return is_out(out, one.sequence); });
    }
    if (is(Defect::trims_the_unsettled)) {
      std::erase_if(result.deliveries,
                    [&](const Leased& one) { return one.sequence <= state_->trimmed; });
    }
    if (is(Defect::ignores_leases) && result.deliveries.empty() && max >= out.size()) {
      result.deliveries = out;
    }
    for (const Leased& one : result.deliveries) {
      if (!is_out(out, one.sequence)) out.push_back(one);
    }
    return result;
  }

  SettleResult settle(std::span<const Settlement> settlements) override {
    std::vector<Settlement> kept;
    std::size_t forgotten = 0;
    {
      const std::lock_guard lock(state_->mutex);
      const bool beside =
          state_->appends != appends_ && state_->appender != std::this_thread::get_id();
      for (Settlement one : settlements) {
        std::erase_if(state_->out[name_],
                      [&](const Leased& out) { return out.sequence == one.sequence; });
        const bool tenth = one.kind == Settlement::Kind::done && ++settled_ % 10 == 0;
        if ((is(Defect::forgets_each_tenth_settlement) && tenth) ||
            (is(Defect::forgets_settlements_beside_an_append) && beside)) {
          ++forgotten;
        } else {
          spoil(one);
          kept.push_back(std::move(one));
        }
      }
    }
    SettleResult result = real_->settle(kept);
    result.accepted += forgotten;
    if (is(Defect::takes_the_stale)) result.accepted += std::exchange(result.stale, 0);
    return result;
  }

  bool renew() override { return is(Defect::ignores_renew) || real_->renew(); }
  void keep_note(std::string_view note) override {
    if (!is(Defect::forgets_notes)) real_->keep_note(note);
    note_ = note;
  }
  std::string note() override {
    if (!is(Defect::remembers_notes)) return real_->note();
    if (!note_) note_ = real_->note();
    return *note_;
  }
  void close() noexcept override {
    if (!is(Defect::keeps_what_a_closed_one_had)) return real_->close();
    const std::lock_guard lock(state_->mutex);
    state_->never_closed.push_back(real_);
  }

 private:
  [[nodiscard]] bool is(Defect defect) const noexcept { return state_->defect == defect; }
  static bool is_out(const std::vector<Leased>& out, std::uint64_t sequence) {
    return std::any_of(out.begin(), out.end(),
                       [&](const Leased& one) { return one.sequence == sequence; });
  }
  void spoil(Leased& one) {
    if (is(Defect::counts_no_attempts)) one.attempt = 1;
    if (is(Defect::counts_on_after_a_redrive) && one.redriven) ++one.attempt;
    if (is(Defect::gives_twice)) last_ = one;
    if (is(Defect::forgets_metadata)) {
      RecordScratch scratch;
      EventRecord record = record_of(one.event, scratch);
      record.metadata = {};
      one.event = event_of(record);
    }
  }
  void spoil(Settlement& one) const {
    using Kind = Settlement::Kind;
    if (is(Defect::retries_at_once)) one.after = {};
    if (is(Defect::takes_a_retry_as_done) && one.kind == Kind::retry) one.kind = Kind::done;
    if (is(Defect::counts_a_release) && one.kind == Kind::release) one.kind = Kind::retry;
    if (is(Defect::forgets_dead_letters) && one.kind == Kind::dead_letter) one.kind = Kind::done;
  }

  const std::shared_ptr<BrokenState> state_;
  const std::string name_;
  const std::size_t restarts_;
  std::optional<Leased> last_;
  std::optional<std::string> note_;
  std::uint64_t appends_ = 0;  // when it fetched last
  std::size_t settled_ = 0;
};

class BrokenStore final : public ForwardingStore {
 public:
  BrokenStore(std::shared_ptr<Store> real, std::shared_ptr<BrokenState> state)
      : ForwardingStore(std::move(real)), state_(std::move(state)) {}
  ~BrokenStore() override { BrokenStore::close(); }

  StoreStats stats() override {
    StoreStats stats = real_->stats();
    if (is(Defect::commits_for_each_name)) stats.commits += stats.appended * stats.durables;
    return stats;
  }
  StoreCensus census() override {
    StoreCensus census = real_->census();
    if (is(Defect::miscounts_topics) && !census.topics.empty()) ++census.topics.back().events;
    return census;
  }

  using Store::append;
  void append(AppendRequest& request) noexcept override {
    bool loses = false;
    {
      const std::lock_guard lock(state_->mutex);
      loses = ++state_->appends % 20 == 0 && is(Defect::loses_an_event);
      state_->appender = std::this_thread::get_id();
    }
    if (loses) {
      for (AppendResult& result : request.results()) result.answer = Appended::stored;
      return request.done();
    }
    if (is(Defect::stores_half_a_batch)) {
      for (std::size_t i = 0; i < request.events().size(); ++i) {
        real_->append(request.events().subspan(i, 1), request.results().subspan(i, 1));
      }
      return request.done();
    }
    InnerRequest inner(request);
    real_->append(inner);
    for (AppendResult& result : request.results()) {
      const bool duplicate = result.answer == Appended::duplicate;
      if (is(Defect::no_dedupe) && result.ok()) result.answer = Appended::stored;
      if (is(Defect::wrong_sequence_of_a_duplicate) && duplicate) ++result.sequence;
    }
    request.done();
  }

  StorePage read(const StoreQuery& query) override {
    StorePage page = real_->read(query);
    if (is(Defect::pages_overlap) && page.more && page.events.size() > 1) {
      page.next = page.events[page.events.size() - 2].sequence;
    }
    return page;
  }
  std::optional<StoredEvent> find(const EventId& id) override {
    std::optional<StoredEvent> found = real_->find(id);
    const std::lock_guard lock(state_->mutex);
    if (is(Defect::remembers_what_is_trimmed)) {
      if (found) return found_.try_emplace(id, *found).first->second;
      if (const auto known = found_.find(id); known != found_.end()) return known->second;
    }
    if (found && found->sequence <= state_->trimmed) return std::nullopt;
    return found;
  }
  std::optional<StoredStatus> status(const EventId& id) override {
    std::optional<StoredStatus> status = real_->status(id);
    if (status && is(Defect::says_completed)) status->status = EventStatus::completed;
    return status;
  }
  Watch watch(std::function<void(StoreNews)> news) override {
    if (is(Defect::deaf_watch)) return std::make_shared<int>();
    if (is(Defect::ends_a_watch_without_waiting)) {
      const auto ended = std::make_shared<std::atomic<bool>>(false);
      watches_.push_back(real_->watch([ended, news = std::move(news)](StoreNews how) {
        if (!*ended) news(how);
      }));
      return {ended.get(), [ended](void*) { *ended = true; }};
    }
    return real_->watch(std::move(news));
  }

  std::unique_ptr<StoreConsumer> open(const DurableSpec& spec) override {
    DurableSpec other = spec;
    if (is(Defect::ignores_patterns)) other.patterns = {Pattern::parse("*")};
    if (is(Defect::ignores_the_start)) other.start = Replay::beginning();
    if (is(Defect::lets_two_be_active)) other.order = DurableOrder::relaxed;
    if (is(Defect::lets_strict_be_passed) && other.order == DurableOrder::strict) {
      other.order = DurableOrder::key;
    }
    return std::make_unique<BrokenConsumer>(real_->open(other), state_, spec.name);
  }
  bool remove(std::string_view durable) override {
    return is(Defect::forgets_to_remove) || real_->remove(durable);
  }
  std::vector<DurableInfo> durables() override {
    std::vector<DurableInfo> infos = real_->durables();
    if (is(Defect::lists_a_thousand_names) && infos.size() > 1'000) infos.resize(1'000);
    if (!is(Defect::remembers_names)) return infos;
    const std::lock_guard lock(state_->mutex);
    if (!names_) names_ = infos;
    return *names_;
  }
  std::size_t replay(std::string_view durable, std::span<const std::uint64_t> sequences) override {
    const std::size_t given = real_->replay(durable, sequences);
    if (is(Defect::replays_to_everybody)) {
      for (const DurableInfo& one : real_->durables()) {
        if (one.name != durable) static_cast<void>(real_->replay(one.name, sequences));
      }
    }
    return given;
  }
  std::size_t redrive(const StoredLetterQuery& query) override {
    return is(Defect::redrives_nothing) ? real_->dead_letters(query).size() : real_->redrive(query);
  }
  std::size_t purge(const StoredLetterQuery& query) override {
    return is(Defect::purges_nothing) ? real_->dead_letters(query).size() : real_->purge(query);
  }

  TrimResult trim(const Retention& retention) override {
    if (is(Defect::trims_nothing)) return {};
    TrimResult result = real_->trim(retention);
    if (is(Defect::trims_the_unsettled) && result.held > 0) {
      const std::lock_guard lock(state_->mutex);
      state_->trimmed = real_->stats().last_sequence - retention.max_events.value_or(0);
      result.removed += std::exchange(result.held, 0);
    }
    return result;
  }
  void close() noexcept override {
    if (!is(Defect::stays_open)) real_->close();
  }

 private:
  [[nodiscard]] bool is(Defect defect) const noexcept { return state_->defect == defect; }

  const std::shared_ptr<BrokenState> state_;
  std::optional<std::vector<DurableInfo>> names_;
  std::vector<Watch> watches_;
  std::unordered_map<EventId, StoredEvent> found_;
};

/// On a memory store, or on the one that several openings share.
class BrokenHarness final : public StoreHarness {
 public:
  enum class Kind : unsigned char { alone, shared };
  explicit BrokenHarness(Defect defect, Kind kind = Kind::alone) : defect_(defect), kind_(kind) {
    fresh();
  }

  std::string_view name() const override { return "broken"; }
  void fresh() override {
    shared_.fresh();
    shared_.gives_back = defect_ != Defect::keeps_what_a_closed_store_had;
    state_ = std::make_shared<BrokenState>(defect_);
  }
  std::shared_ptr<Store> open(const StoreOptions& options) override {
    StoreOptions with_clock = options;
    with_clock.clock = clock();
    return std::make_shared<BrokenStore>(
        kind_ == Kind::shared ? shared_.open(with_clock) : make_memory_store(with_clock), state_);
  }
  void restart() override {
    if (defect_ == Defect::loses_all_at_a_restart) shared_.fresh();
    ++state_->restarts;
    shared_.restart();
  }
  bool can_kill() const override { return kind_ == Kind::shared; }
  void kill_holder(const DurableSpec& spec, std::size_t count) override {
    if (defect_ != Defect::counts_no_deaths) shared_.kill_holder(spec, count);
  }
  std::shared_ptr<ManualClock> clock() const override {
    return with_clock_ ? shared_.clock() : nullptr;
  }
  double scale() const override { return 0.05; }
  std::chrono::nanoseconds patience() const override {
    return defect_ == Defect::none ? StoreHarness::patience() : std::chrono::milliseconds(200);
  }
  void use_system_clock() { with_clock_ = false; }

 private:
  const Defect defect_;
  const Kind kind_;
  SharedHarness shared_;
  std::shared_ptr<BrokenState> state_;
  bool with_clock_ = true;
};

}  // namespace busway::testing
