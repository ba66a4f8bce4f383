// busway/topic.hpp -- a topic looked up once, for publishers that use it often.
// Layer: bus
//
// Model      Topic created = bus.topic("order.created"); created.publish(payload).
// Threads    [any-thread]
// Ownership  May outlive the Bus; publish then answers stopped.
// Errors     As Bus::publish.
// Cost       Saves the look-up by name: about half the cost of a small publish.
// Example    examples/01_hello
#pragma once

#include <cstddef>
#include <string_view>

#include "busway/event_options.hpp"
#include "busway/payload.hpp"
#include "busway/publish_result.hpp"

namespace busway {

namespace detail {
class BusCore;
struct TopicEntry;
struct Dispatch;
}  // namespace detail

class Topic {
 public:
  Topic() noexcept = default;
  Topic(const Topic& other) noexcept;
  Topic(Topic&& other) noexcept;
  Topic& operator=(Topic other) noexcept;
  ~Topic();

  [[nodiscard]] std::string_view name() const noexcept;
  [[nodiscard]] explicit operator bool() const noexcept { return entry_ != nullptr; }

  PublishResult publish(Payload payload = {}) const;
  PublishResult publish(Payload payload, const PublishOptions& options) const;
  PublishResult publish(Json payload, const PublishOptions& options = {}) const;
  /// No payload, written {} or nullptr.
  PublishResult publish(std::nullptr_t, const PublishOptions& options = {}) const {
    return publish(Payload(), options);
  }
  template <class T>
  PublishResult publish(const T& payload) const;  // busway/typed.hpp
  template <class T>
  PublishResult publish(const T& payload, const PublishOptions& options) const;  // busway/typed.hpp

 private:
  friend struct detail::Dispatch;
  Topic(detail::BusCore* core, detail::TopicEntry* entry) noexcept : core_(core), entry_(entry) {}

  detail::BusCore* core_ = nullptr;      // one reference
  detail::TopicEntry* entry_ = nullptr;  // pinned
};

}  // namespace busway
