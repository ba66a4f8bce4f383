#include "bus/live_past.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include "bus/bus_core.hpp"

namespace busway::detail {
namespace {

constexpr std::size_t kPastPage = 256;

}  // namespace

LivePast::LivePast(BusCore& core, Subscriber& subscriber, const Replay& replay,
                   std::vector<Pattern> patterns,
                   std::vector<delivery_detail::PastEvent> remembered, std::uint64_t last)
    : core_(core),
      subscriber_(subscriber),
      replay_(replay),
      patterns_(std::move(patterns)),
      remembered_(std::move(remembered)),
      last_(last) {
  for (const delivery_detail::PastEvent& one : remembered_) {
    is_remembered_.insert(one.event.id());
    publisher_ = std::max(publisher_, one.publisher);
  }
}

bool LivePast::fits(const Event& event) const {
  const SubscriberExtra& extra = *subscriber_.extra;
  // Stamps may be out of order: one that is older says nothing of those behind it.
  if (replay_.from == Replay::From::since && event.time() < replay_.time) return false;
  try {
    if (extra.filter && !extra.filter(event)) return false;
  } catch (...) {
    return false;
  }
  return extra.dedupe == nullptr ||
         !extra.dedupe->seen(event.id(), core_.steady_now().time_since_epoch().count());
}

bool LivePast::next(std::vector<delivery_detail::PastEvent>& page) {
  std::vector<delivery_detail::PastEvent> stored;
  bool is_last = true;
  if (after_ < last_) {
    StoreQuery query{.patterns = patterns_, .after = after_, .up_to = last_, .limit = kPastPage};
    if (replay_.from == Replay::From::since) query.since = replay_.time;
    StorePage read = core_.link()->store().read(query);
    for (StoredEvent& one : read.events) {
      if (is_remembered_.contains(one.event.id())) continue;
      stored.push_back({std::move(one.event), ++publisher_, true});
    }
    after_ = read.more ? read.next : last_;
    is_last = after_ >= last_;
  }
  const auto by_time = [](const auto& a, const auto& b) { return a.event.time() < b.event.time(); };
  const auto begin = remembered_.begin() + static_cast<std::ptrdiff_t>(next_remembered_);
  auto end = remembered_.end();
  if (!is_last) {
    end = stored.empty() ? begin : std::find_if(begin, end, [&](const auto& one) {
      return !by_time(one, stored.back());
    });
  }
  next_remembered_ = static_cast<std::size_t>(end - remembered_.begin());
  // The order within each list stays, whatever the clocks did; what is remembered is the newer.
  std::vector<delivery_detail::PastEvent> merged;
  std::merge(std::make_move_iterator(stored.begin()), std::make_move_iterator(stored.end()), begin,
             end, std::back_inserter(merged), by_time);
  for (delivery_detail::PastEvent& one : merged) {
    if (fits(one.event)) page.push_back(std::move(one));
  }
  return !is_last;
}

/// What is live queues since the subscription was registered, and waits for the last page.
void BusCore::begin_paged_replay(Subscriber& subscriber, const Replay& replay,
                                 std::vector<Pattern> patterns) {
  StoreLink& store = *link();
  bool cut = false;
  std::vector<delivery_detail::PastEvent> remembered;
  for (delivery_detail::PastEvent& one : past_events(&cut)) {
    const std::string_view topic = one.event.topic();
    if (std::any_of(patterns.begin(), patterns.end(),
                    [topic](const Pattern& pattern) { return pattern.matches(topic); })) {
      remembered.push_back(std::move(one));
    }
  }
  std::reverse(remembered.begin(), remembered.end());
  if (store.keeps_all()) cut = false;
  // The oldest that is kept tells how far the history reaches back.
  if (replay.from == Replay::From::since && !remembered.empty() &&
      remembered.front().event.time() < replay.time) {
    cut = false;
  }
  if (cut) warn_of_cut(subscriber);
  SubscriberExtra& extra = *subscriber.extra;
  const std::uint64_t last = store.store().stats().last_sequence;
  extra.replayed_to.store(last, std::memory_order_release);
  extra.past = std::make_unique<LivePast>(*this, subscriber, replay, std::move(patterns),
                                          std::move(remembered), last);
  end_replay_state(subscriber);
  put_past(subscriber, cut);
}

void BusCore::read_past(Subscriber& subscriber) noexcept {
  // A filter may do here what it may in a call: nothing waits for this thread.
  struct Inside {
    Inside() { ++thread_locals.callbacks; }
    ~Inside() { --thread_locals.callbacks; }
  } const inside;
  put_past(subscriber, false);
}

void BusCore::put_past(Subscriber& subscriber, bool cut) noexcept {
  using More = delivery_detail::Mailbox::More;
  SubscriberExtra& extra = *subscriber.extra;
  std::vector<delivery_detail::PastEvent> page;
  bool more = false;
  try {
    more = extra.past->next(page);
  } catch (const std::exception& error) {
    const std::string name = subscriber_name(subscriber);
    const std::array fields{LogField{"subscription", name}, LogField{"reason", error.what()}};
    log(LogLevel::error, "the rest of a replay cannot be read; the subscription goes on without it",
        fields);
    cut = true;
  }
  if (!more) extra.past.reset();
  const std::size_t put = extra.mailbox->begin_with(page, cut, more ? More::follows : More::none);
  extra.sink->replayed.fetch_add(put, std::memory_order_relaxed);
}

SubscriberExtra::SubscriberExtra() = default;
SubscriberExtra::~SubscriberExtra() {
  delete latency.load(std::memory_order_relaxed);
  delete breaker.load(std::memory_order_relaxed);
}

}  // namespace busway::detail
