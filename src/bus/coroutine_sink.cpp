#include "bus/coroutine_sink.hpp"

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "base/escape.hpp"
#include "bus/bus_core.hpp"
#include "bus/coroutine_call.hpp"
#include "busway/limits.hpp"

namespace busway::detail {

using delivery_detail::CallSlot;
using delivery_detail::Delivery;
using delivery_detail::DropReason;
using delivery_detail::SuspendedCall;
using delivery_detail::Then;

CoroutineSink::CoroutineSink(Subscriber& subscriber, std::shared_ptr<Executor> executor)
    : SubscriberSink(subscriber), executor_(std::move(executor)) {}

Then CoroutineSink::deliver(Delivery& delivery, CallSlot& call) noexcept {
  Begun begun;
  if (subscriber().extra->left_behind.load(std::memory_order_relaxed) >=
      limits::kCoroutinesGivenUpMax) {
    return refuse(delivery, ErrorCode::breaker_open,
                  std::to_string(limits::kCoroutinesGivenUpMax) + " coroutines of " +
                      quote(subscriber_name(subscriber())) +
                      " that were given up have not ended; no more are begun");
  }
  // One that is suspended holds no thread that could be left behind.
  if (!begin_call(delivery, subscriber().extra->mailbox->on_threads(), begun)) return Then::next;
  return (new CoroutineCall(*this, delivery, call, begun))->begin();
}

Then CoroutineSink::timed_out_suspended(Delivery& delivery, SuspendedCall& suspended,
                                        SteadyTime deadline) noexcept {
  const NeverBlock here;
  auto& call = static_cast<CoroutineCall&>(suspended);
  Subscriber& mine = subscriber();
  mine.extra->left_behind.fetch_add(1, std::memory_order_seq_cst);
  if (const auto thread = call.leave()) {
    mine.core->leave_behind(mine, delivery.event, mine.extra->mailbox->executor(), *thread,
                            nullptr);
    call.left();
  } else {
    const std::string name = subscriber_name(mine);
    const std::array fields{LogField{"subscription", name}, LogField{"owner", owner_of(mine)}};
    mine.core->log(LogLevel::warning, "a coroutine passed its deadline and is cancelled", fields);
  }
  const Then then = end_late(delivery, deadline);
  call.cancel();
  return then;
}

void CoroutineSink::abandoned(Delivery& delivery, SuspendedCall&) noexcept {
  subscriber().extra->left_behind.fetch_add(1, std::memory_order_seq_cst);
  dropped(delivery, DropReason::cancelled);
}

void CoroutineSink::came_back(std::thread::id) noexcept {
  call_elsewhere_ended(subscriber(), subscriber().extra->left_behind);
}

bool CoroutineSink::enlist(CoroutineCall& call) noexcept {
  const std::lock_guard lock(mutex_);
  call.next_ = calls_;
  if (calls_ != nullptr) calls_->previous_ = &call;
  calls_ = &call;
  return !closed_;
}

void CoroutineSink::delist(CoroutineCall& call) noexcept {
  const std::lock_guard lock(mutex_);
  if (call.previous_ != nullptr) {
    call.previous_->next_ = call.next_;
  } else {
    calls_ = call.next_;
  }
  if (call.next_ != nullptr) call.next_->previous_ = call.previous_;
}

void CoroutineSink::cancel_suspended() noexcept {
  std::vector<CoroutineCall*> calls;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    for (CoroutineCall* call = calls_; call != nullptr; call = call->next_) {
      call->retain();
      calls.push_back(call);
    }
  }
  delivery_detail::Mailbox& mailbox = *subscriber().extra->mailbox;
  mailbox.abandon_suspended();
  // Those that just end are settled as long as there is a bus.
  if (!BusCore::inside_handler()) {
    (void)mailbox.wait_idle(delivery_detail::Mailbox::Idle::no_call, SteadyTime::max());
  }
  for (CoroutineCall* call : calls) {
    call->close();
    call->release();
  }
}

}  // namespace busway::detail
