// busway/typed.hpp -- publish and subscribe with C++ structs.
// Layer: bus
//
// Model      bus.publish(UserCreated{...}), bus.publish("users.created", order),
//            bus.subscribe<UserCreated>(handler). What a payload type needs stands in
//            typed_event.hpp. A small trivially copyable value travels inside the event; a larger
//            one is shared only when someone may keep it. A value given as an rvalue is moved.
// Threads    As Bus.
// Ownership  As Bus.
// Errors     As Bus; what a type lacks is said by a static_assert.
// Cost       Includes nlohmann/json.hpp. Published and received in one process, a typed value is
//            never serialised.
// Example    examples/01_hello
#pragma once

#include <cstring>
#include <nlohmann/json.hpp>
#include <type_traits>
#include <utility>

#include "busway/bus.hpp"
#include "busway/typed_event.hpp"

namespace busway {

namespace detail {

PublishResult publish_typed(const Bus& bus, std::string_view topic, const PayloadType& type,
                            const void* value, const EventOptions* options);
PublishResult publish_typed(BusCore& core, TopicEntry* entry, const PayloadType& type,
                            const void* value, const EventOptions* options);

/// padded: kInlinePayloadBytes bytes that begin with the value.
PublishResult publish_small(BusCore& core, std::string_view topic, const PayloadType& type,
                            const void* padded);
PublishResult publish_small(BusCore& core, TopicEntry* entry, const PayloadType& type,
                            const void* padded);

/// Whether publishing may refer to the caller's value until someone needs to keep it.
template <class T>
inline constexpr bool kBorrowable = std::is_copy_constructible_v<std::remove_cvref_t<T>> &&
                                    (std::is_lvalue_reference_v<T> ||
                                     std::is_trivially_copyable_v<std::remove_cvref_t<T>>);

/// A value that fits into an event, padded unless it has the full size already.
template <class T>
class Padded {
 public:
  explicit Padded(const T& value) noexcept {
    if constexpr (kFull) {
      place_ = &value;
    } else {
      std::memcpy(place_.bytes, &value, sizeof(T));
    }
  }
  [[nodiscard]] const void* data() const noexcept {
    if constexpr (kFull) {
      return place_;
    } else {
      return place_.bytes;
    }
  }

 private:
  static constexpr bool kFull = sizeof(T) == kInlinePayloadBytes;
  std::conditional_t<kFull, const void*, SmallPayload> place_{};
};

template <class T>
consteval void require_publishable() {
  using Value = std::remove_cvref_t<T>;
  static_assert(
      PayloadClass<Value>,
      "a busway payload is Json, busway::bytes(...), or a struct with type_name or topic");
  static_assert(std::is_copy_constructible_v<Value> ||
                    (!std::is_lvalue_reference_v<T> && std::is_move_constructible_v<Value>),
                "a payload that cannot be copied is published with std::move");
}

}  // namespace detail

template <detail::TypedPayload T>
PublishResult Bus::publish(std::string_view topic, T&& payload) {
  detail::require_publishable<T>();
  using Value = std::remove_cvref_t<T>;
  if constexpr (detail::payload_type_of<Value>().fits_inline()) {
    return detail::publish_small(*core_, topic, detail::payload_type_of<Value>(),
                                 detail::Padded<Value>(payload).data());
  } else if constexpr (detail::kBorrowable<T>) {
    return detail::publish_typed(*this, topic, detail::payload_type_of<Value>(), &payload, nullptr);
  } else {
    return publish(topic, typed_payload<Value>(std::forward<T>(payload)));
  }
}

template <detail::TypedPayload T>
PublishResult Bus::publish(std::string_view topic, T&& payload, const PublishOptions& options) {
  detail::require_publishable<T>();
  using Value = std::remove_cvref_t<T>;
  if constexpr (detail::kBorrowable<T>) {
    return detail::publish_typed(*this, topic, detail::payload_type_of<Value>(), &payload,
                                 &options);
  } else {
    return publish(topic, typed_payload<Value>(std::forward<T>(payload)), options);
  }
}

template <detail::TypedPayload T>
PublishResult Bus::publish(T&& payload) {
  static_assert(
      EventType<std::remove_cvref_t<T>>,
      "publish(value) needs a payload type with a static constexpr std::string_view topic");
  return publish(std::string_view(std::remove_cvref_t<T>::topic), std::forward<T>(payload));
}

template <detail::TypedPayload T>
PublishResult Bus::publish(T&& payload, const PublishOptions& options) {
  static_assert(
      EventType<std::remove_cvref_t<T>>,
      "publish(value) needs a payload type with a static constexpr std::string_view topic");
  return publish(std::string_view(std::remove_cvref_t<T>::topic), std::forward<T>(payload),
                 options);
}

template <detail::TypedPayload T>
RequestResult Bus::request(std::string_view topic, const T& payload,
                           std::chrono::nanoseconds timeout, const PublishOptions& options) {
  return request(topic, typed_payload<T>(T(payload)), timeout, options);
}
template <detail::TypedPayload T>
RequestResult Bus::request(const T& payload, std::chrono::nanoseconds timeout,
                           const PublishOptions& options) {
  static_assert(
      EventType<T>,
      "request(value) needs a payload type with a static constexpr std::string_view topic");
  return request(std::string_view(T::topic), payload, timeout, options);
}

template <class T>
PublishResult Topic::publish(const T& payload) const {
  detail::require_publishable<const T&>();
  if (core_ == nullptr) return publish(Payload{});
  if constexpr (detail::payload_type_of<T>().fits_inline()) {
    return detail::publish_small(*core_, entry_, detail::payload_type_of<T>(),
                                 detail::Padded<T>(payload).data());
  } else {
    return detail::publish_typed(*core_, entry_, detail::payload_type_of<T>(), &payload, nullptr);
  }
}

template <class T>
PublishResult Topic::publish(const T& payload, const PublishOptions& options) const {
  detail::require_publishable<const T&>();
  if (core_ == nullptr) return publish(Payload{});
  return detail::publish_typed(*core_, entry_, detail::payload_type_of<T>(), &payload, &options);
}

template <detail::TypedPayload T>
Receipt Bus::publish_async(std::string_view topic, const T& payload,
                           const PublishOptions& options) {
  return publish_async(topic, typed_payload<T>(T(payload)), options);
}
template <detail::TypedPayload T>
Receipt Bus::publish_async(const T& payload, const PublishOptions& options) {
  return publish_async(std::string_view(T::topic), payload, options);
}

template <detail::TypedPayload T>
PublishResult Publisher::publish(std::string_view topic, const T& payload,
                                 const PublishOptions& options) const {
  return publish(topic, typed_payload<T>(T(payload)), options);
}
template <detail::TypedPayload T>
PublishResult Publisher::publish(const T& payload, const PublishOptions& options) const {
  return publish(std::string_view(T::topic), payload, options);
}

template <detail::TypedPayload T>
PublishResult Context::publish(std::string_view topic, const T& payload,
                               const EventOptions& options) {
  return publish(topic, typed_payload<T>(T(payload)), options);
}
template <detail::TypedPayload T>
PublishResult Context::publish(const T& payload, const EventOptions& options) {
  return publish(std::string_view(T::topic), payload, options);
}

template <class T>
bool Context::reply(const T& value) {
  return reply(typed_payload<T>(T(value)));
}

}  // namespace busway
