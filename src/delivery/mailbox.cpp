#include "delivery/mailbox.hpp"

#include <algorithm>
#include <functional>
#include <new>
#include <optional>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "base/deadline.hpp"
#include "base/planted_defect.hpp"
#include "delivery/wait_graph.hpp"
#include "event/event_access.hpp"

namespace busway::delivery_detail {

using detail::Defect;
using detail::planted;

namespace {

/// Deliveries a pump makes before it lets other mailboxes of the executor go on.
constexpr std::uint32_t kPumpBudget = 512;
/// A lower lane is served once after so many deliveries of higher ones.
constexpr std::array<std::uint32_t, 3> kShare{32, 8, 0};

}  // namespace

Mailbox::Mailbox(MailboxSink& sink, const MailboxOptions& options, WorkerPool* pool,
                 std::shared_ptr<Executor> executor)
    : sink_(sink),
      options_(options),
      run_max_(options.overflow == Overflow::drop_oldest ||
                       (options.concurrency > 1 && options.order_by == OrderBy::none) ||
                       options.may_suspend
                   ? 1
                   : kChunkSize),
      pool_(pool),
      executor_(std::move(executor)),
      stripes_(options.order_by == OrderBy::key ? options.concurrency : 1) {
  const std::size_t pumps = options.order_by == OrderBy::key ? 1 : options.concurrency;
  for (Stripe& stripe : stripes_) {
    stripe.mailbox = this;
    for (std::size_t i = 0; i < pumps; ++i) {
      stripe.pumps.push_back(std::make_unique<Pump>());
      stripe.pumps.back()->stripe = &stripe;
    }
  }
}

Mailbox::~Mailbox() {
  drop_all(DropReason::unsubscribed);
  for (Stripe& stripe : stripes_) {
    for (Lane& lane : stripe.lanes) delete lane.last;
  }
  while (spare_ != nullptr) delete std::exchange(spare_, spare_->next);
}

Executor& Mailbox::executor() const noexcept {
  return pool_ != nullptr ? static_cast<Executor&>(*pool_) : *executor_;
}

const Mailbox::Stripe& Mailbox::stripe_of(const Event& event) const noexcept {
  if (stripes_.size() == 1) return stripes_.front();
  return stripes_[std::hash<std::string_view>{}(event.key()) % stripes_.size()];
}

Mailbox::Stripe& Mailbox::stripe_of(const Event& event) noexcept {
  return const_cast<Stripe&>(std::as_const(*this).stripe_of(event));
}

Delivery& Mailbox::append(Lane& lane, const Event& event, void* token, bool cut) {
  if (lane.last == nullptr || lane.end == kChunkSize) {
    Chunk* chunk = spare_;
    if (chunk != nullptr) {
      spare_ = chunk->next;
      chunk->next = nullptr;
      chunk->finished = 0;
    } else {
      chunk = new Chunk;
    }
    if (lane.last != nullptr) lane.last->next = chunk;
    lane.last = chunk;
    lane.end = 0;
    if (lane.take_chunk == nullptr) {
      lane.take_chunk = chunk;
      lane.take = 0;
    }
  }
  Delivery* delivery = ::new (static_cast<void*>(lane.last->at(lane.end))) Delivery;
  detail::EventAccess::put_copy(delivery->event, event);
  delivery->token = token;
  delivery->history_was_cut = cut;
  ++lane.end;
  ++lane.size;
  return *delivery;
}

void Mailbox::append_again(Stripe& stripe, const Event& event, void* token, Attempts* attempts) {
  append(stripe.lanes[kAgainLane], event, token, std::exchange(cut_next_, false)).attempts =
      attempts;
  ++stripe.size;
  ++beyond_size_;
  if (stripe.active != 0) interrupt_.store(true, std::memory_order_relaxed);
}

std::size_t Mailbox::waiting_locked() const noexcept {
  std::size_t waiting = size_ + claimed_;
  if (claimed_ == 0) return waiting;
  for (const Stripe& stripe : stripes_) {
    for (const auto& pump : stripe.pumps) {
      if (pump->claimed != 0) waiting -= pump->started.load(std::memory_order_relaxed);
    }
  }
  return waiting;
}

/// Whether a pump would find something to do.
bool Mailbox::runnable(const Stripe& stripe) const noexcept {
  if (closed_ || held_ || paused_) return false;
  return stripe.held ? stripe.lanes[kAgainLane].size != 0 : stripe.size != 0;
}

Mailbox::Pump* Mailbox::next_pump(Stripe& stripe) {
  if (!runnable(stripe) || stripe.active >= stripe.pumps.size()) return nullptr;
  for (const auto& pump : stripe.pumps) {
    if (!pump->scheduled) {
      pump->scheduled = true;
      ++stripe.active;
      return pump.get();
    }
  }
  return nullptr;
}

Pushed Mailbox::push(const Event& event, void* token, MayWait may_wait) {
  bool full = false;
  Pump* pump = nullptr;
  {
    const std::lock_guard guard(lock_);
    if (closed_) return Pushed::closed;
    if (!replayed_.empty() && replayed_.contains(event.id())) [[unlikely]]
      return Pushed::replayed;
    full = size_ + claimed_ >= options_.capacity && waiting_locked() >= options_.capacity;
    if (!full) [[likely]] {
      Stripe& stripe = stripe_of(event);
      const auto lane = static_cast<std::uint32_t>(event.priority());
      append(stripe.lanes[lane], event, token, std::exchange(cut_next_, false));
      ++stripe.size;
      ++size_;
      ++pushes_;
      if (lane > stripe.serving && stripe.active != 0) {
        interrupt_.store(true, std::memory_order_relaxed);
      }
      if (stripe.active < stripe.pumps.size()) pump = next_pump(stripe);
    }
  }
  if (full) return push_slow(event, token, may_wait);
  if (pump != nullptr) schedule(pump);
  return Pushed::accepted;
}

Pushed Mailbox::push_slow(const Event& event, void* token, MayWait may_wait) {
  switch (options_.overflow) {
    case Overflow::reject: return Pushed::full;
    case Overflow::drop_newest: return Pushed::dropped_newest;
    case Overflow::block:
      if (may_wait == MayWait::no) return Pushed::full;
      return push_when_there_is_room(event, token);
    case Overflow::drop_oldest: break;
  }
  Pump* pump = nullptr;
  Delivery displaced;
  bool dropped = false;
  {
    const std::lock_guard guard(lock_);
    if (closed_) return Pushed::closed;
    if (waiting_locked() >= options_.capacity) {
      if (!displace(event.priority(), displaced)) return Pushed::dropped_newest;
      dropped = true;
    }
    Stripe& stripe = stripe_of(event);
    append(stripe.lanes[static_cast<std::size_t>(event.priority())], event, token,
           std::exchange(cut_next_, false));
    ++stripe.size;
    ++size_;
    ++pushes_;
    pump = next_pump(stripe);
  }
  if (dropped) sink_.dropped(displaced, DropReason::displaced);
  if (pump != nullptr) schedule(pump);
  return dropped ? Pushed::displaced : Pushed::accepted;
}

/// Takes the oldest of the lowest lane, none above the new event's; of several stripes by time.
bool Mailbox::displace(Priority newest, Delivery& out) {
  for (std::size_t i = 0; i <= static_cast<std::size_t>(newest); ++i) {
    Stripe* from = nullptr;
    const Event* oldest = nullptr;
    for (Stripe& stripe : stripes_) {
      Lane& lane = stripe.lanes[i];
      if (lane.size == 0) continue;
      const Event& first = lane.take_chunk->at(lane.take)->event;
      if (oldest != nullptr && oldest->time() <= first.time()) continue;
      from = &stripe;
      oldest = &first;
    }
    if (from == nullptr) continue;
    Lane& lane = from->lanes[i];
    Chunk* chunk = lane.take_chunk;
    Delivery* delivery = chunk->at(lane.take);
    out = std::move(*delivery);
    delivery->~Delivery();
    --lane.size;
    --from->size;
    --size_;
    if (++lane.take == kChunkSize) {
      lane.take_chunk = chunk->next;
      lane.take = 0;
      if (lane.last == chunk) lane.last = nullptr;
    }
    recycle(chunk, 1);
    return true;
  }
  return false;
}

Pushed Mailbox::push_when_there_is_room(const Event& event, void* token) {
  std::optional<WaitEdge> edge;
  if (!executor().pumped_by_this_thread()) {
    edge.emplace(std::vector{WaitFor::mailbox(*this)});
    if (!edge->entered()) return Pushed::full;
  }
  const auto deadline = deadline_after(options_.block_timeout);
  // Another publisher may take the room before this one comes to it.
  while (wait_for_room(deadline)) {
    const Pushed pushed = push(event, token, MayWait::no);
    if (pushed != Pushed::full) return pushed;
  }
  return Pushed::full;
}

bool Mailbox::wait_for_room(std::chrono::steady_clock::time_point deadline) {
  const auto has_room = [this] {
    const std::lock_guard guard(lock_);
    return closed_ || waiting_locked() < options_.capacity;
  };
  Executor& where = executor();
  if (where.pumped_by_this_thread()) {
    while (!has_room()) {
      if (!where.run_one_here()) return false;
    }
    return true;
  }
  {
    const std::lock_guard guard(lock_);
    ++room_waiters_;
    // Room comes with each delivery that starts: pumps take one at a time from now on.
    interrupt_.store(true, std::memory_order_relaxed);
  }
  bool room = false;
  {
    std::unique_lock waiting_lock(wait_mutex_);
    room = wait_.wait_until(waiting_lock, deadline, has_room);
  }
  const std::lock_guard guard(lock_);
  --room_waiters_;
  return room;
}

void Mailbox::notify_waiters() {
  { const std::lock_guard guard(wait_mutex_); }
  wait_.notify_all();
}

/// What an executor holds of a pump: lets go of it when it runs, is destroyed unrun, or the mailbox
/// closes, whichever comes first.
class Mailbox::Ticket {
 public:
  explicit Ticket(Pump& pump) noexcept : pump_(&pump) {}
  Ticket(const Ticket&) = delete;
  Ticket& operator=(const Ticket&) = delete;
  ~Ticket() { cancel(); }

  [[nodiscard]] Pump* take() noexcept { return pump_.exchange(nullptr, std::memory_order_acq_rel); }
  void cancel() noexcept {
    Pump* pump = take();
    if (pump == nullptr) return;
    Mailbox& mailbox = *pump->stripe->mailbox;
    mailbox.unschedule(*pump);
    mailbox.sink_.release();
  }

 private:
  std::atomic<Pump*> pump_;
};

void Mailbox::schedule(Pump* pump) {
  sink_.retain();
  if (pool_ != nullptr) {
    if (pool_->post(*pump) == Executor::Posted::accepted) return;
  } else {
    const auto ticket = std::make_shared<Ticket>(*pump);
    bool closed = false;
    {
      const std::lock_guard guard(lock_);
      pump->ticket = ticket;
      closed = closed_;
    }
    if (closed) return;  // the ticket gives the pump back
    const Executor::Posted posted = executor_->post([ticket] {
      if (Pump* mine = ticket->take()) mine->run();
    });
    if (posted == Executor::Posted::accepted || ticket->take() == nullptr) return;
  }
  unschedule(*pump);
  drop_all(DropReason::no_executor);
  notify_waiters();
  sink_.release();
}

void Mailbox::unschedule(Pump& pump) noexcept {
  bool over = false;
  {
    const std::lock_guard guard(lock_);
    pump.scheduled = false;
    --pump.stripe->active;
    over = closed_ && watching_ && !any_pump_scheduled();
  }
  if (over) unwatch();
}

void Mailbox::Pump::run() noexcept { stripe->mailbox->run(*stripe, *this); }

std::uint32_t Mailbox::choose_lane(Stripe& stripe) const {
  if (stripe.lanes[kAgainLane].size != 0) return kAgainLane;
  // What is replayed is older than all that is live: no share is kept for others before its end.
  if (stripe.lanes[kReplayLane].size != 0) return kReplayLane;
  for (std::uint32_t i = 0; i < 2; ++i) {
    if (stripe.lanes[i].size != 0 && stripe.lanes[i].passed_over >= kShare[i]) return i;
  }
  for (std::uint32_t i = kReplayLane; i-- > 0;) {
    if (stripe.lanes[i].size != 0) return i;
  }
  return kLanes;
}

Mailbox::Claim Mailbox::claim(Stripe& stripe, Pump& pump) {
  interrupt_.store(closed_ || paused_ || room_waiters_ != 0, std::memory_order_relaxed);
  if (!runnable(stripe)) return {};
  const std::uint32_t chosen = choose_lane(stripe);
  Lane& lane = stripe.lanes[chosen];
  bool lower_waits = false;
  for (std::uint32_t i = 0; i < chosen; ++i) lower_waits = lower_waits || stripe.lanes[i].size != 0;
  bool higher_waits = false;
  for (std::uint32_t i = chosen + 1; i < kLanes; ++i) {
    higher_waits = higher_waits || stripe.lanes[i].size != 0;
  }
  Claim claim;
  claim.chunk = lane.take_chunk;
  claim.begin = lane.take;
  claim.lane = chosen;
  const std::uint32_t available = (claim.chunk == lane.last ? lane.end : kChunkSize) - lane.take;
  claim.count = std::min(available, run_max_);
  if (higher_waits || room_waiters_ != 0 || chosen == kAgainLane) {
    claim.count = 1;
  } else if (lower_waits && is_bounded(chosen)) {
    claim.count = std::min(claim.count, kShare[1]);
  }
  lane.take += claim.count;
  if (lane.take == kChunkSize) {
    lane.take_chunk = claim.chunk->next;
    lane.take = 0;
    if (lane.last == claim.chunk) lane.last = nullptr;
  }
  lane.size -= claim.count;
  stripe.size -= claim.count;
  (is_bounded(chosen) ? size_ : beyond_size_) -= claim.count;
  if (is_bounded(chosen)) {
    // The first one starts at once.
    pump.claimed = claim.count - 1;
    claimed_ += pump.claimed;
  }
  lane.passed_over = 0;
  for (std::uint32_t i = 0; i < chosen && i < 2 && is_bounded(chosen); ++i) {
    if (stripe.lanes[i].size != 0) stripe.lanes[i].passed_over += claim.count;
  }
  stripe.serving = chosen;
  running_ += 1;
  pump.working = true;
  pump.claim = claim;
  return claim;
}

void Mailbox::recycle(Chunk* chunk, std::uint32_t finished) {
  chunk->finished += finished;
  if (chunk->finished == kChunkSize) {
    chunk->next = spare_;
    spare_ = chunk;
  }
}

/// Ends a claim of which `done` deliveries were made; the rest goes back to where it was taken.
void Mailbox::finish(Stripe& stripe, Pump& pump, std::uint32_t done, Then then) {
  running_ -= 1;
  pump.working = false;
  if (then == Then::hold) {
    stripe.held = true;
  } else if (pump.claim.lane == kAgainLane) {
    stripe.held = false;
  }
  give_back(stripe, pump, done);
  recycle(pump.claim.chunk, done);
}

void Mailbox::give_back(Stripe& stripe, Pump& pump, std::uint32_t done) {
  claimed_ -= pump.claimed;
  pump.claimed = 0;
  pump.started.store(0, std::memory_order_relaxed);
  const Claim& claim = pump.claim;
  const std::uint32_t rest = claim.count - done;
  if (rest == 0) return;
  Lane& lane = stripe.lanes[claim.lane];
  if (lane.take_chunk != claim.chunk) {
    // The claim had reached the end of its chunk.
    claim.chunk->next = lane.take_chunk;
    lane.take_chunk = claim.chunk;
    if (lane.last == nullptr) {
      lane.last = claim.chunk;
      lane.end = kChunkSize;
    }
  }
  lane.take = claim.begin + done;
  lane.size += rest;
  stripe.size += rest;
  (is_bounded(claim.lane) ? size_ : beyond_size_) += rest;
}

/// Makes the deliveries of a claim until told to stop; returns how many are done with.
std::uint32_t Mailbox::deliver(const Claim& claim, Pump& pump, Then& then) {
  Delivery* delivery = claim.chunk->at(claim.begin);
  std::uint32_t done = 0;
  for (; done < claim.count; ++done, ++delivery) {
    if (interrupt_.load(std::memory_order_relaxed) && !planted(Defect::after_close)) [[unlikely]] {
      bool closed = false;
      {
        const std::lock_guard guard(lock_);
        closed = closed_;
      }
      if (closed) {
        sink_.delivered_some(done);
        for (; done < claim.count; ++done, ++delivery) {
          sink_.dropped(*delivery, DropReason::unsubscribed);
          delivery->~Delivery();
        }
        return claim.count;
      }
      // The first of a claim counts as started, so a pause comes too late for it.
      if (done != 0) break;
    }
    pump.started.store(done, std::memory_order_relaxed);
    then = sink_.deliver(*delivery, pump.call);
    if (then >= Then::left) [[unlikely]]
      return done;
    delivery->~Delivery();
    if (then == Then::hold) [[unlikely]] {
      ++done;
      break;
    }
  }
  sink_.delivered_some(done);
  return done;
}

bool Mailbox::goes_on(Stripe& stripe, Pump& pump, bool& over) const noexcept {
  if (runnable(stripe)) return true;
  --stripe.active;
  pump.scheduled = false;
  stripe.serving = 0;
  over = closed_ && watching_ && !any_pump_scheduled();
  return false;
}

void Mailbox::run(Stripe& stripe, Pump& pump) {
  std::uint32_t budget = kPumpBudget;
  bool again = false;
  bool over = false;
  const std::thread::id thread = std::this_thread::get_id();
  for (;;) {
    Claim taken;
    bool notify = false;
    bool begin_watch = false;
    {
      const std::lock_guard guard(lock_);
      if (budget > 0) taken = claim(stripe, pump);
      notify = room_waiters_ != 0;
      if (taken.count == 0) {
        again = goes_on(stripe, pump, over);
        break;
      }
      pump.thread = thread;
      begin_watch = begin_watching();
    }
    if (begin_watch) watch();
    if (notify) notify_waiters();
    Then then = Then::next;
    const std::uint32_t done = deliver(taken, pump, then);
    if (then >= Then::left) [[unlikely]] {
      // Nothing of a suspended one is this thread's any more.
      if (then == Then::left) end_left_behind(&pump);
      return;
    }
    {
      const std::lock_guard guard(lock_);
      finish(stripe, pump, done, then);
      notify = room_waiters_ + idle_waiters_ != 0;
    }
    budget -= std::min(budget, done);
    if (notify) notify_waiters();
  }
  if (again) schedule(&pump);
  if (over) unwatch();
  sink_.release();
}

void Mailbox::take_all(std::vector<Delivery>& out) {
  for (Stripe& stripe : stripes_) {
    for (std::size_t i = kLanes; i-- > 0;) {
      Lane& lane = stripe.lanes[i];
      while (lane.size != 0) {
        Chunk* chunk = lane.take_chunk;
        Delivery* delivery = chunk->at(lane.take);
        out.push_back(std::move(*delivery));
        delivery->~Delivery();
        --lane.size;
        --stripe.size;
        --(is_bounded(i) ? size_ : beyond_size_);
        if (++lane.take == kChunkSize) {
          lane.take_chunk = chunk->next;
          lane.take = 0;
          if (lane.last == chunk) lane.last = nullptr;
        }
        recycle(chunk, 1);
      }
    }
  }
}

void Mailbox::drop_all(DropReason reason) {
  std::vector<Delivery> dropped;
  {
    const std::lock_guard guard(lock_);
    take_all(dropped);
  }
  for (Delivery& delivery : dropped) sink_.dropped(delivery, reason);
}

void Mailbox::close() {
  std::vector<std::shared_ptr<Ticket>> posted;
  {
    const std::lock_guard guard(lock_);
    closed_ = true;
    interrupt_.store(true, std::memory_order_relaxed);
    for (Stripe& stripe : stripes_) {
      for (const auto& pump : stripe.pumps) {
        if (auto ticket = pump->ticket.lock()) posted.push_back(std::move(ticket));
      }
    }
  }
  drop_all(DropReason::unsubscribed);
  notify_waiters();
  // An executor may keep its tasks for long; they keep nothing of this mailbox.
  for (const auto& ticket : posted) ticket->cancel();
  bool over = false;
  {
    const std::lock_guard guard(lock_);
    over = watching_ && !any_pump_scheduled();
  }
  if (over) unwatch();
}

void Mailbox::hold() {
  const std::lock_guard guard(lock_);
  held_ = true;
}

/// Nothing is left of the past: the first live delivery carries the news.
void Mailbox::tell_next_of_cut() {
  for (std::size_t lane = kReplayLane; lane-- > 0;) {
    for (Stripe& stripe : stripes_) {
      if (stripe.lanes[lane].size == 0) continue;
      stripe.lanes[lane].take_chunk->at(stripe.lanes[lane].take)->history_was_cut = true;
      return;
    }
  }
  cut_next_ = true;
}

std::size_t Mailbox::begin_with(const std::vector<PastEvent>& past, bool cut) {
  std::vector<Pump*> pumps;
  std::size_t put = 0;
  {
    const std::lock_guard guard(lock_);
    if (closed_) return 0;
    std::unordered_set<EventId> queued;
    for (Stripe& stripe : stripes_) {
      for (Lane& lane : stripe.lanes) {
        Chunk* chunk = lane.take_chunk;
        std::uint32_t at = lane.take;
        for (std::size_t i = 0; i < lane.size; ++i) {
          queued.insert(chunk->at(at)->event.id());
          if (++at == kChunkSize) {
            chunk = chunk->next;
            at = 0;
          }
        }
      }
    }
    std::unordered_set<std::uint32_t> live;  // publishers whose events queue by now
    for (const auto& [event, publisher] : past) {
      if (live.contains(publisher)) continue;
      if (queued.contains(event.id())) {
        live.insert(publisher);
        continue;
      }
      Stripe& stripe = stripe_of(event);
      append(stripe.lanes[kReplayLane], event, nullptr, cut && put == 0);
      ++stripe.size;
      ++beyond_size_;
      ++pushes_;
      ++put;
      replayed_.insert(event.id());
    }
    if (cut && put == 0) tell_next_of_cut();
    held_ = false;
    for (Stripe& stripe : stripes_) {
      while (Pump* pump = next_pump(stripe)) pumps.push_back(pump);
    }
  }
  for (Pump* pump : pumps) schedule(pump);
  return put;
}

void Mailbox::wait_again() {
  const std::lock_guard guard(lock_);
  ++again_waiting_;
}

bool Mailbox::push_again(const Event& event, void* token, Attempts* attempts) {
  Pump* pump = nullptr;
  bool notify = false;
  bool closed = false;
  {
    const std::lock_guard guard(lock_);
    --again_waiting_;
    closed = closed_;
    notify = idle_waiters_ != 0;
    if (!closed) {
      Stripe& stripe = stripe_of(event);
      append_again(stripe, event, token, attempts);
      pump = next_pump(stripe);
    }
  }
  if (notify) notify_waiters();
  if (pump != nullptr) schedule(pump);
  return !closed;
}

void Mailbox::give_up_again(const Event& event) {
  Pump* pump = nullptr;
  {
    const std::lock_guard guard(lock_);
    --again_waiting_;
    Stripe& stripe = stripe_of(event);
    stripe.held = false;
    pump = next_pump(stripe);
  }
  notify_waiters();
  if (pump != nullptr) schedule(pump);
}

Pushed Mailbox::push_redriven(const Event& event, Attempts* attempts) {
  Pump* pump = nullptr;
  {
    const std::lock_guard guard(lock_);
    if (closed_) return Pushed::closed;
    Stripe& stripe = stripe_of(event);
    // Not among those that are tried again: it must not end the hold that one of them has.
    append(stripe.lanes[kReplayLane], event, nullptr, std::exchange(cut_next_, false)).attempts =
        attempts;
    ++stripe.size;
    ++beyond_size_;
    ++pushes_;
    pump = next_pump(stripe);
  }
  if (pump != nullptr) schedule(pump);
  return Pushed::accepted;
}

std::size_t Mailbox::waiting_again() const {
  const std::lock_guard guard(lock_);
  return again_waiting_;
}

void Mailbox::pause() {
  const std::lock_guard guard(lock_);
  paused_ = true;
  interrupt_.store(true, std::memory_order_relaxed);
}

void Mailbox::resume() {
  std::vector<Pump*> pumps;
  {
    const std::lock_guard guard(lock_);
    paused_ = false;
    for (Stripe& stripe : stripes_) {
      while (Pump* pump = next_pump(stripe)) pumps.push_back(pump);
    }
  }
  for (Pump* pump : pumps) schedule(pump);
}

bool Mailbox::wait_idle(Idle what, std::chrono::steady_clock::time_point deadline) const {
  {
    const std::lock_guard guard(lock_);
    ++idle_waiters_;
  }
  bool idle_now = false;
  {
    std::unique_lock waiting_lock(wait_mutex_);
    const auto done = [this, what] {
      const std::lock_guard guard(lock_);
      if (what == Idle::no_thread) return running_ == suspended_;
      return what == Idle::no_call ? running_ == 0 : idle_locked();
    };
    idle_now = deadline == std::chrono::steady_clock::time_point::max()
                   ? (wait_.wait(waiting_lock, done), true)
                   : wait_.wait_until(waiting_lock, deadline, done);
  }
  const std::lock_guard guard(lock_);
  --idle_waiters_;
  return idle_now;
}

bool Mailbox::idle_locked() const noexcept {
  return running_ == 0 && size_ + beyond_size_ + again_waiting_ == 0;
}

bool Mailbox::idle() const {
  const std::lock_guard guard(lock_);
  return idle_locked();
}

std::size_t Mailbox::waiting() const {
  const std::lock_guard guard(lock_);
  return waiting_locked() + beyond_size_;
}

std::size_t Mailbox::running() const {
  const std::lock_guard guard(lock_);
  return running_;
}

bool Mailbox::all_busy(const Event* event, std::vector<std::thread::id>& threads) const {
  const std::lock_guard guard(lock_);
  for (const Stripe& stripe : stripes_) {
    if (event != nullptr && &stripe != &stripe_of(*event)) continue;
    for (const auto& pump : stripe.pumps) {
      // A suspended call holds no thread: what resumes it the graph does not know.
      if (!pump->scheduled || !pump->working || pump->suspended) return false;
      threads.push_back(pump->thread);
    }
  }
  return true;
}

std::size_t Mailbox::on_threads() const {
  const std::lock_guard guard(lock_);
  return running_ - suspended_;
}

std::uint64_t Mailbox::pushes() const {
  const std::lock_guard guard(lock_);
  return pushes_;
}

}  // namespace busway::delivery_detail
