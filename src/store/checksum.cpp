// Checksums are XXH64 over a fixed layout of the fields, little-endian, each text with its length.
#include <array>
#include <cstring>

#include "busway/event_record.hpp"

#define XXH_INLINE_ALL  // NOLINT(readability-identifier-naming)
#include <xxhash.h>

namespace busway {
namespace {

/// The fixed part, and the lengths of the texts that follow it.
class Layout {
 public:
  void put(std::uint64_t value, std::size_t bytes = 8) noexcept {
    for (std::size_t i = 0; i < bytes; ++i) {
      bytes_[size_++] = static_cast<unsigned char>(value >> (8 * i));
    }
  }
  [[nodiscard]] const unsigned char* data() const noexcept { return bytes_.data(); }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  std::array<unsigned char, 192> bytes_{};
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
  Layout fixed;
  fixed.put(sequence);
  fixed.put(record.id.high);
  fixed.put(record.id.low);
  fixed.put(record.causation_id.high);
  fixed.put(record.causation_id.low);
  fixed.put(static_cast<std::uint64_t>(record.time_ns));
  fixed.put(record.schema_version, 2);
  fixed.put(record.hops, 2);
  fixed.put(static_cast<std::uint64_t>(record.priority), 1);
  fixed.put(static_cast<std::uint64_t>(record.origin), 1);
  fixed.put(record.has_payload ? 1 : 0, 1);
  for (const std::string_view text : texts) fixed.put(text.size(), 4);

  XXH64_state_t state;
  XXH64_reset(&state, 0);
  XXH64_update(&state, fixed.data(), fixed.size());
  for (const std::string_view text : texts) {
    if (!text.empty()) XXH64_update(&state, text.data(), text.size());
  }
  return XXH64_digest(&state);
}

std::uint64_t checksum(std::span<const std::byte> bytes, std::uint64_t seed) {
  return XXH64(bytes.data(), bytes.size(), seed);
}

}  // namespace busway
