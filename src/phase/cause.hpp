// phase/cause.hpp -- carries the event that is handled here to a thread that works for its handler.
// Layer: phase
//
// Model      cause_here() on the thread that begins the work, CauseScope on the one that does it:
//            what is published there is caused by the event, as if the handler had published it.
// Threads    A CauseScope belongs to its thread.
// Ownership  Shares the event, without its payload; the bus's core must outlive the scope.
// Cost       An event; a dozen stores.
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "bus/bus_core.hpp"
#include "bus/dispatch.hpp"
#include "bus/publish_guards.hpp"
#include "event/event_access.hpp"

namespace busway::phase_detail {

/// Null outside handlers.
[[nodiscard]] inline std::shared_ptr<const Event> cause_here() {
  const detail::Dispatch* const current = detail::thread_locals.current;
  if (current == nullptr || current->event_if_any() == nullptr) return nullptr;
  // Not a copy: nobody reads the payload, and it need not be one that can be copied.
  const Event& event = current->event();
  auto cause = std::make_shared<Event>(
      event.topic(), Payload(), EventOptions{.traceparent = event.traceparent(), .id = event.id()});
  detail::EventAccess::set_cause(*cause, event.causation_id(), event.hops());
  return cause;
}

class CauseScope {
 public:
  CauseScope(detail::BusCore& core, std::shared_ptr<const Event> cause) : cause_(std::move(cause)) {
    if (cause_ == nullptr) return;
    dispatch_.emplace(core, *cause_);
    guard_.emplace(*dispatch_);
  }
  CauseScope(const CauseScope&) = delete;
  CauseScope& operator=(const CauseScope&) = delete;
  ~CauseScope() = default;

 private:
  std::shared_ptr<const Event> cause_;
  std::optional<detail::Dispatch> dispatch_;
  std::optional<detail::DispatchGuard> guard_;
};

/// A reference on the core, for threads that may outlast the Bus.
class HeldCore {
 public:
  explicit HeldCore(detail::BusCore& core) noexcept : core_(core) { core_.retain(); }
  HeldCore(const HeldCore&) = delete;
  HeldCore& operator=(const HeldCore&) = delete;
  ~HeldCore() { core_.release(); }
  [[nodiscard]] detail::BusCore& get() const noexcept { return core_; }

 private:
  detail::BusCore& core_;
};

}  // namespace busway::phase_detail
