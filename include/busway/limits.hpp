// busway/limits.hpp -- every bound of busway that is not an option, and the range of those that
// are.
// Layer: base
//
// Model      Constants. Each queue, cache, retry and payload has its bound here.
// Threads    None.
// Ownership  None.
// Errors     None.
// Cost       None.
// Example    docs/guarantees.md
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace busway::limits {

/// The longest topic, in bytes of UTF-8.
inline constexpr std::size_t kTopicBytesMax = 255;
/// The longest pattern, in bytes, without its prefix.
inline constexpr std::size_t kPatternBytesMax = 1024;
inline constexpr std::size_t kPatternsPerSubscriptionMax = 1024;
inline constexpr std::size_t kTextBytesMax = 4096;  // source, key, user_id and the like
inline constexpr std::size_t kMetadataEntriesMax = 128;
inline constexpr std::size_t kPayloadBytesDefault = std::size_t{1} << 20U;
inline constexpr std::size_t kPayloadBytesMax = std::size_t{1} << 30U;
inline constexpr std::size_t kJsonDepthMax = 64;
inline constexpr std::size_t kInternedTexts = 65'536;

inline constexpr std::uint16_t kHopsDefault = 32;
inline constexpr std::uint16_t kHopsMax = 255;
inline constexpr std::size_t kQueueDefault = 1024;
inline constexpr std::size_t kQueueMax = 16'777'216;
inline constexpr std::size_t kConcurrencyMax = 1024;
inline constexpr std::size_t kWorkersMax = 1024;
inline constexpr std::size_t kHistoryDefault = 100;
inline constexpr std::size_t kHistoryMax = 1'048'576;
inline constexpr std::size_t kFiltersMax = 64;

inline constexpr unsigned kRetriesMax = 100'000;
inline constexpr double kBackoffFactorMax = 100.0;
/// Also of what a handler may ask for with Outcome::retry(): a longer wait is cut to this.
inline constexpr std::chrono::nanoseconds kRetryDelayMax = std::chrono::hours(7 * 24);
inline constexpr std::chrono::nanoseconds kRetryTotalMax = std::chrono::hours(30 * 24);
inline constexpr unsigned kBreakerFailuresMax = 1'000'000;
inline constexpr std::chrono::nanoseconds kBreakerOpenMax = std::chrono::hours(7 * 24);

inline constexpr std::chrono::nanoseconds kAsyncTimeoutDefault = std::chrono::seconds(30);
inline constexpr std::size_t kAbandonedDefault = 16;
inline constexpr std::size_t kAbandonedMax = 4'096;
/// Coroutines of one subscription that were given up and have not ended; beyond it none is begun,
/// and its deliveries are dead letters with breaker_open.
inline constexpr std::size_t kCoroutinesGivenUpMax = 1'024;

/// What a plugin may hand to its successor, where its rules do not say less.
inline constexpr std::size_t kPluginStateBytesMax = std::size_t{64} << 20U;

/// Topics without a subscription of their own or a handle whose route is remembered.
inline constexpr std::size_t kCachedRoutesMax = 65'536;
/// Topics counted one by one in stats(); the rest goes to "other".
inline constexpr std::size_t kCountedTopicsMax = 1'024;
/// Letters kept in memory by default, and at most.
inline constexpr std::size_t kDeadLettersDefault = 1'000;
inline constexpr std::size_t kDeadLettersMax = 1'048'576;
/// Events whose status is kept in memory, at most.
inline constexpr std::size_t kStatusEventsMax = 1'048'576;
/// Retries of one subscription that wait at the same time; beyond it a failure is a dead letter.
inline constexpr std::size_t kRetriesWaitingMax = 1'048'576;
/// Ids remembered for `dedupe`, a subscription; also by a Dedupe.
inline constexpr std::size_t kDedupeIdsMax = 65'536;
/// What a Throttle may allow in its span, and events that may wait for their turn.
inline constexpr std::size_t kThrottleCallsMax = 65'536;
inline constexpr std::size_t kThrottleWaitingMax = 65'536;

/// The name of a durable subscription, and what may be kept beside its cursor, in bytes.
inline constexpr std::size_t kDurableNameBytesMax = 200;
inline constexpr std::size_t kDurableNoteBytesMax = 4'096;
/// Events that one fetch() gives out, at most.
inline constexpr std::size_t kFetchMax = 4'096;
/// How long what a durable subscription has fetched is its own, unless it says that it is still at
/// work; and the range of that.
inline constexpr std::chrono::nanoseconds kLeaseDefault = std::chrono::seconds(60);
inline constexpr std::chrono::nanoseconds kLeaseMin = std::chrono::milliseconds(100);
inline constexpr std::chrono::nanoseconds kLeaseMax = std::chrono::hours(24);
/// Payloads longer than this are compressed by stores that can.
inline constexpr std::size_t kCompressAboveDefault = 4'096;
/// Events of one answer of a store where the question names no limit.
inline constexpr std::size_t kStorePage = 1'000;
/// Bytes of payloads that a store reads, gives out or writes in one go, where it is more than one
/// event.
inline constexpr std::size_t kStoreBytesAtOnce = std::size_t{16} << 20U;
/// How long a replay waits for room in the queue of a subscription before it publishes into the
/// full one.
inline constexpr std::chrono::nanoseconds kReplayWaitsForRoom = std::chrono::seconds(1);
/// Deaths that a dead letter remembers.
inline constexpr std::size_t kDeathsMax = 16;

}  // namespace busway::limits
