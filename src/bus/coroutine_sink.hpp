// bus/coroutine_sink.hpp -- makes handler calls that may be suspended.
// Layer: bus
//
// Model      As SubscriberSink, of which it is one; a call that is suspended when its first step is
//            over stands in a list until it has ended, so that the end of the bus finds it.
// Threads    As SubscriberSink.
// Ownership  Belongs to its subscriber; each call holds a reference on that.
// Errors     None.
// Cost       A CoroutineCall a delivery, a lock for one that is suspended.
#pragma once

#include <memory>
#include <mutex>

#include "bus/subscriber_sink.hpp"
#include "busway/executor.hpp"

namespace busway::detail {

class CoroutineCall;

class CoroutineSink final : public SubscriberSink {
 public:
  /// executor: where its subscription's handlers run; null: the bus's pool.
  CoroutineSink(Subscriber& subscriber, std::shared_ptr<Executor> executor);

  delivery_detail::Then deliver(delivery_detail::Delivery& delivery,
                                delivery_detail::CallSlot& call) noexcept override;
  delivery_detail::Then timed_out_suspended(delivery_detail::Delivery& delivery,
                                            delivery_detail::SuspendedCall& call,
                                            SteadyTime deadline) noexcept override;
  void abandoned(delivery_detail::Delivery& delivery,
                 delivery_detail::SuspendedCall& call) noexcept override;
  void came_back(std::thread::id thread) noexcept override;
  void cancel_suspended() noexcept override;

 private:
  friend class CoroutineCall;

  /// False: the bus has been destroyed.
  [[nodiscard]] bool enlist(CoroutineCall& call) noexcept;
  void delist(CoroutineCall& call) noexcept;

  const std::shared_ptr<Executor> executor_;
  std::mutex mutex_;
  CoroutineCall* calls_ = nullptr;  // guarded by mutex_
  bool closed_ = false;             // guarded by mutex_
};

}  // namespace busway::detail
