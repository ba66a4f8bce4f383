// Threads come to a bus with their first publish and leave when they end.
#include <algorithm>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "bus/bus_core.hpp"

namespace busway::detail {
namespace {

/// The buses that live, by serial, so that a thread that ends tells only those.
struct LiveBuses {
  std::mutex mutex;
  std::map<std::uint64_t, BusCore*> by_serial;
  std::uint64_t next_serial = 1;
};

LiveBuses& live_buses() {
  static auto* const buses =
      new LiveBuses;  // never destroyed: threads may end after static destruction
  return *buses;
}

constinit thread_local event_detail::IdGenerator thread_ids;

/// What this thread has at buses; its end gives it back.
struct ThreadVisits {
  struct Visit {
    std::uint64_t bus;
    ThreadState* state;
  };
  std::vector<Visit> visits;

  ThreadVisits() = default;
  ThreadVisits(const ThreadVisits&) = delete;
  ThreadVisits& operator=(const ThreadVisits&) = delete;
  ~ThreadVisits();

  [[nodiscard]] ThreadState* find(std::uint64_t bus) const noexcept {
    for (const Visit& visit : visits) {
      if (visit.bus == bus) return visit.state;
    }
    return nullptr;
  }
};

constinit thread_local bool visits_over = false;
thread_local ThreadVisits thread_visits;

ThreadVisits::~ThreadVisits() {
  visits_over = true;
  LiveBuses& buses = live_buses();
  const std::lock_guard lock(buses.mutex);
  for (const Visit& visit : visits) {
    const auto bus = buses.by_serial.find(visit.bus);
    if (bus != buses.by_serial.end()) bus->second->thread_ended(visit.state);
  }
  thread_locals.known = {};
}

}  // namespace

std::uint64_t enter_live_buses(BusCore* core) {
  LiveBuses& buses = live_buses();
  const std::lock_guard lock(buses.mutex);
  const std::uint64_t serial = buses.next_serial++;
  buses.by_serial.emplace(serial, core);
  return serial;
}

void leave_live_buses(std::uint64_t serial) noexcept {
  LiveBuses& buses = live_buses();
  const std::lock_guard lock(buses.mutex);
  buses.by_serial.erase(serial);
}

ThreadState& BusCore::register_thread() {
  ThreadLocals::Known& known = thread_locals.known[known_at_];
  if (!visits_over) {
    if (ThreadState* state = thread_visits.find(serial_)) {
      known = {serial_, state};
      return *state;
    }
  }
  auto made = std::make_unique<ThreadState>();
  ThreadState* state = made.get();
  made->make_frames(*this, frames_max_);
  made->make_ring(options_.history);
  made->ids = &thread_ids;
  {
    const std::lock_guard lock(mutex_);
    if (const auto seed = options_.clock->id_seed()) {
      made->own_ids = std::make_unique<event_detail::IdGenerator>(*seed, threads_made_);
      made->ids = made->own_ids.get();
    }
    ++threads_made_;
    threads_.push_back(std::move(made));
  }
  if (!visits_over) {
    // Forget buses that are gone, lest a thread that sees many of them keeps a list of all.
    if (thread_visits.visits.size() >= 64) {
      LiveBuses& buses = live_buses();
      const std::lock_guard lock(buses.mutex);
      std::erase_if(thread_visits.visits, [&](const ThreadVisits::Visit& visit) {
        return !buses.by_serial.contains(visit.bus);
      });
    }
    thread_visits.visits.push_back({serial_, state});
  }
  known = {serial_, state};
  watchdog_.begin();
  return *state;
}

void BusCore::thread_ended(ThreadState* state) {
  Garbage garbage;
  std::unique_ptr<ThreadState> gone;
  std::vector<Event> forgotten;  // payloads of users are destroyed without the lock
  const std::lock_guard lock(mutex_);
  const auto place = std::find_if(threads_.begin(), threads_.end(),
                                  [&](const auto& one) { return one.get() == state; });
  if (place == threads_.end()) return;
  // Its counts go to the routes they were counted along.
  const auto fold_into = [&](Route& route) {
    if (route.index >= state->counts_size) return;
    RouteCount& record = state->counts[route.index];
    const std::uint64_t key = record.key.load(std::memory_order_relaxed);
    if (key >> 32U != route.serial) return;
    credit(route, static_cast<std::uint32_t>(key), record.count.load(std::memory_order_relaxed));
  };
  topics_.for_each([&](TopicEntry& entry) {
    if (Route* route = entry.route.load(std::memory_order_relaxed)) fold_into(*route);
  });
  for (const Retired& one : retired_) {
    if (one.kind == Retired::Kind::route) fold_into(*static_cast<Route*>(one.what));
  }
  folded_.filtered += state->filtered.load(std::memory_order_relaxed);
  folded_.refused += state->refused.load(std::memory_order_relaxed);
  folded_passed_over_ += state->passed_over.load(std::memory_order_relaxed);
  folded_queued_ += state->queued.load(std::memory_order_relaxed);
  folded_.failed += state->failed.load(std::memory_order_relaxed);
  folded_.timed_out += state->timed_out.load(std::memory_order_relaxed);
  {
    const std::lock_guard history_lock(history_mutex_);
    // Merged by time; the order within either list stays, whatever its clock did.
    std::vector<Event> merged;
    auto older = old_history_.begin();
    state->for_each_event([&](Event& event) {
      while (older != old_history_.end() && older->time() <= event.time()) {
        merged.push_back(std::move(*older++));
      }
      merged.push_back(std::move(event));
    });
    std::move(older, old_history_.end(), std::back_inserter(merged));
    old_history_.swap(merged);
    old_history_lost_ =
        old_history_lost_ || state->ring_lost() || old_history_.size() > options_.history;
    if (old_history_.size() > options_.history) {
      const auto kept = old_history_.end() - static_cast<std::ptrdiff_t>(options_.history);
      std::move(old_history_.begin(), kept, std::back_inserter(forgotten));
      old_history_.erase(old_history_.begin(), kept);
    }
  }
  gone = std::move(*place);
  threads_.erase(place);
}

}  // namespace busway::detail
