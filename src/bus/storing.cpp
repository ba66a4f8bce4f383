// What the bus has to do with its store: opens it, waits for it in a publish, keeps a batch.
#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "base/escape.hpp"
#include "bus/bus_core.hpp"
#include "bus/payload_size.hpp"
#include "bus/publish_guards.hpp"
#include "busway/memory_store.hpp"
#include "busway/store_provider.hpp"

namespace busway::detail {
namespace {

bool is_memory(std::string_view store) noexcept { return store == "memory" || store == "memory:"; }

std::vector<Pattern> patterns_to_keep(const BusOptions& options, bool is_lasting) {
  std::vector<Pattern> keep;
  if (!options.keep) {
    if (is_lasting) keep.push_back(Pattern::glob("*"));
    return keep;
  }
  for (const std::string& text : *options.keep) {
    try {
      keep.push_back(Pattern::parse(text, options.wildcards));
    } catch (const Error& error) {
      throw Error(ErrorCode::invalid_option, std::string("BusOptions: keep: ") + error.what());
    }
  }
  return keep;
}

}  // namespace

void BusCore::open_store() {
  const bool in_memory = options_.opened_store == nullptr && is_memory(options_.store);
  if (in_memory && !options_.keep) return;  // made when something is durable
  (void)link_or_make();
}

StoreLink& BusCore::link_or_make() {
  const std::lock_guard lock(link_mutex_);
  if (link_owner_ != nullptr) return *link_owner_;
  std::shared_ptr<Store> store = options_.opened_store;
  const bool in_memory = store == nullptr && is_memory(options_.store);
  std::vector<Pattern> keep = patterns_to_keep(options_, !in_memory);
  if (store == nullptr) {
    StoreOptions options = options_.store_options;
    if (options.instance_id.empty()) options.instance_id = options_.instance_id;
    if (options.clock == nullptr) options.clock = options_.clock;
    if (!options.log) options.log = options_.log;
    store = in_memory ? make_memory_store(options) : busway::open_store(options_.store, options);
  }
  const bool keeps = !keep.empty();
  const auto whose =
      options_.opened_store != nullptr ? StoreLink::Whose::callers : StoreLink::Whose::mine;
  link_owner_ = std::make_unique<StoreLink>(*this, std::move(store), whose, std::move(keep));
  link_.store(link_owner_.get(), std::memory_order_release);
  if (keeps) gate_.fetch_or(kStored, std::memory_order_seq_cst);
  if (serial_ != 0) link_owner_->begin();  // else the bus is being made
  return *link_owner_;
}

bool BusCore::store_lasts() const {
  StoreLink* const store = link();
  return store != nullptr && store->store().info().durability != Durability::memory;
}

void BusCore::keep_also(const std::vector<Pattern>& patterns) {
  link_or_make().keep_also(patterns);
  gate_.fetch_or(kStored, std::memory_order_seq_cst);
  platform_detail::heavy_barrier();  // whoever publishes from now on sees it
}

bool BusCore::keep(TopicEntry& entry, Event& event, PublishResult& result, std::uint64_t& kept_as) {
  StoreLink& store = *link();
  if (!store.keeps(entry)) return true;
  // A request stays in this process.
  if (const QueuedInto* const request = thread_locals.queued_into;
      request != nullptr && request->id == event.id()) {
    return true;
  }
  store.stamp(event);
  const AppendResult answer = store.append(event);
  kept_as = answer.sequence;
  return store.accept(answer, event, result);
}

bool BusCore::remove_durable(std::string_view name) {
  StoreLink* const store = link();
  return store != nullptr && store->store().remove(name);
}

std::vector<BusCore::OpenDurable> BusCore::open_durables() {
  std::vector<OpenDurable> open;
  const std::lock_guard lock(mutex_);
  for (const Subscriber* one : slots_) {
    if (one == nullptr || one->extra == nullptr || one->extra->feed == nullptr) continue;
    open.push_back({one->extra->feed->name(), one->id, one->extra->owner});
  }
  return open;
}

/// What the book knows of the last ones, else what the store derives.
std::optional<EventStatusInfo> BusCore::event_status(const EventId& id) {
  if (status_ != nullptr) {
    if (auto known = status_->find(id)) return known;
  }
  StoreLink* const store = link();
  if (store == nullptr) return std::nullopt;
  const std::optional<StoredStatus> stored = store->store().status(id);
  if (!stored) return std::nullopt;
  EventStatusInfo info;
  info.id = id;
  info.topic = std::string(stored->stored.event.topic());
  info.status = stored->status;
  info.published = stored->stored.event.time();
  // A store keeps no line of a delivery that went well: when that was is not known.
  bool known = stored->status == EventStatus::completed || stored->status == EventStatus::failed;
  WallTime ended = stored->appended;
  for (const StoredDelivery& one : stored->deliveries) {
    const bool rests = one.state == StoredDelivery::State::dead_lettered && !one.due &&
                       !one.lease_until && one.changed;
    known = known && rests;
    if (rests) ended = std::max(ended, *one.changed);
    info.attempts = std::max(info.attempts, one.attempts);
    if (info.error.empty() && !one.error.empty()) info.error = one.durable + ": " + one.error;
  }
  if (known) info.finished = ended;
  return info;
}

/// One append for all that are kept; then each goes its way, in order.
std::vector<PublishResult> BusCore::publish_batch(std::span<const Event> events) {
  std::vector<PublishResult> results(events.size());
  if ((gate_.load(std::memory_order_acquire) & kStored) == 0) {
    for (std::size_t i = 0; i < events.size(); ++i) results[i] = publish(events[i]);
    return results;
  }
  ThreadState& state = thread_state();
  StoreLink& store = *link();
  std::vector<Event> kept;
  std::vector<std::size_t> places;
  std::vector<Event> others(events.size());
  {
    const FrameGuard guard(*this, state);
    const std::uint32_t gate = gate_.load(std::memory_order_acquire);
    for (std::size_t i = 0; i < events.size(); ++i) {
      if (refuse(gate, state, results[i])) continue;
      TopicEntry* entry = topics_.find(events[i].topic(), hash_text(events[i].topic()));
      if (entry == nullptr) entry = find_or_add_now(events[i].topic());
      Event event = events[i];
      if (!prepare(event, state, results[i])) continue;
      if ((gate & kFilters) != 0 && !admit(event, state, results[i])) continue;
      if (!store.keeps(*entry)) {
        others[i] = std::move(event);
        continue;
      }
      store.stamp(event);
      kept.push_back(std::move(event));
      places.push_back(i);
    }
  }
  std::vector<AppendResult> answers(kept.size());
  store.append(kept, answers);
  std::size_t next = 0;
  for (std::size_t i = 0; i < events.size(); ++i) {
    const Event* event = &others[i];
    const bool is_kept = next < places.size() && places[next] == i;
    std::uint64_t kept_as = 0;
    if (is_kept) {
      event = &kept[next];
      kept_as = answers[next].sequence;
      if (!store.accept(answers[next++], *event, results[i])) continue;
    }
    if (event->topic().empty()) continue;  // refused
    const FrameGuard guard(*this, state);
    const KeptGuard note(*guard.frame, kept_as);
    TopicEntry* entry = topics_.find(event->topic(), hash_text(event->topic()));
    if (entry == nullptr) entry = find_or_add_now(event->topic());
    const std::uint32_t gate = gate_.load(std::memory_order_acquire);
    if ((gate & kTracked) != 0) {
      deliver_tracked(*entry, *event, state, *guard.frame, results[i]);
    } else {
      record_and_deliver(*entry, *event, state, *guard.frame, results[i]);
    }
  }
  return results;
}

}  // namespace busway::detail
