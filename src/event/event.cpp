#include "busway/event.hpp"

#include <nlohmann/json.hpp>
#include <utility>

#include "base/escape.hpp"
#include "busway/error.hpp"
#include "busway/topic_name.hpp"
#include "event/bytes_value.hpp"
#include "event/event_access.hpp"
#include "event/payload_cache.hpp"
#include "event/rare_fields.hpp"
#include "event/text_field.hpp"

namespace busway {
namespace detail {
namespace {

// Never destroyed: an Event with static storage may be read while the process ends.
const Json& null_json() {
  static const Json& value = *new Json(nullptr);
  return value;
}

const Json& empty_object() {
  static const Json& value = *new Json(Json::object());
  return value;
}

const Metadata& empty_metadata() {
  static const Metadata& value = *new Metadata;
  return value;
}

// A payload that owns itself, made from one that is the publisher's.
PayloadBlock* share_value(const PayloadType& type, const void* object) {
  if (type.share == nullptr) {
    throw Error(ErrorCode::payload_type,
                "a payload of type " + quote(type.name) +
                    " cannot be copied, so its event cannot outlive the handler; give the type a "
                    "copy constructor or publish it by moving");
  }
  return type.share(object);
}

std::uint16_t version_of(const PayloadType* type, std::uint16_t wanted) {
  const bool is_typed =
      type != nullptr && type != &kJsonType && type != &kJsonTextType && type != &kBytesType;
  if (!is_typed) return wanted == 0 ? std::uint16_t{1} : wanted;
  if (wanted != 0 && wanted != type->version) {
    throw Error(ErrorCode::invalid_option, "schema_version " + std::to_string(wanted) +
                                               " contradicts the payload: type " +
                                               quote(type->name) + " has version " +
                                               std::to_string(type->version) + "; leave it 0");
  }
  return static_cast<std::uint16_t>(type->version);
}

}  // namespace

Payload EventAccess::payload(const Event& event) {
  if (event.type_ == nullptr) return {};
  if (event.storage_ != Event::Storage::block) {
    return Payload::adopt(share_value(*event.type_, event.object_));
  }
  acquire(event.block_);
  return Payload::adopt(event.block_);
}

void EventAccess::own(Event& event) {
  if (event.borrowed_) event = Event(std::as_const(event));
}

}  // namespace detail

Event::Event(std::string_view topic, Payload payload, const EventOptions& options) {
  require_topic(topic);
  detail::require_text_field("source", options.source);
  detail::Text topic_text(topic);
  detail::Text source_text(options.source);
  detail::RareHandle rare(detail::RareFields::make(options));

  detail::PayloadBlock* const block = payload.take();
  if (block != nullptr) detail::EventAccess::borrow_block(*this, block);  // owned from here
  try {
    schema_version_ = detail::version_of(type_, options.schema_version);
  } catch (...) {
    detail::release(block);
    throw;
  }
  if (options.id) id_ = *options.id;
  if (options.time) time_ns_ = options.time->time_since_epoch().count();
  priority_ = options.priority;
  origin_ = options.origin;
  topic_ = topic_text.take();
  source_ = source_text.take();
  rare_ = rare.release();
}

Event::Event(const Event& other) { share_from(other); }

Event::Event(Event&& other) noexcept { steal_from(other); }

Event& Event::operator=(const Event& other) {
  if (this != &other) *this = Event(other);
  return *this;
}

Event& Event::operator=(Event&& other) noexcept {
  if (this != &other) {
    release_all();
    steal_from(other);
  }
  return *this;
}

// For a fresh event. The payload comes first: it may throw, and until then nothing is owned.
void Event::share_from(const Event& other) {
  if (detail::EventAccess::is_payload_inline(other)) {
    detail::EventAccess::copy_inline_payload(*this, other);
  } else if (other.storage_ == Storage::block) {
    detail::EventAccess::borrow_block(*this, other.block_);
    detail::acquire(block_);
  } else {
    detail::EventAccess::borrow_block(*this, detail::share_value(*other.type_, other.object_));
  }

  if (detail::PayloadCache* const made = other.cache_.load(std::memory_order_acquire)) {
    detail::acquire_cache(made);
    (storage_ == Storage::block ? block_->cache : cache_).store(made, std::memory_order_release);
  }
  detail::EventAccess::set_identity(*this, other.id_, other.time_ns_, other.topic_, other.source_);
  detail::acquire(topic_);
  detail::acquire(source_);
  rare_ = other.rare_;
  if (rare_ != nullptr) detail::acquire(rare_);
  causation_ = other.causation_;
  hops_ = other.hops_;
  schema_version_ = other.schema_version_;
  priority_ = other.priority_;
  origin_ = other.origin_;
}

// Leaves the other one empty. What is borrowed stays borrowed.
void Event::steal_from(Event& other) noexcept {
  id_ = std::exchange(other.id_, EventId{});
  causation_ = std::exchange(other.causation_, EventId{});
  time_ns_ = std::exchange(other.time_ns_, 0);
  topic_ = std::exchange(other.topic_, nullptr);
  source_ = std::exchange(other.source_, nullptr);
  rare_ = std::exchange(other.rare_, nullptr);
  type_ = std::exchange(other.type_, nullptr);
  object_ = std::exchange(other.object_, nullptr);
  storage_ = std::exchange(other.storage_, Storage::none);
  if (storage_ == Storage::block) {
    block_ = other.block_;
  } else if (storage_ == Storage::inlined) {
    detail::copy_small(inline_, other.inline_, type_->size);
    object_ = inline_;
  }
  cache_.store(other.cache_.load(std::memory_order_acquire), std::memory_order_relaxed);
  other.cache_.store(nullptr, std::memory_order_relaxed);
  hops_ = std::exchange(other.hops_, std::uint16_t{0});
  schema_version_ = std::exchange(other.schema_version_, std::uint16_t{1});
  priority_ = std::exchange(other.priority_, Priority::normal);
  origin_ = std::exchange(other.origin_, Origin::internal);
  borrowed_ = std::exchange(other.borrowed_, false);
}

void Event::release_all() noexcept {
  if (detail::PayloadCache* const made = cache_.load(std::memory_order_acquire)) {
    detail::release_cache(made);
  }
  if (borrowed_) return;
  detail::release(topic_);
  detail::release(source_);
  if (rare_ != nullptr) detail::release(rare_);
  if (storage_ == Storage::block) detail::release(block_);
}

detail::PayloadCache& Event::cache() const {
  std::atomic<detail::PayloadCache*>& slot = storage_ == Storage::block ? block_->cache : cache_;
  detail::PayloadCache* made = slot.load(std::memory_order_acquire);
  if (made != nullptr) return *made;
  auto* const fresh = new detail::PayloadCache;
  if (slot.compare_exchange_strong(made, fresh, std::memory_order_acq_rel)) return *fresh;
  detail::release_cache(fresh);  // another thread was quicker
  return *made;
}

const Metadata& Event::metadata() const noexcept {
  return rare_ == nullptr ? detail::empty_metadata() : rare_->metadata;
}

const Json& Event::extensions() const noexcept {
  return rare_ == nullptr || rare_->extensions == nullptr ? detail::empty_object()
                                                          : *rare_->extensions;
}

namespace {

std::string_view rare_text(const detail::RareFields* rare, detail::RareText which) noexcept {
  return rare == nullptr ? std::string_view{} : rare->text(which);
}

}  // namespace

using detail::RareText;

std::string_view Event::key() const noexcept { return rare_text(rare_, RareText::key); }
std::string_view Event::user_id() const noexcept { return rare_text(rare_, RareText::user_id); }
std::string_view Event::session_id() const noexcept {
  return rare_text(rare_, RareText::session_id);
}
std::string_view Event::instance_id() const noexcept {
  return rare_text(rare_, RareText::instance_id);
}
std::string_view Event::schema() const noexcept { return rare_text(rare_, RareText::schema); }
std::string_view Event::entity() const noexcept { return rare_text(rare_, RareText::entity); }
std::string_view Event::operation() const noexcept { return rare_text(rare_, RareText::operation); }
std::string_view Event::correlation_id() const noexcept {
  return rare_text(rare_, RareText::correlation_id);
}
std::string_view Event::traceparent() const noexcept {
  return rare_text(rare_, RareText::traceparent);
}

std::string_view Event::payload_name() const noexcept {
  return type_ == nullptr ? std::string_view{} : type_->name;
}

std::string_view Event::content_type() const noexcept {
  if (type_ == nullptr) return {};
  if (is_bytes()) return static_cast<const detail::BytesValue*>(object_)->content_type;
  return "application/json";
}

const Json& Event::json() const {
  if (type_ == nullptr) return detail::null_json();
  if (type_ == &detail::kJsonType) return *static_cast<const Json*>(object_);
  return detail::cached_json(cache(), *type_, object_);
}

std::span<const std::byte> Event::bytes() const {
  if (type_ == nullptr) return {};
  if (type_ == &detail::kBytesType || type_ == &detail::kJsonTextType) {
    return static_cast<const detail::BytesValue*>(object_)->data;
  }
  return std::as_bytes(std::span(detail::cached_text(cache(), json())));
}

Event Event::with_topic(std::string_view topic) const {
  require_topic(topic);
  detail::Text text(topic);
  Event changed(*this);
  detail::release(std::exchange(changed.topic_, text.take()));
  return changed;
}

Event Event::with_payload(Payload payload) const {
  Event view;
  detail::EventAccess::view(view, *this);
  view.type_ = nullptr;
  view.object_ = nullptr;
  view.storage_ = Storage::none;
  Event changed(std::as_const(view));
  if (detail::PayloadBlock* const block = payload.take()) {
    detail::EventAccess::borrow_block(changed, block);
    if (changed.is_typed()) {
      changed.schema_version_ = static_cast<std::uint16_t>(block->type->version);
    }
  }
  return changed;
}

std::string to_string(const Event& event) {
  std::string text = "Event(" + escape(event.topic());
  if (!event.source().empty()) text += " from " + escape(event.source());
  return text + ")";
}

}  // namespace busway
