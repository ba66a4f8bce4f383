#include "delivery/mailbox.hpp"

#include <algorithm>
#include <exception>
#include <functional>
#include <new>
#include <optional>
#include <string_view>
#include <utility>

#include "base/deadline.hpp"
#include "delivery/wait_graph.hpp"
#include "event/event_access.hpp"

namespace busway::delivery_detail {
namespace {

/// A publisher that waits for room looks this often whether a handler that takes its time has made
/// some: pumps tell it only when there is much.
constexpr std::chrono::milliseconds kLookForRoom{1};

}  // namespace

Mailbox::Mailbox(MailboxSink& sink, const MailboxOptions& options, WorkerPool* pool,
                 std::shared_ptr<Executor> executor)
    : sink_(sink),
      options_(options),
      run_max_(options.overflow == Overflow::drop_oldest ||
                       (options.concurrency > 1 && options.order_by == OrderBy::none)
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
  if (stripe.active != 0) interrupt(stripe);
}

/// What comes now may have to go before the rest of what its pumps have claimed.
void Mailbox::interrupt(Stripe& stripe) noexcept {
  for (const auto& pump : stripe.pumps) pump->interrupt.store(true, std::memory_order_relaxed);
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
  if (stripe.held) return stripe.lanes[kAgainLane].size != 0;
  if (!past_more_) return stripe.size != 0;
  return stripe.lanes[kAgainLane].size + stripe.lanes[kReplayLane].size != 0 ||
         (beyond_size_ == 0 && !reading_past_);
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
      if (lane > stripe.serving && stripe.active != 0) interrupt(stripe);
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
  }
  bool room = false;
  {
    std::unique_lock waiting_lock(wait_mutex_);
    for (;;) {
      const auto now = std::chrono::steady_clock::now();
      room = wait_.wait_until(waiting_lock, std::min(deadline, now + kLookForRoom), has_room);
      if (room || now >= deadline) break;
    }
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
    Executor::Posted posted = Executor::Posted::refused;
    try {
      posted = executor_->post([ticket] {
        if (Pump* mine = ticket->take()) mine->run();
      });
    } catch (const std::exception&) {
      // As one that refuses: what waits is dropped, and is on record.
    }
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
    past_more_ = false;
    take_all(dropped);
  }
  for (Delivery& delivery : dropped) sink_.dropped(delivery, reason);
}

void Mailbox::close() {
  std::vector<std::shared_ptr<Ticket>> posted;
  {
    const std::lock_guard guard(lock_);
    closed_ = true;
    past_more_ = false;
    for (Stripe& stripe : stripes_) {
      interrupt(stripe);
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
  return running_ == 0 && size_ + beyond_size_ + again_waiting_ == 0 && !past_more_;
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
