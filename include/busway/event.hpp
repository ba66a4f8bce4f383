// busway/event.hpp -- an immutable record: something happened.
// Layer: event
//
// Model      id, topic, source, time, payload and rarer fields that cost nothing when unset.
//            Handlers get a const Event&; a copy keeps everything it needs alive, also after the
//            bus is gone.
// Threads    [any-thread]: immutable; JSON is made once, when someone first asks, whichever thread
//            that is.
// Ownership  An Event owns or shares all it holds. Inside a handler the Event may still refer to
//            the publisher's payload: references from it end with the handler, a copy of the Event
//            does not. Copying then copies the payload, and throws Error(payload_type) when its
//            type cannot be copied.
// Errors     The constructor throws Error(invalid_topic, invalid_option); json() and bytes() throw
//            Error(payload_type, invalid_json, too_deep), as<T>() Error(payload_type) with both
//            names.
// Cost       120 bytes; copying one with a small trivially copyable payload allocates nothing.
// Example    tests/event/event_test.cpp
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "busway/detail/payload_block.hpp"
#include "busway/detail/text.hpp"
#include "busway/event_id.hpp"
#include "busway/event_options.hpp"
#include "busway/json.hpp"
#include "busway/metadata.hpp"
#include "busway/origin.hpp"
#include "busway/payload.hpp"
#include "busway/priority.hpp"

namespace busway {

namespace detail {
struct RareFields;
struct EventAccess;
}  // namespace detail

class Event {
 public:
  /// No event: nil id, empty topic.
  Event() noexcept {}  // NOLINT(modernize-use-equals-default): the union has no default
  /// A new event. Its id and time are set now when the options carry them, else when it is
  /// published.
  explicit Event(std::string_view topic, Payload payload = {}, const EventOptions& options = {});
  Event(const Event& other);
  Event(Event&& other) noexcept;
  Event& operator=(const Event& other);
  Event& operator=(Event&& other) noexcept;
  ~Event() {
    if (!borrowed_ || cache_.load(std::memory_order_relaxed) != nullptr) release_all();
  }

  [[nodiscard]] const EventId& id() const noexcept { return id_; }
  [[nodiscard]] std::string_view topic() const noexcept {
    return topic_ == nullptr ? std::string_view{} : topic_->view();
  }
  /// The component or plugin that published; empty when it did not say.
  [[nodiscard]] std::string_view source() const noexcept {
    return source_ == nullptr ? std::string_view{} : source_->view();
  }
  [[nodiscard]] Origin origin() const noexcept { return origin_; }
  [[nodiscard]] Priority priority() const noexcept { return priority_; }
  /// When it was published; the epoch when that is still to come.
  [[nodiscard]] WallTime time() const noexcept {
    return WallTime(std::chrono::nanoseconds(time_ns_));
  }
  /// The version of the payload's schema, 1 unless said otherwise.
  [[nodiscard]] std::uint16_t schema_version() const noexcept { return schema_version_; }
  /// How many events, each published while handling the one before, led to this one.
  [[nodiscard]] std::uint16_t hops() const noexcept { return hops_; }
  /// The id of the event that was being handled when this one was published; nil when none was.
  [[nodiscard]] const EventId& causation_id() const noexcept { return causation_; }

  [[nodiscard]] const Metadata& metadata() const noexcept;
  [[nodiscard]] std::string_view key() const noexcept;
  [[nodiscard]] std::string_view user_id() const noexcept;
  [[nodiscard]] std::string_view session_id() const noexcept;
  [[nodiscard]] std::string_view instance_id() const noexcept;
  [[nodiscard]] std::string_view schema() const noexcept;
  [[nodiscard]] std::string_view entity() const noexcept;
  [[nodiscard]] std::string_view operation() const noexcept;
  [[nodiscard]] std::string_view correlation_id() const noexcept;
  [[nodiscard]] std::string_view traceparent() const noexcept;
  /// CloudEvents attributes that busway has no field for, kept as they came: an object.
  [[nodiscard]] const Json& extensions() const noexcept;

  [[nodiscard]] bool has_payload() const noexcept { return type_ != nullptr; }
  [[nodiscard]] bool is_json() const noexcept {
    return type_ == &detail::kJsonType || type_ == &detail::kJsonTextType;
  }
  [[nodiscard]] bool is_bytes() const noexcept { return type_ == &detail::kBytesType; }
  [[nodiscard]] bool is_typed() const noexcept {
    return has_payload() && !is_json() && !is_bytes();
  }
  /// The typed payload's name, "json", "bytes", or "" without a payload.
  [[nodiscard]] std::string_view payload_name() const noexcept;
  /// Of a bytes payload; "application/json" for JSON and typed ones; "" without a payload.
  [[nodiscard]] std::string_view content_type() const noexcept;

  /// The payload as JSON: itself, or made once from the typed value or from bytes whose content
  /// type is JSON. No payload gives null. Throws Error(payload_type) when it cannot be JSON.
  [[nodiscard]] const Json& json() const;
  /// The payload as bytes: itself, or the text of json(); nothing without a payload.
  [[nodiscard]] std::span<const std::byte> bytes() const;

  /// The payload as T: itself, or decoded once from JSON (older schema versions through the
  /// registered upcasters). Throws Error(payload_type). Defined in busway/typed_event.hpp.
  template <class T>
  [[nodiscard]] const T& as() const;
  /// As as(), but null when the payload is not a T.
  template <class T>
  [[nodiscard]] const T* try_as() const;

  /// The payload when it is a T of this very library, which costs one comparison; else null.
  template <class T>
  [[nodiscard]] const T* if_same() const noexcept;

  /// A copy of this event with a part replaced; used by replay, gateways and stores. A typed
  /// payload brings its schema version along.
  [[nodiscard]] Event with_topic(std::string_view topic) const;
  [[nodiscard]] Event with_payload(Payload payload) const;

  /// The payload read as a type described as data; null when it is not that type and cannot be
  /// decoded (then why says so, when given). What as<T>() does once T is named.
  [[nodiscard]] const void* decode(const detail::PayloadType& type,
                                   std::string* why = nullptr) const;

 private:
  friend struct detail::EventAccess;
  enum class Storage : unsigned char { none, borrowed, inlined, block };

  void share_from(const Event& other);
  void steal_from(Event& other) noexcept;
  void release_all() noexcept;
  [[nodiscard]] detail::PayloadCache& cache() const;

  EventId id_;
  EventId causation_;
  std::int64_t time_ns_ = 0;
  const detail::TextRep* topic_ = nullptr;
  const detail::TextRep* source_ = nullptr;
  detail::RareFields* rare_ = nullptr;
  const detail::PayloadType* type_ = nullptr;
  const void* object_ = nullptr;  // the value: the publisher's, ours or the block's
  union {
    alignas(detail::kInlinePayloadAlignment) std::byte inline_[detail::kInlinePayloadBytes];
    detail::PayloadBlock* block_;
  };
  mutable std::atomic<detail::PayloadCache*> cache_{nullptr};  // unless the block has it
  std::uint16_t hops_ = 0;
  std::uint16_t schema_version_ = 1;
  Priority priority_ = Priority::normal;
  Origin origin_ = Origin::internal;
  Storage storage_ = Storage::none;
  bool borrowed_ = false;  // nothing but cache_ is owned: only on the publisher's stack
};

/// For people: "Event(trivia.started from trivia)"; text from outside is escaped.
[[nodiscard]] std::string to_string(const Event& event);

}  // namespace busway
