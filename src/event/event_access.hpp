// event/event_access.hpp -- the bus's door into Event: builds borrowed events field by field.
// Layer: event
//
// Model      A borrowed event stands on the publisher's stack and owns nothing but the cache that
//            handlers may cause; topic, source, rare fields and payload are the publisher's. A copy
//            of it owns. An Event is owning unless begin() or view() made it borrowed, and own()
//            ends that.
// Threads    [not-concurrent]: for events that no other thread sees yet.
// Ownership  What is borrowed must outlive the borrowed event; moving one gives a borrowed one.
// Errors     own() and assign() throw Error(payload_type) when the payload's type cannot be copied.
// Cost       Everything but own() is inline stores; assign() of events without rare fields and with
//            an inline payload is some 30 instructions, no atomic operation, no allocation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include "busway/detail/payload_block.hpp"
#include "busway/detail/text.hpp"
#include "busway/event.hpp"
#include "busway/payload.hpp"
#include "event/rare_fields.hpp"

namespace busway::detail {

/// Releases the reference of a RareFields that a borrowed event refers to.
struct ReleaseRare {
  void operator()(RareFields* rare) const noexcept { release(rare); }
};
using RareHandle = std::unique_ptr<RareFields, ReleaseRare>;

/// Copies 1 to kInlinePayloadBytes bytes without a call; overlapping words cover odd sizes.
inline void copy_small(std::byte* to, const void* from, std::size_t size) noexcept {
  const auto* const source = static_cast<const std::byte*>(from);
  const auto copy_ends = [=]<class Word>(Word word) {
    Word last;
    std::memcpy(&word, source, sizeof word);
    std::memcpy(&last, source + size - sizeof last, sizeof last);
    std::memcpy(to, &word, sizeof word);
    std::memcpy(to + size - sizeof last, &last, sizeof last);
  };
  if (size >= 8) {
    if (size > 16) std::memcpy(to + 8, source + 8, 8);
    copy_ends(std::uint64_t{});
  } else if (size >= 4) {
    copy_ends(std::uint32_t{});
  } else if (size >= 2) {
    copy_ends(std::uint16_t{});
  } else {
    *to = *source;
  }
}

struct EventAccess {
  // -- Building a borrowed event ------------------------------------------------------------------

  /// Makes a fresh Event a borrowed one of this identity, without payload.
  static void begin(Event& event, const EventId& id, std::int64_t time_ns, const TextRep* topic,
                    const TextRep* source) noexcept {
    event.borrowed_ = true;
    set_identity(event, id, time_ns, topic, source);
  }

  static void set_identity(Event& event, const EventId& id, std::int64_t time_ns,
                           const TextRep* topic, const TextRep* source) noexcept {
    event.id_ = id;
    event.time_ns_ = time_ns;
    event.topic_ = topic;
    event.source_ = source;
  }

  /// Makes a fresh Event a borrowed view of another one, which must outlive it.
  static void view(Event& event, const Event& of) noexcept {
    event.borrowed_ = true;
    set_identity(event, of.id_, of.time_ns_, of.topic_, of.source_);
    event.causation_ = of.causation_;
    event.rare_ = of.rare_;
    event.hops_ = of.hops_;
    event.schema_version_ = of.schema_version_;
    event.priority_ = of.priority_;
    event.origin_ = of.origin_;
    if (of.storage_ == Event::Storage::block) {
      borrow_block(event, of.block_);
    } else if (of.type_ != nullptr) {
      borrow(event, of.type_, of.object_);
    }
  }

  /// The payload stays where it is; its type's version becomes the event's.
  static void borrow_typed(Event& event, const PayloadType* type, const void* object) noexcept {
    borrow(event, type, object);
    event.schema_version_ = static_cast<std::uint16_t>(type->version);
  }
  static void borrow(Event& event, const PayloadType* type, const void* object) noexcept {
    event.type_ = type;
    event.object_ = object;
    event.storage_ = Event::Storage::borrowed;
  }
  /// The same for a block whose reference the caller keeps: copies share it.
  static void borrow_block(Event& event, PayloadBlock* block) noexcept {
    event.type_ = block->type;
    event.object_ = block->object;
    event.block_ = block;
    event.storage_ = Event::Storage::block;
  }
  /// The value's bytes, padded to kInlinePayloadBytes, become part of the event. Only for types
  /// that fit.
  static void put_inline(Event& event, const PayloadType* type, const void* padded) noexcept {
    event.type_ = type;
    std::memcpy(event.inline_, padded, kInlinePayloadBytes);
    event.object_ = event.inline_;
    event.storage_ = Event::Storage::inlined;
    event.schema_version_ = static_cast<std::uint16_t>(type->version);
  }
  /// The caller keeps the reference.
  static void borrow_rare(Event& event, RareFields* rare) noexcept { event.rare_ = rare; }

  // -- Single fields ------------------------------------------------------------------------------

  static void set_id(Event& event, const EventId& id) noexcept { event.id_ = id; }
  static void set_time(Event& event, std::int64_t time_ns) noexcept { event.time_ns_ = time_ns; }
  static void set_cause(Event& event, const EventId& causation, std::uint16_t hops) noexcept {
    event.causation_ = causation;
    event.hops_ = hops;
  }
  static void set_priority(Event& event, Priority priority) noexcept { event.priority_ = priority; }
  static void set_origin(Event& event, Origin origin) noexcept { event.origin_ = origin; }
  static void set_schema_version(Event& event, std::uint16_t version) noexcept {
    event.schema_version_ = version;
  }
  /// Of an owning event; takes over one reference each and gives up the old one.
  static void adopt_source(Event& event, const TextRep* source) noexcept {
    release(std::exchange(event.source_, source));
  }
  static void adopt_rare(Event& event, RareFields* rare) noexcept {
    if (RareFields* const old = std::exchange(event.rare_, rare)) release(old);
  }

  // -- Reading ------------------------------------------------------------------------------------

  [[nodiscard]] static std::int64_t time_ns(const Event& event) noexcept { return event.time_ns_; }
  [[nodiscard]] static const TextRep* topic(const Event& event) noexcept { return event.topic_; }
  [[nodiscard]] static const TextRep* source(const Event& event) noexcept { return event.source_; }
  [[nodiscard]] static RareFields* rare(const Event& event) noexcept { return event.rare_; }
  /// Whether it has one, valid or not.
  [[nodiscard]] static bool has_traceparent(const Event& event) noexcept {
    if (event.rare_ == nullptr) [[likely]]
      return false;
    return !event.rare_->text(RareText::traceparent).empty();
  }
  [[nodiscard]] static const PayloadType* type(const Event& event) noexcept { return event.type_; }
  [[nodiscard]] static const void* object(const Event& event) noexcept { return event.object_; }
  [[nodiscard]] static bool is_borrowed(const Event& event) noexcept { return event.borrowed_; }
  /// The payload's block, or null when the payload is inline, borrowed or absent.
  [[nodiscard]] static PayloadBlock* block(const Event& event) noexcept {
    return event.storage_ == Event::Storage::block ? event.block_ : nullptr;
  }
  /// Whether owning this event's payload takes neither an allocation nor a count.
  [[nodiscard]] static bool is_payload_inline(const Event& event) noexcept {
    return event.storage_ == Event::Storage::none || event.storage_ == Event::Storage::inlined ||
           (event.storage_ == Event::Storage::borrowed && event.type_->fits_inline());
  }
  /// An owning handle of the payload: shares the block, or copies the value into a new one.
  [[nodiscard]] static Payload payload(const Event& event);

  // -- Owning -------------------------------------------------------------------------------------

  /// Makes a borrowed event own all it refers to, in place; later copies then share. Throws with
  /// the event unchanged.
  static void own(Event& event);

  /// slot = from, quick for events that hold nothing counted: what a history ring does.
  static void assign(Event& slot, const Event& from) {
    if (!is_plain(slot) || slot.borrowed_ || !is_plain(from) || &slot == &from) {
      slot = from;
      return;
    }
    slot.id_ = from.id_;
    slot.causation_ = from.causation_;
    slot.time_ns_ = from.time_ns_;
    slot.topic_ = from.topic_;
    slot.source_ = from.source_;
    slot.hops_ = from.hops_;
    slot.schema_version_ = from.schema_version_;
    slot.priority_ = from.priority_;
    slot.origin_ = from.origin_;
    copy_inline_payload(slot, from);
  }

  /// Writes a new event over a plain one, in place: a text that is not counted as its topic, no
  /// source, and the value of a type that fits inside, as kInlinePayloadBytes bytes.
  static void write_plain(Event& slot, const EventId& id, std::int64_t time_ns,
                          const TextRep* topic, const PayloadType& type,
                          const void* padded) noexcept {
    write_common(slot, id, time_ns, topic);
    slot.type_ = &type;
    slot.object_ = slot.inline_;
    std::memcpy(slot.inline_, padded, kInlinePayloadBytes);
    write_tail(slot, static_cast<std::uint16_t>(type.version), Event::Storage::inlined);
  }
  /// The same without a payload.
  static void write_plain(Event& slot, const EventId& id, std::int64_t time_ns,
                          const TextRep* topic) noexcept {
    write_common(slot, id, time_ns, topic);
    slot.type_ = nullptr;
    slot.object_ = nullptr;
    write_tail(slot, 1, Event::Storage::none);
  }

  /// Whether JSON or the like was made from this event's payload and is kept with it.
  [[nodiscard]] static bool has_cache(const Event& event) noexcept {
    return event.cache_.load(std::memory_order_relaxed) != nullptr;
  }

  /// slot = from, for a fresh slot. A plain event with its payload inside is copied as bytes; the
  /// copy then counts as borrowing, since there is nothing to release.
  static void put_copy(Event& slot, const Event& from) {
    if ((from.storage_ != Event::Storage::inlined && from.storage_ != Event::Storage::none) ||
        !is_plain(from)) {
      slot = from;
      return;
    }
    std::memcpy(static_cast<void*>(&slot), static_cast<const void*>(&from), sizeof(Event));
    if (from.storage_ == Event::Storage::inlined) slot.object_ = slot.inline_;
    slot.borrowed_ = true;
  }

  /// Holds nothing counted, neither now nor, when borrowed, as a copy.
  [[nodiscard]] static bool is_plain(const Event& event) noexcept {
    return event.rare_ == nullptr && event.cache_.load(std::memory_order_relaxed) == nullptr &&
           is_payload_inline(event) && !is_counted(event.topic_) && !is_counted(event.source_);
  }

 private:
  friend class busway::Event;

  static void write_common(Event& slot, const EventId& id, std::int64_t time_ns,
                           const TextRep* topic) noexcept {
    slot.id_ = id;
    slot.causation_ = {};
    slot.time_ns_ = time_ns;
    slot.topic_ = topic;
    slot.source_ = nullptr;
    slot.rare_ = nullptr;
  }
  static void write_tail(Event& slot, std::uint16_t version, Event::Storage storage) noexcept {
    slot.hops_ = 0;
    slot.schema_version_ = version;
    slot.priority_ = Priority::normal;
    slot.origin_ = Origin::internal;
    slot.storage_ = storage;
    slot.borrowed_ = false;
  }

  static void copy_inline_payload(Event& to, const Event& from) noexcept {
    to.type_ = from.type_;
    if (from.storage_ == Event::Storage::none) {
      to.object_ = nullptr;
      to.storage_ = Event::Storage::none;
      return;
    }
    copy_small(to.inline_, from.object_, from.type_->size);
    to.object_ = to.inline_;
    to.storage_ = Event::Storage::inlined;
  }
};

}  // namespace busway::detail
