// busway/typed_event.hpp -- C++ structs as payloads.
// Layer: event
//
// Model      struct UserCreated { static constexpr std::string_view topic = "users.created"; ... };
//            with NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE behind it. The type's name is T::type_name,
//            else T::topic; its version T::schema_version, else 1. A type that declares
//            `static constexpr bool in_process = true` (or a nested type in_process) needs no JSON
//            and never leaves the process. All that is required is checked when it is compiled;
//            nothing depends on which headers happen to be visible.
// Threads    [any-thread]
// Ownership  typed_payload() moves the value into a shared block.
// Errors     as<T>() throws Error(payload_type) with both names.
// Cost       as<T>() on a payload published as T here: one comparison. Else JSON, once an event.
// Example    tests/event/typed_event_test.cpp
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <string_view>
#include <type_traits>
#include <utility>

#include "busway/detail/payload_block.hpp"
#include "busway/event.hpp"
#include "busway/event_options.hpp"
#include "busway/payload.hpp"
#include "busway/upcaster.hpp"

namespace busway {

/// A class that says which topic it is published under.
template <class T>
concept EventType = std::is_class_v<T> && std::same_as<T, std::remove_cv_t<T>> && requires {
  std::string_view{T::topic};
};

/// A class that can be a typed payload: it has a type_name or a topic.
template <class T>
concept PayloadClass = EventType<T> ||
    (std::is_class_v<T>&& std::same_as<T, std::remove_cv_t<T>>&& requires {
      std::string_view{T::type_name};
    });

namespace detail {

template <class T>
concept InProcess = requires {
  typename T::in_process;
}
|| requires { requires T::in_process; };

template <class T>
concept WritesJson = requires(Json& json, const T& value) {
  nlohmann::adl_serializer<T>::to_json(json, value);
};

template <class T>
concept ReadsJson = requires(const Json& json) {
  json.template get<T>();
};

template <class T>
struct TypedBlock : PayloadBlock {
  template <class... Args>
  explicit TypedBlock(const PayloadType& of, Args&&... args) : value(std::forward<Args>(args)...) {
    destroy = [](PayloadBlock* block) noexcept { delete static_cast<TypedBlock*>(block); };
    object = &value;
    type = &of;
  }
  T value;
};

template <class T>
constexpr std::string_view payload_name_of() noexcept {
  if constexpr (requires { std::string_view{T::type_name}; }) {
    return T::type_name;
  } else {
    return T::topic;
  }
}

template <class T>
constexpr std::uint32_t payload_version_of() noexcept {
  if constexpr (requires { T::schema_version; }) {
    static_assert(T::schema_version >= 1 && T::schema_version <= 65'535,
                  "T::schema_version is between 1 and 65535");
    return static_cast<std::uint32_t>(T::schema_version);
  } else {
    return 1;
  }
}

template <class T>
consteval PayloadType describe_payload_type();

/// One object a type; its address is the quick test of as<T>().
template <class T>
inline constexpr PayloadType kPayloadTypeOf = describe_payload_type<T>();

template <class T>
[[nodiscard]] constexpr const PayloadType& payload_type_of() noexcept {
  return kPayloadTypeOf<T>;
}

template <class T>
consteval PayloadType describe_payload_type() {
  static_assert(PayloadClass<T>,
                "a typed payload is a struct with `static constexpr std::string_view type_name` "
                "(or `topic`)");
  static_assert(sizeof(T) <= std::numeric_limits<std::uint32_t>::max());
  PayloadType type;
  type.name = payload_name_of<T>();
  type.version = payload_version_of<T>();
  type.size = static_cast<std::uint32_t>(sizeof(T));
  type.alignment = static_cast<std::uint32_t>(alignof(T));
  type.trivially_copyable = std::is_trivially_copyable_v<T>;
  if constexpr (std::is_copy_constructible_v<T>) {
    type.share = [](const void* value) -> PayloadBlock* {
      return new TypedBlock<T>(kPayloadTypeOf<T>, *static_cast<const T*>(value));
    };
  }
  if constexpr (!InProcess<T>) {
    static_assert(WritesJson<T> && ReadsJson<T>,
                  "a payload type needs JSON both ways: put "
                  "NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(T, fields...) beside it, in its namespace, "
                  "or declare `static constexpr bool in_process = true;` in it");
    // Not a choice: where this is false the line above has refused T. It spares the reader of that
    // message pages of others.
    if constexpr (WritesJson<T> && ReadsJson<T>) {
      type.to_json = [](const void* value, Json& out) { out = *static_cast<const T*>(value); };
      type.from_json = [](const Json& json) -> PayloadBlock* {
        return new TypedBlock<T>(kPayloadTypeOf<T>, json.template get<T>());
      };
    }
  }
  return type;
}

/// Event::decode() that throws Error(payload_type) where that gives null.
[[nodiscard]] const void* decode_or_throw(const Event& event, const PayloadType& wanted);

}  // namespace detail

template <class T>
const T& Event::as() const {
  const detail::PayloadType& wanted = detail::payload_type_of<T>();
  if (type_ == &wanted) [[likely]]
    return *static_cast<const T*>(object_);
  return *static_cast<const T*>(detail::decode_or_throw(*this, wanted));
}

template <class T>
const T* Event::try_as() const {
  const detail::PayloadType& wanted = detail::payload_type_of<T>();
  if (type_ == &wanted) [[likely]]
    return static_cast<const T*>(object_);
  return static_cast<const T*>(decode(wanted));
}

template <class T>
const T* Event::if_same() const noexcept {
  return type_ == &detail::payload_type_of<T>() ? static_cast<const T*>(object_) : nullptr;
}

/// A payload that holds the value.
template <PayloadClass T>
[[nodiscard]] Payload typed_payload(T value) {
  return Payload::adopt(new detail::TypedBlock<T>(detail::payload_type_of<T>(), std::move(value)));
}

/// An event under the type's own topic.
template <EventType T>
[[nodiscard]] Event typed_event(T value, const EventOptions& options = {}) {
  return Event(T::topic, typed_payload(std::move(value)), options);
}

/// The step from from_version to the next one, for payloads of T's name: see busway/upcaster.hpp.
template <PayloadClass T>
void register_upcaster(std::uint32_t from_version, Upcaster step) {
  register_upcaster(detail::payload_name_of<T>(), from_version, std::move(step));
}

}  // namespace busway
