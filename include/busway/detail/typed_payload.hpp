// busway/detail/typed_payload.hpp -- which values publish(topic, value) takes as typed payloads.
// Layer: event
//
// Model      A class that is none of the payloads with an overload of their own. What it needs
//            beyond that is said by busway/typed_event.hpp.
// Threads    None.
// Ownership  None.
// Errors     None.
// Cost       None.
// Example    tests/bus/publisher_test.cpp
#pragma once

#include <string_view>
#include <type_traits>

#include "busway/json.hpp"

namespace busway {
class Event;
class Payload;
}  // namespace busway

namespace busway::detail {

template <class T>
concept TypedPayload =
    std::is_class_v<std::remove_cvref_t<T>> && !std::is_same_v<std::remove_cvref_t<T>, Json> &&
    !std::is_same_v<std::remove_cvref_t<T>, Payload> &&
    !std::is_same_v<std::remove_cvref_t<T>, Event> && !std::is_convertible_v<T, std::string_view>;

}  // namespace busway::detail
