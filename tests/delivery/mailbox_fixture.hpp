// delivery/mailbox_fixture.hpp -- a sink that writes down what a mailbox does with it.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <eventually.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "busway/clock.hpp"
#include "busway/event.hpp"
#include "busway/manual_executor.hpp"
#include "delivery/later.hpp"
#include "delivery/mailbox.hpp"

namespace busway::delivery_detail {

inline Event named(std::string_view topic, Priority priority = Priority::normal,
                   std::string_view key = {}) {
  static std::atomic<std::uint64_t> next{1};
  return Event(topic, {}, {.priority = priority, .key = key, .id = EventId{1, next.fetch_add(1)}});
}

struct RecordingSink final : MailboxSink {
  bool coming(std::span<const Delivery> deliveries) noexcept override {
    return on_coming && on_coming(deliveries);
  }
  Then deliver(Delivery& delivery, CallSlot& call) noexcept override {
    {
      const std::lock_guard lock(mutex);
      delivered.emplace_back(delivery.event.topic());
      cut.push_back(delivery.history_was_cut);
    }
    if (instead) return instead(delivery, call);
    call.begin(deadline());
    if (on_deliver) on_deliver(delivery);
    if (on_call) on_call(delivery, call);
    if (!call.finish()) return Then::left;
    return then;
  }
  Then timed_out(Delivery& delivery, std::thread::id thread, const Runnable& task,
                 SteadyTime /*deadline*/) noexcept override {
    if (executor != nullptr) (void)executor->leave_worker(thread, &task);
    const std::lock_guard lock(mutex);
    late.emplace_back(delivery.event.topic());
    return then_late;
  }
  Then timed_out_suspended(Delivery& delivery, SuspendedCall& call,
                           SteadyTime /*deadline*/) noexcept override {
    const std::lock_guard lock(mutex);
    late.emplace_back(delivery.event.topic());
    given_up.push_back(&call);
    return then_late;
  }
  void abandoned(Delivery& delivery, SuspendedCall& call) noexcept override {
    const std::lock_guard lock(mutex);
    gone.emplace_back(delivery.event.topic());
    given_up.push_back(&call);
  }
  void came_back(std::thread::id) noexcept override { ++back; }
  Timekeeper& timekeeper() override { return *keeper; }
  [[nodiscard]] SteadyTime now() const noexcept override { return clock->steady(); }
  [[nodiscard]] SteadyTime deadline() const noexcept { return later(now(), timeout); }
  void delivered_some(std::uint32_t count) noexcept override { counted += count; }
  void dropped(Delivery& delivery, DropReason reason) noexcept override {
    const std::lock_guard lock(mutex);
    gone.emplace_back(delivery.event.topic());
    reasons.push_back(reason);
  }
  void retain() noexcept override { ++references; }
  void release() noexcept override { --references; }

  std::vector<std::string> seen() {
    const std::lock_guard lock(mutex);
    return delivered;
  }

  std::mutex mutex;
  std::vector<std::string> delivered;
  std::vector<bool> cut;
  std::vector<std::string> gone;
  std::vector<DropReason> reasons;
  std::vector<std::string> late;
  std::vector<SuspendedCall*> given_up;
  std::function<bool(std::span<const Delivery>)> on_coming;
  std::function<Then(Delivery&, CallSlot&)> instead;
  std::function<void(Delivery&)> on_deliver;
  std::function<void(Delivery&, CallSlot&)> on_call;
  Then then = Then::next;
  Then then_late = Then::next;
  std::chrono::nanoseconds timeout = std::chrono::nanoseconds::max();  // of a call
  std::shared_ptr<Clock> clock = Clock::system();
  std::unique_ptr<Timekeeper> keeper;
  WorkerPool* executor = nullptr;
  std::atomic<int> back{0};
  std::atomic<int> references{0};
  std::atomic<std::size_t> counted{0};
};

/// Past events of one publisher.
inline std::vector<PastEvent> by_one(const std::vector<Event>& events) {
  std::vector<PastEvent> past;
  for (const Event& event : events) past.push_back({event, 0});
  return past;
}

/// A mailbox whose pumps run when the test says.
struct HandPumped {
  explicit HandPumped(const MailboxOptions& options = {})
      : mailbox(sink, options, nullptr, executor) {}
  ~HandPumped() { executor->run(); }

  Pushed push(std::string_view topic, Priority priority = Priority::normal,
              std::string_view key = {}) {
    return mailbox.push(named(topic, priority, key), nullptr, MayWait::no);
  }

  std::shared_ptr<ManualExecutor> executor = std::make_shared<ManualExecutor>();
  RecordingSink sink;
  Mailbox mailbox;
};

using Names = std::vector<std::string>;

}  // namespace busway::delivery_detail
