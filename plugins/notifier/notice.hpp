// notice.hpp -- what people are told of one event, or of many of one kind.
//
// Model      notice_of() makes the notice of one event. Events of one topic and source about the
//            same subject (a phase, a plugin, a component, an address) are of one kind; what they
//            say may differ. Secrets are masked in the text and in the payload. A payload that is
//            larger than kPayloadBytesMax is not carried along.
// Threads    [any-thread]
// Ownership  Values.
// Errors     from_json() throws what nlohmann-json throws for what to_json() has not written.
// Cost       A copy of the payload.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "shared/rfc3339.hpp"
#include "shared/secrets.hpp"

namespace notifier {

using shared::WallTime;

/// A larger payload is left out of its notice, a longer text is cut.
inline constexpr std::size_t kPayloadBytesMax = 16'384;
inline constexpr std::size_t kTextBytesMax = 1'024;

struct Notice {
  std::string topic{};
  std::string source{};
  std::string subject{};  ///< whom it is about; may be empty
  std::string text{};     ///< of the last event
  std::uint64_t count = 1;
  WallTime first{};
  WallTime last{};
  nlohmann::json payload = nullptr;  ///< of the last event

  /// Those of one kind are told together.
  [[nodiscard]] std::string kind() const;
};

/// An event as far as a notice needs it.
struct Told {
  std::string_view topic;
  std::string_view source;
  const nlohmann::json* payload = nullptr;  ///< null where it is no JSON
  std::size_t payload_bytes = 0;
};

[[nodiscard]] Notice notice_of(const Told& event, WallTime now, const shared::Secrets& secrets);

/// For people: phase.final_failure writer: no such model (12 times within 4s)
[[nodiscard]] std::string line_of(const Notice& notice);

/// For programs, one object: topic, source, subject, text, count, first, last, payload.
[[nodiscard]] nlohmann::json to_json(const Notice& notice);
[[nodiscard]] Notice from_json(const nlohmann::json& saved);

}  // namespace notifier
