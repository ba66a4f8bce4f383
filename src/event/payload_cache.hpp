// event/payload_cache.hpp -- what was made of a payload: its JSON, its text, its decoded objects.
// Layer: event
//
// Model      Each is made once, by whoever asks first, and stays until the payload goes.
// Threads    [any-thread]: what exists is read without a lock; making takes the cache's lock, so
//            that two threads never convert the same thing. A conversion must therefore not ask
//            the very event it converts.
// Ownership  Counted; owns what it keeps.
// Errors     What a conversion throws; then nothing is kept and the next who asks tries again.
// Cost       One acquire load for what exists.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>

#include "busway/detail/payload_block.hpp"
#include "busway/json.hpp"

namespace busway::detail {

struct PayloadCache {
  struct Decoded {
    PayloadBlock* block;
    std::uint32_t from_version;
    Decoded* next;
  };

  PayloadCache() = default;
  PayloadCache(const PayloadCache&) = delete;
  PayloadCache& operator=(const PayloadCache&) = delete;
  ~PayloadCache();

  std::atomic<std::uint32_t> references{1};
  std::atomic<const Json*> json{nullptr};
  std::atomic<const std::string*> text{nullptr};
  std::atomic<Decoded*> decoded{nullptr};
  std::mutex making;
};

/// JSON of a bytes or typed payload. Throws Error(payload_type, invalid_json, too_deep).
[[nodiscard]] const Json& cached_json(PayloadCache& cache, const PayloadType& type,
                                      const void* object);

/// The text of that JSON, or of a JSON payload.
[[nodiscard]] const std::string& cached_text(PayloadCache& cache, const Json& json);

/// The object of the wanted type made from JSON of from_version, through the upcasters.
[[nodiscard]] const void* cached_object(PayloadCache& cache, const PayloadType& wanted,
                                        const Json& json, std::uint32_t from_version);

/// What cached_object() made before, or null.
[[nodiscard]] const void* find_object(const PayloadCache& cache, const PayloadType& wanted,
                                      std::uint32_t from_version) noexcept;

}  // namespace busway::detail
