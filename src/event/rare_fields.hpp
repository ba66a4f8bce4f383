// event/rare_fields.hpp -- the fields most events do not set, in one counted allocation.
// Layer: event
//
// Model      Immutable once made. The texts stand behind the struct, one after the other.
// Threads    [any-thread]: the count is atomic.
// Ownership  Counted references; make() gives one.
// Errors     None here: the texts were checked by who made them.
// Cost       One allocation for all texts; metadata and extensions are shared.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "busway/event_options.hpp"
#include "busway/json.hpp"
#include "busway/metadata.hpp"

namespace busway::detail {

enum class RareText : unsigned char {
  key,
  user_id,
  session_id,
  instance_id,
  schema,
  entity,
  operation,
  correlation_id,
  traceparent,
};
inline constexpr std::size_t kRareTexts = 9;

/// The names of the fields as in EventOptions, for messages.
inline constexpr std::array<std::string_view, kRareTexts> kRareTextNames{
    "key",    "user_id",   "session_id",     "instance_id", "schema",
    "entity", "operation", "correlation_id", "traceparent"};

/// The values, to be read while making a RareFields.
struct RareValues {
  std::array<std::string_view, kRareTexts> texts{};
  Metadata metadata{};
  std::shared_ptr<const Json> extensions{};

  [[nodiscard]] std::string_view& operator[](RareText text) noexcept {
    return texts[static_cast<std::size_t>(text)];
  }
};

struct RareFields {
  std::atomic<std::uint32_t> references{1};
  std::array<std::uint32_t, kRareTexts> ends{};  // of each text, counted from chars()
  Metadata metadata;
  std::shared_ptr<const Json> extensions;  // null: none

  /// Null when no value is set.
  [[nodiscard]] static RareFields* make(RareValues values);
  /// Checks the texts; throws Error(invalid_option).
  [[nodiscard]] static RareFields* make(const EventOptions& options);
  /// The same values but for the traceparent, which is not empty. of: may be null.
  [[nodiscard]] static RareFields* with_traceparent(const RareFields* of,
                                                    std::string_view traceparent);

  [[nodiscard]] const char* chars() const noexcept {
    return reinterpret_cast<const char*>(this + 1);
  }
  [[nodiscard]] std::string_view text(RareText which) const noexcept {
    const auto i = static_cast<std::size_t>(which);
    const std::uint32_t begin = i == 0 ? 0 : ends[i - 1];
    return {chars() + begin, ends[i] - begin};
  }
};

void destroy_rare(RareFields* rare) noexcept;

inline void acquire(RareFields* rare) noexcept {
  rare->references.fetch_add(1, std::memory_order_relaxed);
}
inline void release(RareFields* rare) noexcept {
  if (rare->references.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy_rare(rare);
}

/// Whether any option needs a RareFields.
[[nodiscard]] inline bool has_rare(const EventOptions& options) noexcept {
  return !(options.key.empty() && options.metadata.empty() && options.user_id.text().empty() &&
           options.session_id.empty() && options.instance_id.empty() && options.schema.empty() &&
           options.entity.empty() && options.operation.empty() && options.correlation_id.empty() &&
           options.traceparent.empty());
}

}  // namespace busway::detail
