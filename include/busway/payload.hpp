// busway/payload.hpp -- what an event carries: nothing, JSON, bytes, or a typed C++ value.
// Layer: event
//
// Model      An immutable, shared value. JSON and bytes are made here; typed values by
//            busway/typed_event.hpp.
// Threads    [any-thread]: immutable.
// Ownership  Shares its value; copies are one atomic addition.
// Errors     json() and json_text() throw Error(invalid_json, too_deep), bytes() throws
//            Error(invalid_argument) for a content type that is none; the size is checked when the
//            event is published.
// Cost       One allocation a payload that is not empty.
// Example    tests/event/payload_test.cpp
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "busway/detail/payload_block.hpp"
#include "busway/json.hpp"

namespace busway {

class Payload {
 public:
  Payload() noexcept = default;
  Payload(const Payload& other) noexcept : block_(other.block_) {
    if (block_ != nullptr) detail::acquire(block_);
  }
  Payload(Payload&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  Payload& operator=(Payload other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~Payload() {
    if (block_ != nullptr) detail::release(block_);
  }

  /// The value is checked: at most 64 levels deep, valid UTF-8. A NaN is written as null.
  [[nodiscard]] static Payload json(Json value);

  /// JSON from text, guarded: at most 64 levels deep, no duplicate keys, no number that would be
  /// rounded silently, valid UTF-8.
  [[nodiscard]] static Payload json_text(std::string_view text);

  [[nodiscard]] static Payload bytes(std::span<const std::byte> data,
                                     std::string_view content_type = "application/octet-stream");

  [[nodiscard]] bool empty() const noexcept { return block_ == nullptr; }

  /// Takes over one reference of a block; for busway/typed.hpp and stores.
  [[nodiscard]] static Payload adopt(detail::PayloadBlock* block) noexcept {
    Payload payload;
    payload.block_ = block;
    return payload;
  }
  /// Gives the reference away; the payload is empty afterwards.
  [[nodiscard]] detail::PayloadBlock* take() noexcept { return std::exchange(block_, nullptr); }

 private:
  detail::PayloadBlock* block_ = nullptr;
};

/// A bytes payload from text or raw memory, copied.
[[nodiscard]] inline Payload bytes(std::string_view data,
                                   std::string_view content_type = "application/octet-stream") {
  return Payload::bytes(std::as_bytes(std::span(data.data(), data.size())), content_type);
}
[[nodiscard]] inline Payload bytes(std::span<const std::byte> data,
                                   std::string_view content_type = "application/octet-stream") {
  return Payload::bytes(data, content_type);
}

}  // namespace busway
