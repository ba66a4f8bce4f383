// busway/publisher.hpp -- publishes in the name of one component.
// Layer: bus
//
// Model      Publisher shop = bus.publisher("shop"); shop.publish("order.created", payload). Fills
//            in source and origin where the options leave them unset.
// Threads    [any-thread]
// Ownership  May outlive the Bus; publish then answers stopped.
// Errors     As Bus::publish.
// Cost       That of a publish with options.
// Example    tests/bus/publisher_test.cpp
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "busway/detail/typed_payload.hpp"
#include "busway/event_options.hpp"
#include "busway/payload.hpp"
#include "busway/publish_result.hpp"

namespace busway {

namespace detail {
class BusCore;
struct Dispatch;
}  // namespace detail

class Publisher {
 public:
  Publisher() noexcept = default;
  Publisher(const Publisher& other);
  Publisher(Publisher&& other) noexcept;
  Publisher& operator=(Publisher other) noexcept;
  ~Publisher();

  [[nodiscard]] const std::string& source() const noexcept { return source_; }
  [[nodiscard]] explicit operator bool() const noexcept { return core_ != nullptr; }

  PublishResult publish(std::string_view topic, Payload payload = {},
                        const PublishOptions& options = {}) const;
  PublishResult publish(std::string_view topic, Json payload,
                        const PublishOptions& options = {}) const;
  /// No payload, written {} or nullptr.
  PublishResult publish(std::string_view topic, std::nullptr_t,
                        const PublishOptions& options = {}) const {
    return publish(topic, Payload(), options);
  }
  /// Typed payloads: busway/typed.hpp.
  template <detail::TypedPayload T>
  PublishResult publish(std::string_view topic, const T& payload,
                        const PublishOptions& options = {}) const;
  template <detail::TypedPayload T>
  PublishResult publish(const T& payload, const PublishOptions& options = {}) const;

 private:
  friend struct detail::Dispatch;
  Publisher(detail::BusCore* core, std::string_view source, Origin origin)
      : core_(core), source_(source), origin_(origin) {}

  detail::BusCore* core_ = nullptr;  // one reference
  std::string source_;
  Origin origin_ = Origin::internal;
};

}  // namespace busway
