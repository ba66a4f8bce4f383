#include "busway/trace_parent.hpp"

namespace busway {
namespace {

constexpr std::size_t kTextSize = 55;
constexpr std::uint64_t kSampledFlag = 1;

/// The value of a run of lower-case hexadecimal digits; the standard allows no other case.
std::optional<std::uint64_t> read_hex(std::string_view digits) noexcept {
  std::uint64_t value = 0;
  for (const char c : digits) {
    unsigned digit = 0;
    if (c >= '0' && c <= '9') {
      digit = static_cast<unsigned>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<unsigned>(c - 'a') + 10;
    } else {
      return std::nullopt;
    }
    value = value << 4U | digit;
  }
  return value;
}

void append_hex(std::string& text, std::uint64_t value) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (unsigned shift = 64; shift > 0;) {
    shift -= 4;
    text += kDigits[value >> shift & 0xFU];
  }
}

/// Zero is no id. One of 2^64 random words needs this.
std::uint64_t not_zero(std::uint64_t random) noexcept { return random != 0 ? random : 1; }

}  // namespace

std::optional<TraceParent> TraceParent::parse(std::string_view text) noexcept {
  if (text.size() < kTextSize) return std::nullopt;
  if (text[2] != '-' || text[35] != '-' || text[52] != '-') return std::nullopt;
  const auto version = read_hex(text.substr(0, 2));
  const auto trace_high = read_hex(text.substr(3, 16));
  const auto trace_low = read_hex(text.substr(19, 16));
  const auto parent = read_hex(text.substr(36, 16));
  const auto flags = read_hex(text.substr(53, 2));
  if (!version || !trace_high || !trace_low || !parent || !flags) return std::nullopt;
  if (*version == 0xFF) return std::nullopt;
  // Later versions may say more, behind a dash.
  if (text.size() > kTextSize && (*version == 0 || text[kTextSize] != '-')) return std::nullopt;
  if ((*trace_high | *trace_low) == 0 || *parent == 0) return std::nullopt;
  // The other flags have no meaning in level 1, which says to send them on as zero.
  const bool is_sampled = (*flags & kSampledFlag) != 0;
  return TraceParent(*trace_high, *trace_low, *parent, is_sampled ? Sampled::yes : Sampled::no);
}

TraceParent TraceParent::make(const std::array<std::uint64_t, 3>& random,
                              Sampled sampled) noexcept {
  const std::uint64_t low = random[0] != 0 ? random[1] : not_zero(random[1]);
  return {random[0], low, not_zero(random[2]), sampled};
}

TraceParent TraceParent::child(std::uint64_t random) const noexcept {
  return {trace_high_, trace_low_, not_zero(random), sampled_};
}

std::string to_string(const TraceParent& parent) {
  std::string text;
  text.reserve(kTextSize);
  text += "00-";
  append_hex(text, parent.trace_high());
  append_hex(text, parent.trace_low());
  text += '-';
  append_hex(text, parent.parent());
  text += parent.sampled() == TraceParent::Sampled::yes ? "-01" : "-00";
  return text;
}

}  // namespace busway
