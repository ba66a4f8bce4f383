// busway/context.hpp -- what a handler may know and do beside reading its event.
// Layer: delivery
//
// Model      Optional second argument of a handler: attempt, deadline, stop token, reply, and
//            publish() for threads that the handler starts, so that what they publish counts as
//            caused by this event.
// Threads    publish(), reply() and stop_token() are [any-thread] while the handler runs; the rest
//            belongs to the handler's thread.
// Ownership  Lives as long as the handler's call; never keep a reference.
// Errors     reply() returns whether someone still waits for it.
// Cost       Built once a publish, not once a handler.
// Example    examples/05_request_reply
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string_view>

#include "busway/detail/typed_payload.hpp"
#include "busway/event.hpp"
#include "busway/outcome.hpp"
#include "busway/payload.hpp"

namespace busway {

class Clock;
struct PublishResult;

namespace detail {
class BusCore;
struct Subscriber;
struct Dispatch;
}  // namespace detail

class Context {
 public:
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  [[nodiscard]] const Event& event() const noexcept { return *event_; }
  /// 1 for the first attempt.
  [[nodiscard]] unsigned attempt() const noexcept { return attempt_; }
  /// When this attempt is given up, if ever.
  [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> deadline() const noexcept {
    if (!has_deadline_) return std::nullopt;
    return deadline_;
  }
  /// Requested when the attempt is given up at its deadline, when a synchronous handler has not
  /// returned for BusOptions::stuck_after, when stop() reaches its deadline, and when the
  /// subscription ends. Callbacks registered with it run on a thread of the bus: keep them short.
  [[nodiscard]] std::stop_token stop_token() const;
  /// True on the first event after a replay whose history did not reach back as far as was asked.
  [[nodiscard]] bool history_was_cut() const noexcept { return history_was_cut_; }
  /// The name of the subscription, or its pattern when it has none.
  [[nodiscard]] std::string_view subscription() const noexcept;
  /// What the bus reads its time from.
  [[nodiscard]] const Clock& clock() const noexcept;

  /// Answers a request. False when nobody waits any more: an earlier reply won, or the time is
  /// over. Any event that is not a request answers false as well.
  bool reply(Payload payload);
  bool reply(const Json& json);
  template <class T>
  bool reply(const T& value);  // busway/typed.hpp

  /// Publishes as caused by this event, from whichever thread.
  PublishResult publish(std::string_view topic, Payload payload = {},
                        const EventOptions& options = {});
  PublishResult publish(std::string_view topic, Json payload, const EventOptions& options = {});
  /// No payload, written {} or nullptr.
  PublishResult publish(std::string_view topic, std::nullptr_t, const EventOptions& options = {});
  /// Typed payloads: busway/typed.hpp.
  template <detail::TypedPayload T>
  PublishResult publish(std::string_view topic, const T& payload, const EventOptions& options = {});
  template <detail::TypedPayload T>
  PublishResult publish(const T& payload, const EventOptions& options = {});

 protected:
  explicit Context(detail::BusCore& core) noexcept : event_(nullptr), core_(&core) {}
  Context(detail::BusCore& core, const Event& event) noexcept : event_(&event), core_(&core) {}
  ~Context() = default;

  friend struct detail::Dispatch;
  const Event* event_;
  detail::BusCore* core_;
  unsigned attempt_ = 1;
  bool history_was_cut_ = false;
  bool has_deadline_ = false;
  std::chrono::steady_clock::time_point deadline_;  // once has_deadline_
};

}  // namespace busway
