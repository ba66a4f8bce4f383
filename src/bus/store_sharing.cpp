// Several buses of a process on one opening of a store: each hears the events of the others.
#include <algorithm>
#include <condition_variable>
#include <exception>
#include <iterator>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "bus/bus_core.hpp"
#include "bus/store_link.hpp"

namespace busway::detail {
namespace {

thread_local const StoreLink* appending_here = nullptr;

/// While it lives this thread is within an append of the link.
struct AppendScope {
  explicit AppendScope(const StoreLink& link) noexcept
      : before(std::exchange(appending_here, &link)) {}
  AppendScope(const AppendScope&) = delete;
  AppendScope& operator=(const AppendScope&) = delete;
  ~AppendScope() { appending_here = before; }
  const StoreLink* before;
};

}  // namespace

bool StoreLink::appends_here() const noexcept { return appending_here == this; }

/// All of the process.
struct StoreLink::Links {
  std::mutex mutex;
  std::condition_variable left;
  std::vector<StoreLink*> list;  // guarded by mutex
};

auto StoreLink::links() -> Links& {
  static auto* const all = new Links;  // for buses that end after main()
  return *all;
}

/// Asks the store, and functions of the program, without the lock: those it tells wait for it where
/// they leave.
void StoreLink::join() {
  Links& all = links();
  std::vector<StoreLink*> sharing;
  {
    const std::lock_guard lock(all.mutex);
    std::copy_if(all.list.begin(), all.list.end(), std::back_inserter(sharing),
                 [this](const StoreLink* one) { return one->store_ == store_; });
    if (!sharing.empty()) sharing.push_back(this);
    all.list.push_back(this);
    for (StoreLink* const one : sharing) {
      ++one->visitors_;
      one->begin_sharing();  // from here on what is answered stays known
    }
  }
  if (sharing.empty()) return;
  std::exception_ptr failed;
  try {
    const std::uint64_t last = store_->stats().last_sequence;
    {
      const std::lock_guard lock(all.mutex);
      std::erase_if(sharing, [last](StoreLink* one) {
        const bool begins = one->share_from(last);
        if (!begins) --one->visitors_;
        return !begins;
      });
    }
    for (StoreLink* const one : sharing) one->feeds_.begin();
  } catch (...) {
    failed = std::current_exception();
  }
  {
    std::unique_lock lock(all.mutex);
    for (StoreLink* const one : sharing) --one->visitors_;
    if (failed) {
      std::erase(all.list, this);
      all.left.notify_all();
      all.left.wait(lock, [this] { return visitors_ == 0; });
      const auto of_store = [this](const StoreLink* one) { return one->store_ == store_; };
      if (std::count_if(all.list.begin(), all.list.end(), of_store) == 1) {
        (*std::find_if(all.list.begin(), all.list.end(), of_store))->end_sharing();
      }
    }
  }
  all.left.notify_all();
  if (failed) std::rethrow_exception(failed);
}

void StoreLink::leave() noexcept {
  Links& all = links();
  std::unique_lock lock(all.mutex);
  std::erase(all.list, this);
  all.left.wait(lock, [this] { return visitors_ == 0; });
}

void StoreLink::begin() {
  {
    const std::lock_guard lock(links().mutex);
    ready_ = true;
    if (!follows()) return;
  }
  feeds_.begin();
}

/// With the lock of all links.
void StoreLink::begin_sharing() {
  const std::lock_guard lock(own_mutex_);
  is_shared_ = true;
}

/// With the lock of all links: nobody has joined after all. One that was told from where stays as
/// it is.
void StoreLink::end_sharing() {
  const std::lock_guard lock(own_mutex_);
  if (shared_from_ != kNobodyShares) return;
  is_shared_ = false;
  std::erase_if(own_, [](const auto& one) { return one.second.unanswered == 0; });
}

/// With the lock of all links. Whoever joins has appended nothing yet. True: its feeds begin.
bool StoreLink::share_from(std::uint64_t last) {
  {
    const std::lock_guard lock(own_mutex_);
    shared_from_ = std::min(shared_from_, last);
    // What nobody will come upon by following.
    std::erase_if(own_, [last](const auto& one) {
      return one.second.unanswered == 0 && one.second.sequence <= last;
    });
  }
  if (!follows()) {
    followed_to_ = last;
    follows_.store(true, std::memory_order_release);
  }
  return ready_;
}

bool StoreLink::is_shared() {
  const std::lock_guard lock(own_mutex_);
  return is_shared_;
}

void StoreLink::appending(std::span<const Event> events) {
  const std::lock_guard lock(own_mutex_);
  for (const Event& one : events) ++own_[one.id()].unanswered;
}

void StoreLink::answered(const AppendResult& answer, const EventId& id) {
  bool wake = false;
  {
    const std::lock_guard lock(own_mutex_);
    const auto known = own_.find(id);
    if (known == own_.end()) return;
    Own& own = known->second;
    if (own.unanswered != 0) --own.unanswered;
    if (answer.answer == Appended::stored && is_shared_) own.sequence = answer.sequence;
    if (own.unanswered == 0 && own.sequence == 0) own_.erase(known);
    wake = std::exchange(waits_for_answer_, false);
  }
  if (wake) feeds_.wake();
}

/// In the turn of follow(), which passes each event once.
auto StoreLink::writer_of(const StoredEvent& one) -> Writer {
  if (one.writer != store_->writer()) return Writer::others;
  const std::lock_guard lock(own_mutex_);
  if (one.sequence <= shared_from_) return Writer::own;
  const auto known = own_.find(one.event.id());
  if (known == own_.end()) return Writer::others;
  Own& own = known->second;
  if (own.sequence == one.sequence) {
    own.sequence = 0;
    if (own.unanswered == 0) own_.erase(known);
    return Writer::own;
  }
  if (own.unanswered == 0) return Writer::others;
  waits_for_answer_ = true;
  return Writer::not_known;
}

/// Of an event of unknown fate: follow() will deliver it.
bool StoreLink::comes_by_following(const StoredEvent& one) {
  return is_shared() && one.sequence > std::max(followed_to_, shared_from_);
}

void StoreLink::answered_now(const AppendResult& answer, const EventId& id) {
  if (answer.answer != Appended::unknown) answered(answer, id);
}

AppendResult StoreLink::append(const Event& event) noexcept {
  appending({&event, 1});
  const AppendScope here(*this);
  AppendResult result = store_->append(event);
  answered_now(result, event.id());
  return result;
}

void StoreLink::append(std::span<const Event> events, std::span<AppendResult> results) noexcept {
  appending(events);
  const AppendScope here(*this);
  store_->append(events, results);
  for (std::size_t i = 0; i < events.size(); ++i) answered_now(results[i], events[i].id());
}

void StoreLink::append(PendingAppend& pending) noexcept {
  appending(pending.events());
  store_->append(pending);
}

}  // namespace busway::detail
