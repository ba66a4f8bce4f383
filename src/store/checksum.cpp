// Checksums are XXH64 over a fixed layout of the fields, little-endian, each text with its length.
#include <array>
#include <bit>
#include <concepts>
#include <cstring>

#include "busway/event_record.hpp"

#define XXH_INLINE_ALL  // NOLINT(readability-identifier-naming)
#include <xxhash.h>

namespace busway {
namespace {

/// The fixed part, and the lengths of the texts that follow it; then what is short, so that most
/// events are summed in one call.
class Layout {
 public:
  template <std::unsigned_integral Value>
  void put(Value value) noexcept {
    if constexpr (std::endian::native == std::endian::little) {
      std::memcpy(bytes_.data() + size_, &value, sizeof(Value));
      size_ += sizeof(Value);
    } else {
      for (std::size_t i = 0; i < sizeof(Value); ++i) {
        bytes_[size_++] = static_cast<unsigned char>(value >> (8 * i));
      }
    }
  }
  [[nodiscard]] bool has_room_for(std::size_t bytes) const noexcept {
    return bytes <= bytes_.size() - size_;
  }
  void put(std::string_view text) noexcept {
    std::memcpy(bytes_.data() + size_, text.data(), text.size());
    size_ += text.size();
  }
  [[nodiscard]] const unsigned char* data() const noexcept { return bytes_.data(); }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  std::array<unsigned char, 1'024> bytes_;
  std::size_t size_ = 0;
};

}  // namespace

std::uint64_t checksum(const EventRecord& record, std::uint64_t sequence) {
  const std::array<std::string_view, 15> texts{
      record.topic,
      record.source,
      record.key,
      record.user_id,
      record.session_id,
      record.instance_id,
      record.schema,
      record.entity,
      record.operation,
      record.correlation_id,
      record.traceparent,
      record.metadata,
      record.extensions,
      record.content_type,
      {reinterpret_cast<const char*>(record.payload.data()), record.payload.size()}};
  Layout layout;
  layout.put(sequence);
  layout.put(record.id.high);
  layout.put(record.id.low);
  layout.put(record.causation_id.high);
  layout.put(record.causation_id.low);
  layout.put(static_cast<std::uint64_t>(record.time_ns));
  layout.put(record.schema_version);
  layout.put(record.hops);
  layout.put(static_cast<std::uint8_t>(record.priority));
  layout.put(static_cast<std::uint8_t>(record.origin));
  layout.put(static_cast<std::uint8_t>(record.has_payload ? 1 : 0));
  std::size_t bytes = 0;
  for (const std::string_view text : texts) {
    layout.put(static_cast<std::uint32_t>(text.size()));
    bytes += text.size();
  }
  if (layout.has_room_for(bytes)) {
    for (const std::string_view text : texts) {
      if (!text.empty()) layout.put(text);
    }
    return XXH64(layout.data(), layout.size(), 0);
  }

  XXH64_state_t state;
  XXH64_reset(&state, 0);
  XXH64_update(&state, layout.data(), layout.size());
  for (const std::string_view text : texts) {
    if (!text.empty()) XXH64_update(&state, text.data(), text.size());
  }
  return XXH64_digest(&state);
}

std::uint64_t checksum(std::span<const std::byte> bytes, std::uint64_t seed) {
  return XXH64(bytes.data(), bytes.size(), seed);
}

}  // namespace busway
