// busway/detail/payload_block.hpp -- the shared storage behind a payload, and what was made of it.
// Layer: event
//
// Model      PayloadType describes one C++ type as data: name, version, size, alignment and
//            functions. A PayloadBlock holds one value of such a type with a count. A PayloadCache
//            holds the JSON, the text and the decoded objects that were made from a payload, each
//            once, whichever thread asks first.
// Threads    [any-thread]: counts are atomic, the cache locks.
// Ownership  Counted references.
// Errors     What a conversion throws.
// Cost       One allocation a block; none for a cache nobody asks for.
// Example    tests/event/payload_test.cpp
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "busway/json.hpp"

namespace busway::detail {

struct PayloadBlock;
struct PayloadCache;

/// Values up to this size and alignment that are trivially copyable live inside the Event.
inline constexpr std::size_t kInlinePayloadBytes = 24;
inline constexpr std::size_t kInlinePayloadAlignment = 8;

/// What busway knows of a payload's type. Two are the same type when name, version, size and
/// alignment are: across shared libraries the address differs.
struct PayloadType {
  std::string_view name;
  std::uint32_t version = 1;
  std::uint32_t size = 0;
  std::uint32_t alignment = 1;
  bool trivially_copyable = false;
  /// A new block with a copy of the value, one reference; null for a type that cannot be copied.
  PayloadBlock* (*share)(const void* value) = nullptr;
  /// JSON of the value; null for a type that never leaves the process.
  void (*to_json)(const void* value, Json& out) = nullptr;
  /// A new block with a value read from JSON (already of this version); null as above.
  PayloadBlock* (*from_json)(const Json& json) = nullptr;

  [[nodiscard]] constexpr bool fits_inline() const noexcept {
    return trivially_copyable && size <= kInlinePayloadBytes &&
           alignment <= kInlinePayloadAlignment;
  }
};

/// A value that fits inline on its way into an event, padded.
struct SmallPayload {
  alignas(kInlinePayloadAlignment) std::byte bytes[kInlinePayloadBytes];
};

[[nodiscard]] inline bool same_type(const PayloadType& a, const PayloadType& b) noexcept {
  return &a == &b || (a.version == b.version && a.size == b.size && a.alignment == b.alignment &&
                      a.name == b.name);
}

/// The types of payloads that are JSON, JSON that nobody has parsed yet, or bytes; their objects
/// are a Json and, of both others, a BytesValue.
extern const PayloadType kJsonType;
extern const PayloadType kJsonTextType;
extern const PayloadType kBytesType;

struct PayloadBlock {
  std::atomic<std::uint32_t> references{1};
  void (*destroy)(PayloadBlock*) noexcept = nullptr;
  const void* object = nullptr;
  const PayloadType* type = nullptr;
  std::atomic<PayloadCache*> cache{nullptr};
};

void destroy_block(PayloadBlock* block) noexcept;
void acquire_cache(PayloadCache* cache) noexcept;
void release_cache(PayloadCache* cache) noexcept;

inline void acquire(PayloadBlock* block) noexcept {
  block->references.fetch_add(1, std::memory_order_relaxed);
}
inline void release(PayloadBlock* block) noexcept {
  if (block->references.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy_block(block);
}

}  // namespace busway::detail
