#include "busway/memory_store.hpp"

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <utility>

#include "base/escape.hpp"
#include "busway/error.hpp"
#include "busway/store_watches.hpp"
#include "store/event_query.hpp"
#include "store/memory/memory_durable.hpp"
#include "store/memory/memory_log.hpp"

namespace busway {
namespace {

using store_detail::MemoryDurable;
using store_detail::MemoryLog;

/// Appends between two looks at the retention.
constexpr std::uint64_t kTrimEvery = 256;

[[noreturn]] void not_offered(std::string_view what) {
  throw Error(ErrorCode::not_offered, "the store memory: has no " + std::string(what));
}

class MemoryStore;

class MemoryConsumer final : public StoreConsumer {
 public:
  MemoryConsumer(std::shared_ptr<MemoryStore> store, std::string name, std::uint64_t token,
                 std::chrono::nanoseconds lease)
      : store_(std::move(store)), name_(std::move(name)), token_(token), lease_(lease) {}
  ~MemoryConsumer() override { close(); }

  FetchResult fetch(std::size_t max) override;
  SettleResult settle(std::span<const Settlement> settlements) override;
  bool renew() override;
  void keep_note(std::string_view note) override;
  [[nodiscard]] std::string note() override;
  void close() noexcept override;

 private:
  const std::shared_ptr<MemoryStore> store_;
  const std::string name_;
  const std::uint64_t token_;
  const std::chrono::nanoseconds lease_;
  std::atomic<bool> closed_{false};
};

class MemoryStore final : public Store, public std::enable_shared_from_this<MemoryStore> {
 public:
  explicit MemoryStore(const StoreOptions& options)
      : retention_(options.retention),
        clock_(options.clock != nullptr ? options.clock : Clock::system()) {
    if (options.durability && *options.durability != Durability::memory) {
      throw Error(ErrorCode::invalid_option, "store memory: durability is to be " +
                                                 std::string(to_string(*options.durability)) +
                                                 ", and it promises memory; use sqlite:PATH");
    }
    stats_.opened = clock_->wall();
  }

  [[nodiscard]] StoreInfo info() const override {
    return {.provider = "memory",
            .address = "memory:",
            .engine = "busway",
            .format = "none",
            .durability = Durability::memory,
            .notes = {"what is kept ends with the process"}};
  }
  [[nodiscard]] StoreFeatures features() const noexcept override {
    return {.atomic_batch = false,
            .dedupe_always = true,
            .ordered_log = true,
            .query = true,
            .trim = true};
  }
  [[nodiscard]] StoreStats stats() override {
    const std::lock_guard lock(mutex_);
    StoreStats out = stats_;
    out.events = log_.size();
    out.bytes = log_.bytes();
    out.first_sequence = log_.first();
    out.last_sequence = log_.last();
    out.durables = durables_.size();
    for (const auto& [name, durable] : durables_) out.dead_letters += durable.dead_letters();
    return out;
  }
  [[nodiscard]] std::uint64_t writer() const noexcept override { return 1; }

  using Store::append;
  void append(AppendRequest& request) noexcept override {
    {
      const std::lock_guard lock(mutex_);
      for (std::size_t i = 0; i < request.events().size(); ++i) {
        append_one(request.events()[i], request.results()[i]);
      }
      ++stats_.commits;
    }
    request.done();
    watches_.tell();
  }

  [[nodiscard]] StorePage read(const StoreQuery& query) override;
  [[nodiscard]] std::optional<StoredEvent> find(const EventId& id) override {
    const std::lock_guard lock(mutex_);
    require_open();
    const std::uint64_t sequence = log_.sequence_of(id);
    if (sequence == 0) return std::nullopt;
    return StoredEvent{log_.find(sequence)->event, sequence, writer()};
  }
  [[nodiscard]] std::optional<StoredStatus> status(const EventId& id) override {
    const std::lock_guard lock(mutex_);
    require_open();
    const std::uint64_t sequence = log_.sequence_of(id);
    if (sequence == 0) return std::nullopt;
    StoredStatus out{.stored = {log_.find(sequence)->event, sequence, writer()}};
    out.deliveries = deliveries_of(sequence, out.stored.event.topic());
    out.status = store_detail::status_of(out.deliveries);
    return out;
  }
  [[nodiscard]] Watch watch(std::function<void()> news) override {
    return watches_.add(std::move(news));
  }

  [[nodiscard]] std::unique_ptr<StoreConsumer> open(const DurableSpec& spec) override {
    check_durable(spec);
    const std::lock_guard lock(mutex_);
    require_open();
    const auto place = durables_.find(spec.name);
    if (place == durables_.end()) {
      durables_.try_emplace(spec.name, spec, log_, clock_->wall());
    } else {
      place->second.reopen(spec, clock_->wall());
    }
    return std::make_unique<MemoryConsumer>(shared_from_this(), spec.name, next_token_++,
                                            spec.lease);
  }
  bool remove(std::string_view durable) override {
    {
      const std::lock_guard lock(mutex_);
      require_open();
      const auto place = durables_.find(durable);
      if (place == durables_.end()) return false;
      durables_.erase(place);
    }
    watches_.tell();
    return true;
  }
  [[nodiscard]] std::vector<DurableInfo> durables() override {
    const std::lock_guard lock(mutex_);
    require_open();
    std::vector<DurableInfo> out;
    out.reserve(durables_.size());
    for (const auto& [name, durable] : durables_) out.push_back(durable.info(clock_->wall()));
    return out;
  }

  [[nodiscard]] std::vector<StoredLetter> dead_letters(const StoredLetterQuery& query) override {
    const std::lock_guard lock(mutex_);
    require_open();
    return letters(query);
  }
  std::size_t redrive(const StoredLetterQuery& query) override {
    const std::size_t count =
        with_each_at_rest(query, [this](MemoryDurable& durable, std::uint64_t sequence) {
          durable.redrive(sequence, clock_->wall());
        });
    if (count != 0) watches_.tell();
    return count;
  }
  std::size_t purge(const StoredLetterQuery& query) override {
    return with_each_at_rest(
        query, [](MemoryDurable& durable, std::uint64_t sequence) { durable.purge(sequence); });
  }

  TrimResult trim(const Retention& retention) override {
    const std::lock_guard lock(mutex_);
    require_open();
    return trim_now(retention);
  }
  [[nodiscard]] std::vector<std::string> check() override { not_offered("check"); }
  void backup(const std::string& /*path*/) override { not_offered("backup"); }
  void vacuum() override { not_offered("vacuum"); }
  void close() noexcept override {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    watches_.tell();
  }

  /// Calls use(durable) for a consumer. Throws Error(stopped, not_found).
  template <class Use>
  auto with(const std::string& name, const Use& use) {
    const std::lock_guard lock(mutex_);
    require_open();
    const auto place = durables_.find(name);
    if (place == durables_.end()) {
      throw Error(ErrorCode::not_found, "the durable subscription " + quote(name) + " was removed");
    }
    return use(place->second);
  }
  void give_back(const std::string& name, std::uint64_t token) noexcept {
    {
      const std::lock_guard lock(mutex_);
      const auto place = durables_.find(name);
      if (place == durables_.end()) return;
      place->second.give_back(token, clock_->wall());
    }
    watches_.tell();
  }
  SettleResult settle(MemoryDurable& durable, std::uint64_t token,
                      std::span<const Settlement> settlements) {
    const SettleResult result = durable.settle(token, settlements, clock_->wall(), next_letter_);
    stats_.settled += result.accepted;
    stats_.stale += result.stale;
    return result;
  }
  void tell() noexcept { watches_.tell(); }
  [[nodiscard]] WallTime now() const noexcept { return clock_->wall(); }

 private:
  void require_open() const {
    if (closed_) throw Error(ErrorCode::stopped, "the store memory: is closed");
  }
  void append_one(const Event& event, AppendResult& result) noexcept;
  [[nodiscard]] std::vector<StoredDelivery> deliveries_of(std::uint64_t sequence,
                                                          std::string_view topic) const;
  [[nodiscard]] std::vector<StoredLetter> letters(const StoredLetterQuery& query) const;
  template <class Use>
  std::size_t with_each_at_rest(const StoredLetterQuery& query, const Use& use);
  TrimResult trim_now(const Retention& retention);

  const Retention retention_;
  const std::shared_ptr<Clock> clock_;
  StoreWatches watches_;
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  MemoryLog log_;
  std::map<std::string, MemoryDurable, std::less<>> durables_;
  std::uint64_t next_token_ = 1;
  std::uint64_t next_letter_ = 1;
  StoreStats stats_;
  bool closed_ = false;
};

void MemoryStore::append_one(const Event& event, AppendResult& result) noexcept {
  result = {};
  if (closed_) {
    result.answer = Appended::not_stored;
    result.error = "the store memory: is closed";
    return;
  }
  try {
    const auto [sequence, is_new] = log_.append(event, clock_->wall());
    result.sequence = sequence;
    result.answer = is_new ? Appended::stored : Appended::duplicate;
    ++(is_new ? stats_.appended : stats_.duplicates);
    if (is_new && !retention_.keeps_all() && stats_.appended % kTrimEvery == 0) {
      (void)trim_now(retention_);
    }
  } catch (const std::exception& error) {
    result.answer = Appended::not_stored;
    result.error = error.what();
  }
}

std::vector<StoredDelivery> MemoryStore::deliveries_of(std::uint64_t sequence,
                                                       std::string_view topic) const {
  std::vector<StoredDelivery> out;
  for (const auto& [name, durable] : durables_) {
    if (auto one = durable.delivery_of(sequence, topic)) out.push_back(std::move(*one));
  }
  return out;
}

StorePage MemoryStore::read(const StoreQuery& query) {
  const std::lock_guard lock(mutex_);
  require_open();
  StorePage page;
  const std::size_t limit = query.limit != 0 ? query.limit : limits::kStorePage;
  const bool forward = query.direction == StoreQuery::Direction::oldest_first;
  const std::uint64_t first = log_.first();
  const std::uint64_t last = log_.last();
  page.next = query.after;
  if (first == 0) return page;
  std::uint64_t at = forward ? std::max(query.after + 1, first)
                             : (query.after == 0 ? last : std::min(query.after - 1, last));
  const std::uint64_t end = forward ? std::min(query.up_to.value_or(last), last)
                                    : std::max(query.up_to.value_or(first), first);
  for (; forward ? at <= end : at >= end; forward ? ++at : --at) {
    if (page.events.size() == limit) {
      page.more = true;
      break;
    }
    page.next = at;
    const MemoryLog::Entry* const entry = log_.find(at);
    if (entry == nullptr || query.not_by == writer()) continue;
    if (!store_detail::fits(query, entry->event)) continue;
    if (query.status &&
        store_detail::status_of(deliveries_of(at, entry->event.topic())) != *query.status) {
      continue;
    }
    page.events.push_back({entry->event, at, writer()});
  }
  return page;
}

std::vector<StoredLetter> MemoryStore::letters(const StoredLetterQuery& query) const {
  std::vector<StoredLetter> out;
  for (const auto& [name, durable] : durables_) {
    if (!query.durable.empty() && query.durable != name) continue;
    durable.for_each_letter([&, name = name](std::uint64_t sequence, std::uint64_t id,
                                             const std::vector<StoredLetter::Death>& history,
                                             bool redriving) {
      StoredLetter letter{.id = id,
                          .durable = name,
                          .sequence = sequence,
                          .event = log_.find(sequence)->event,
                          .history = history,
                          .redriving = redriving};
      if (store_detail::fits(query, letter)) out.push_back(std::move(letter));
    });
  }
  std::sort(out.begin(), out.end(),
            [](const StoredLetter& a, const StoredLetter& b) { return a.id < b.id; });
  if (query.limit != 0 && out.size() > query.limit) {
    out.erase(out.begin() + static_cast<std::ptrdiff_t>(query.limit), out.end());
  }
  return out;
}

template <class Use>
std::size_t MemoryStore::with_each_at_rest(const StoredLetterQuery& query, const Use& use) {
  const std::lock_guard lock(mutex_);
  require_open();
  std::size_t count = 0;
  for (const StoredLetter& letter : letters(query)) {
    if (letter.redriving) continue;
    use(durables_.find(letter.durable)->second, letter.sequence);
    ++count;
  }
  return count;
}

TrimResult MemoryStore::trim_now(const Retention& retention) {
  TrimResult result;
  if (retention.keeps_all() || log_.first() == 0) return result;
  const WallTime now = clock_->wall();
  std::uint64_t events = log_.size();
  std::uint64_t bytes = log_.bytes();
  const std::uint64_t last = log_.last();
  for (std::uint64_t sequence = log_.first(); sequence <= last; ++sequence) {
    const MemoryLog::Entry* const entry = log_.find(sequence);
    if (entry == nullptr) continue;
    const bool beyond = (retention.max_age && now - entry->appended > *retention.max_age) ||
                        (retention.max_events && events > *retention.max_events) ||
                        (retention.max_bytes && bytes > *retention.max_bytes);
    if (!beyond) break;  // those behind it are younger
    --events;
    bytes -= entry->bytes;
    const std::string_view topic = entry->event.topic();
    const bool held = std::any_of(durables_.begin(), durables_.end(), [&](const auto& one) {
      return one.second.needs(sequence, topic);
    });
    if (held) {
      ++result.held;
      continue;
    }
    log_.erase(sequence);
    ++result.removed;
  }
  return result;
}

FetchResult MemoryConsumer::fetch(std::size_t max) {
  if (closed_) throw Error(ErrorCode::stopped, "the opening of " + quote(name_) + " is closed");
  return store_->with(name_, [&](MemoryDurable& durable) {
    return durable.fetch(token_, lease_, max, store_->now());
  });
}

SettleResult MemoryConsumer::settle(std::span<const Settlement> settlements) {
  if (closed_) throw Error(ErrorCode::stopped, "the opening of " + quote(name_) + " is closed");
  const SettleResult result = store_->with(
      name_, [&](MemoryDurable& durable) { return store_->settle(durable, token_, settlements); });
  store_->tell();
  return result;
}

bool MemoryConsumer::renew() {
  if (closed_) throw Error(ErrorCode::stopped, "the opening of " + quote(name_) + " is closed");
  return store_->with(
      name_, [&](MemoryDurable& durable) { return durable.renew(token_, lease_, store_->now()); });
}

void MemoryConsumer::keep_note(std::string_view note) {
  if (note.size() > limits::kDurableNoteBytesMax) {
    throw Error(ErrorCode::invalid_argument, "the note of " + quote(name_) + " has " +
                                                 std::to_string(note.size()) + " bytes; at most " +
                                                 std::to_string(limits::kDurableNoteBytesMax) +
                                                 " are possible");
  }
  store_->with(name_, [&](MemoryDurable& durable) { durable.note = std::string(note); });
}

std::string MemoryConsumer::note() {
  return store_->with(name_, [](const MemoryDurable& durable) { return durable.note; });
}

void MemoryConsumer::close() noexcept {
  if (closed_.exchange(true)) return;
  store_->give_back(name_, token_);
}

}  // namespace

std::shared_ptr<Store> make_memory_store(const StoreOptions& options) {
  return std::make_shared<MemoryStore>(options);
}

}  // namespace busway
