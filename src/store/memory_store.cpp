#include "busway/memory_store.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <new>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/escape.hpp"
#include "busway/error.hpp"
#include "store/memory/consumer.hpp"
#include "store/memory/query.hpp"
#include "store/memory/state.hpp"
#include "store/store_calls.hpp"

namespace busway {
namespace {

using store_detail::LogItem;
using store_detail::MemoryConsumer;
using store_detail::MemoryDurable;
using store_detail::MemoryLetters;
using store_detail::MemoryLog;
using store_detail::MemoryState;

void refuse_all(AppendRequest& request, std::string_view why) noexcept {
  for (AppendResult& result : request.results()) {
    result.answer = Appended::not_stored;
    result.sequence = 0;
    result.is_of_event = false;
    try {
      result.error = why;
    } catch (...) {  // no memory for words either
      result.error.clear();
    }
  }
}

std::string list_of(const std::vector<Pattern>& patterns) {
  std::string list;
  for (const Pattern& pattern : patterns) {
    if (!list.empty()) list += ", ";
    if (list.size() > 400) return list + "...";
    list += quote(to_string(pattern), 100);
  }
  return list;
}

/// Where a new name begins: all up to there is none of its.
std::uint64_t start_of(const DurableSpec& spec, const MemoryLog& log) {
  const Replay& start = spec.start;
  const auto matches = [&](const MemoryLog::Entry& entry) {
    return std::any_of(spec.patterns.begin(), spec.patterns.end(),
                       [&](const Pattern& one) { return one.matches(entry.event.topic()); });
  };
  switch (start.from) {
    case Replay::From::none: break;
    case Replay::From::beginning: return 0;
    case Replay::From::sequence: return start.position == 0 ? 0 : start.position - 1;
    case Replay::From::since:
      for (std::size_t i = 0; i < log.size(); ++i) {
        if (log.at(i).event.time() >= start.time) return log.at(i).sequence - 1;
      }
      break;
    case Replay::From::last: {
      std::size_t left = start.count;
      std::uint64_t first = log.last() + 1;
      for (std::size_t i = log.size(); i-- > 0 && left > 0;) {
        if (!matches(log.at(i))) continue;
        first = log.at(i).sequence;
        --left;
      }
      return first - 1;
    }
  }
  return log.last();
}

class MemoryStore final : public Store {
 public:
  explicit MemoryStore(const StoreOptions& options)
      : state_(std::make_shared<MemoryState>(options)) {}
  ~MemoryStore() override { MemoryStore::close(); }

  StoreInfo info() const override {
    return {.provider = "memory",
            .address = "memory:",
            .engine = "busway",
            .format = "none",
            .durability = Durability::memory,
            .notes = {"What is stored ends with this process."}};
  }
  StoreFeatures features() const noexcept override {
    return {.atomic_batch = true,
            .dedupe_always = true,
            .ordered_log = true,
            .query = true,
            .trim = true};
  }
  StoreStats stats() override;
  StoreCensus census() override;
  std::uint64_t writer() const noexcept override { return state_->writer; }

  using Store::append;
  void append(AppendRequest& request) noexcept override;

  StorePage read(const StoreQuery& query) override { return read_page(*state_, query); }
  std::optional<StoredEvent> find(const EventId& id) override;
  std::optional<StoredStatus> status(const EventId& id) override;
  Watch watch(std::function<void(StoreNews)> news) override;

  std::unique_ptr<StoreConsumer> open(const DurableSpec& spec) override;
  bool remove(std::string_view durable) override;
  std::vector<DurableInfo> durables() override;
  std::size_t replay(std::string_view durable, std::span<const std::uint64_t> sequences) override;

  std::vector<StoredLetter> dead_letters(const StoredLetterQuery& query) override;
  std::size_t redrive(const StoredLetterQuery& query) override;
  std::size_t purge(const StoredLetterQuery& query) override;

  TrimResult trim(const Retention& retention) override;
  std::vector<std::string> check() override { not_offered("check"); }
  void backup(const std::string& path) override { not_offered("backup to " + quote(path)); }
  void vacuum() override { not_offered("vacuum"); }

  void close() noexcept override;

 private:
  [[noreturn]] void not_offered(const std::string& what) const;
  [[nodiscard]] StoreStats stats_now() const;
  std::vector<std::string> append_items(AppendRequest& request, std::vector<LogItem>& items);
  [[nodiscard]] MemoryState::Name name_for(const DurableSpec& spec, bool& changed);
  void report_expired(const std::vector<std::string>& names) const;

  const std::shared_ptr<MemoryState> state_;
};

void MemoryStore::not_offered(const std::string& what) const {
  const std::lock_guard lock(state_->mutex);
  state_->check_open();
  throw Error(ErrorCode::not_offered,
              "store memory: " + what + ": it has no file; sqlite: can do this");
}

// -- The log --------------------------------------------------------------------------------------

void MemoryStore::append(AppendRequest& request) noexcept {
  bool stored = false;
  std::vector<std::string> expired;
  try {
    std::vector<LogItem> items;  // copied before the lock is taken
    items.reserve(request.events().size());
    for (const Event& event : request.events()) items.push_back(store_detail::item_of(event));
    const auto bad = std::find_if(items.begin(), items.end(),
                                  [](const LogItem& item) { return !item.refused.empty(); });
    if (bad == items.end()) {
      expired = append_items(request, items);
      stored = true;
    } else {
      const auto at = static_cast<std::size_t>(bad - items.begin());
      const std::string name =
          items.size() == 1 ? std::string() : "event " + std::to_string(at + 1) + " of the batch, ";
      refuse_all(request,
                 name + "topic " + quote(request.events()[at].topic(), 80) + ": " + bad->refused);
      request.results()[at].is_of_event = true;
    }
  } catch (const std::exception& error) {
    refuse_all(request, error.what());
  } catch (...) {  // of a payload's type
    refuse_all(request, "its payload threw what is no std::exception");
  }
  request.done();
  if (stored) state_->watches.tell();
  report_expired(expired);
}

/// All or, with an exception, none. Returns the names that were forgotten on this occasion.
std::vector<std::string> MemoryStore::append_items(AppendRequest& request,
                                                   std::vector<LogItem>& items) {
  std::vector<Event> gone;
  std::vector<std::size_t> placed;
  placed.reserve(items.size());
  const std::lock_guard lock(state_->mutex);
  state_->check_open();
  const WallTime now = state_->now();
  const std::uint64_t last = state_->log.last();
  std::uint64_t duplicates = 0;
  try {
    for (std::size_t i = 0; i < items.size(); ++i) {
      const MemoryLog::Appended appended = state_->log.append(std::move(items[i]), now);
      AppendResult& result = request.results()[i];
      result.answer = appended.duplicate ? Appended::duplicate : Appended::stored;
      result.sequence = appended.sequence;
      result.error.clear();
      if (appended.duplicate) {
        ++duplicates;
      } else {
        placed.push_back(i);
      }
    }
  } catch (...) {
    // Back to where they came from, to end without the lock.
    for (; !placed.empty(); placed.pop_back()) {
      items[placed.back()].event = state_->log.take_back();
    }
    throw;
  }
  const std::uint64_t fresh = state_->log.last() - last;
  state_->counts.appended += fresh;
  state_->counts.duplicates += duplicates;
  if (fresh > 0) ++state_->counts.commits;
  try {
    return state_->tidy(gone);
  } catch (const std::bad_alloc&) {
    return {};  // the events are stored; it is tidied another time
  }
}

std::optional<StoredEvent> MemoryStore::find(const EventId& id) {
  const std::lock_guard lock(state_->mutex);
  state_->check_open();
  const MemoryLog::Entry* const entry = state_->log.find(id);
  if (entry == nullptr) return std::nullopt;
  return StoredEvent{entry->event, entry->sequence, state_->writer};
}

std::optional<StoredStatus> MemoryStore::status(const EventId& id) {
  const std::lock_guard lock(state_->mutex);
  state_->check_open();
  const MemoryLog::Entry* const entry = state_->log.find(id);
  if (entry == nullptr) return std::nullopt;
  return state_->status_of(*entry);
}

Store::Watch MemoryStore::watch(std::function<void(StoreNews)> news) {
  const std::lock_guard lock(state_->mutex);
  state_->check_open();
  return state_->watches.add(std::move(news));
}

StoreStats MemoryStore::stats() {
  const std::lock_guard lock(state_->mutex);
  state_->check_open();
  return stats_now();
}

StoreCensus MemoryStore::census() {
  const std::lock_guard lock(state_->mutex);
  state_->check_open();
  StoreCensus census{.stats = stats_now()};
  std::unordered_map<std::string_view, std::uint64_t> topics;
  for (std::size_t at = 0; at < state_->log.size(); ++at) {
    ++topics[state_->log.at(at).event.topic()];
  }
  for (const auto& [topic, events] : topics) {
    census.topics.push_back({std::string(topic), events});
  }
  store_detail::sort_topics(census.topics);
  for (const auto& [name, durable] : state_->names) {
    durable->observe(state_->now());
    census.durables.push_back(durable->count(state_->log, state_->letters));
  }
  return census;
}

/// With the mutex held.
StoreStats MemoryStore::stats_now() const {
  StoreStats stats = state_->counts;
  const MemoryLog& log = state_->log;
  stats.events = log.size();
  stats.bytes = log.bytes();
  stats.first_sequence = log.size() == 0 ? 0 : log.at(0).sequence;
  stats.last_sequence = log.last();
  stats.dead_letters = state_->letters.size();
  stats.durables = state_->names.size();
  return stats;
}

// -- Durable subscriptions ------------------------------------------------------------------------

MemoryState::Name MemoryStore::name_for(const DurableSpec& spec, bool& changed) {
  const auto known = state_->names.find(spec.name);
  if (known == state_->names.end()) {
    auto name = std::make_shared<MemoryDurable>(spec, start_of(spec, state_->log), state_->now());
    state_->add(name);
    return name;
  }
  MemoryState::Name name = known->second;
  if (are_same_patterns(name->patterns(), spec.patterns) && name->order() == spec.order)
    return name;
  if (spec.on_change == OnChange::refuse) {
    throw Error(ErrorCode::durable_mismatch,
                "durable " + quote(spec.name) + ": it was made with " + list_of(name->patterns()) +
                    ", order " + std::string(to_string(name->order())) + ", and is opened with " +
                    list_of(spec.patterns) + ", order " + std::string(to_string(spec.order)) +
                    "; on_change = replace takes the new ones for all events after its cursor");
  }
  name->replace(spec);
  state_->index(*name);
  changed = true;
  return name;
}

std::unique_ptr<StoreConsumer> MemoryStore::open(const DurableSpec& spec) {
  busway::check_durable(spec);
  std::unique_ptr<StoreConsumer> consumer;
  std::vector<std::string> expired;
  bool changed = false;
  {
    const std::lock_guard lock(state_->mutex);
    state_->check_open();
    expired = state_->expire();
    const MemoryState::Name name = name_for(spec, changed);
    const MemoryDurable::Token token = ++state_->last_token;
    consumer = std::make_unique<MemoryConsumer>(state_, name, token);
    name->enter(token, spec.lease, state_->now());
  }
  report_expired(expired);
  if (changed) state_->watches.tell();
  return consumer;
}

bool MemoryStore::remove(std::string_view durable) {
  {
    const std::lock_guard lock(state_->mutex);
    state_->check_open();
    if (state_->names.find(durable) == state_->names.end()) return false;
    state_->drop(durable);
  }
  state_->watches.tell();  // openings of it learn that they have ended
  return true;
}

std::vector<DurableInfo> MemoryStore::durables() {
  std::vector<std::string> expired;
  std::vector<DurableInfo> infos;
  {
    const std::lock_guard lock(state_->mutex);
    state_->check_open();
    expired = state_->expire();
    for (const auto& [name, durable] : state_->names) {
      durable->observe(state_->now());
      infos.push_back(durable->info(state_->log, state_->letters));
    }
  }
  report_expired(expired);
  return infos;
}

std::size_t MemoryStore::replay(std::string_view durable,
                                std::span<const std::uint64_t> sequences) {
  store_detail::check_replay(sequences);
  std::size_t given = 0;
  {
    const std::lock_guard lock(state_->mutex);
    state_->check_open();
    const auto known = state_->names.find(durable);
    if (known == state_->names.end()) store_detail::no_such_durable(durable);
    MemoryDurable& name = *known->second;
    for (const std::uint64_t sequence : sequences) {
      if (state_->log.find(sequence) == nullptr) continue;
      if (!name.is_settled(sequence)) continue;
      ++given;
      MemoryLetters::Letter* const letter = state_->letters.find(durable, sequence);
      if (letter != nullptr) {
        letter->redriving = true;
        name.redrive(sequence, state_->now());
      } else {
        name.replay(sequence, state_->now());
      }
    }
  }
  if (given > 0) state_->watches.tell();
  return given;
}

void MemoryStore::report_expired(const std::vector<std::string>& names) const {
  for (const std::string& name : names) {
    const std::array fields{LogField{"durable", name}};
    try {
      state_->options.log(LogLevel::warning,
                          "a durable subscription was not opened for durable_expiry and is "
                          "forgotten",
                          fields);
    } catch (...) {  // a sink that throws is ignored
      continue;
    }
  }
}

// -- Dead letters ---------------------------------------------------------------------------------

std::vector<StoredLetter> MemoryStore::dead_letters(const StoredLetterQuery& query) {
  const std::lock_guard lock(state_->mutex);
  state_->check_open();
  std::vector<StoredLetter> letters;
  for (const std::uint64_t id :
       state_->letters.select(query, state_->log, MemoryLetters::Which::all)) {
    const MemoryLetters::Letter& letter = state_->letters.at(id);
    letters.push_back({.id = id,
                       .durable = letter.durable,
                       .sequence = letter.sequence,
                       .event = state_->log.find(letter.sequence)->event,
                       .history = letter.history,
                       .redriving = letter.redriving});
  }
  return letters;
}

std::size_t MemoryStore::redrive(const StoredLetterQuery& query) {
  std::size_t redriven = 0;
  {
    const std::lock_guard lock(state_->mutex);
    state_->check_open();
    for (const std::uint64_t id :
         state_->letters.select(query, state_->log, MemoryLetters::Which::at_rest)) {
      MemoryLetters::Letter& letter = state_->letters.at(id);
      state_->names.find(letter.durable)->second->redrive(letter.sequence, state_->now());
      letter.redriving = true;
      ++redriven;
    }
  }
  if (redriven > 0) state_->watches.tell();
  return redriven;
}

std::size_t MemoryStore::purge(const StoredLetterQuery& query) {
  const std::lock_guard lock(state_->mutex);
  state_->check_open();
  const std::vector<std::uint64_t> ids =
      state_->letters.select(query, state_->log, MemoryLetters::Which::at_rest);
  for (const std::uint64_t id : ids) state_->letters.erase(id);
  return ids.size();
}

// -- Keeping house --------------------------------------------------------------------------------

TrimResult MemoryStore::trim(const Retention& retention) {
  std::vector<Event> gone;
  const std::lock_guard lock(state_->mutex);
  state_->check_open();
  return state_->trim(retention, gone);
}

void MemoryStore::close() noexcept {
  {
    const std::lock_guard lock(state_->mutex);
    if (std::exchange(state_->closed, true)) return;
    for (const auto& [name, durable] : state_->names) durable->leave_all(state_->now());
  }
  state_->watches.tell();
}

}  // namespace

std::shared_ptr<Store> make_memory_store(const StoreOptions& options) {
  if (options.durability && *options.durability > Durability::memory) {
    throw Error(ErrorCode::invalid_option,
                "store memory: durability " + std::string(to_string(*options.durability)) +
                    " is wanted; it can promise memory, which ends with the process");
  }
  return std::make_shared<MemoryStore>(options);
}

}  // namespace busway
