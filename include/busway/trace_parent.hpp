// busway/trace_parent.hpp -- the place of an event in a distributed trace: W3C Trace Context.
// Layer: event
//
// Model      What the header `traceparent` of level 1 says: a trace id of 128 bits, the id of the
//            parent in it, and whether the caller recorded it. parse() reads version 00 exactly and
//            of later versions the part that all share; to_string() always writes version 00 with
//            the flags level 1 knows. Ids are never zero. Event::traceparent() is such a text: what
//            the publisher gave, else the next step of that of the event being handled, else a new
//            trace of a bus with BusOptions::trace. One that is not valid counts as none there;
//            where no other takes its place it is handed on as it came.
// Threads    A value. [any-thread]
// Ownership  None.
// Errors     parse() gives no value for what the standard says to ignore.
// Cost       25 bytes of data; parsing allocates nothing, to_string() one string.
// Example    tests/bus/trace_test.cpp
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace busway {

class TraceParent {
 public:
  /// Whether whoever began the trace, or the caller, may have recorded it.
  enum class Sampled : unsigned char { no, yes };

  /// Reads "00-<32 digits>-<16 digits>-<2 digits>" in lower-case hexadecimal, or a later version
  /// that begins so.
  [[nodiscard]] static std::optional<TraceParent> parse(std::string_view text) noexcept;

  /// The root of a new trace, from random words: two for the trace, one for the parent.
  [[nodiscard]] static TraceParent make(const std::array<std::uint64_t, 3>& random,
                                        Sampled sampled) noexcept;

  /// The next step of the same trace: same trace id and flag, a new parent.
  [[nodiscard]] TraceParent child(std::uint64_t random) const noexcept;

  [[nodiscard]] std::uint64_t trace_high() const noexcept { return trace_high_; }
  [[nodiscard]] std::uint64_t trace_low() const noexcept { return trace_low_; }
  [[nodiscard]] std::uint64_t parent() const noexcept { return parent_; }
  [[nodiscard]] Sampled sampled() const noexcept { return sampled_; }

  friend bool operator==(const TraceParent&, const TraceParent&) noexcept = default;

 private:
  TraceParent(std::uint64_t trace_high, std::uint64_t trace_low, std::uint64_t parent,
              Sampled sampled) noexcept
      : trace_high_(trace_high), trace_low_(trace_low), parent_(parent), sampled_(sampled) {}

  std::uint64_t trace_high_;
  std::uint64_t trace_low_;
  std::uint64_t parent_;
  Sampled sampled_;
};

/// For example "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".
[[nodiscard]] std::string to_string(const TraceParent& parent);

}  // namespace busway
