// field_type.hpp -- what a text that a pattern has found becomes in an event.
//
// Model      text         as it is
//            integer      a whole number of 64 bits
//            number       any decimal number
//            boolean      true, yes, on, 1 and false, no, off, 0, in any case
//            syslog_time  "Dec 10 06:55:46", of the year that makes it the latest not after now
//            rfc3339_time with its offset
//            epoch_time   seconds since 1970, maybe with a fraction
//            Times become RFC 3339 text in UTC, so that those who listen need one form alone.
// Threads    [any-thread]
// Errors     convert() gives nothing for a text that is not of the type.
// Cost       One value.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "shared/rfc3339.hpp"

namespace tail {

enum class FieldType : unsigned char {
  text,
  integer,
  number,
  boolean,
  syslog_time,
  rfc3339_time,
  epoch_time
};

/// What a time without an offset is of.
enum class Zone : unsigned char { local, utc };

[[nodiscard]] std::optional<FieldType> parse_field_type(std::string_view word) noexcept;

[[nodiscard]] std::optional<nlohmann::json> convert(std::string_view text, FieldType type,
                                                    Zone zone, shared::WallTime now);

}  // namespace tail
