#include "plugin/version_range.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/ascii.hpp"
#include "base/escape.hpp"
#include "busway/error.hpp"

namespace busway::plugin_host_detail {
namespace {

constexpr std::size_t kVersionBytesMax = 128;
constexpr std::size_t kTermsMax = 16;
constexpr std::uint64_t kPartMax = 999'999'999;

/// Cuts what stands before the character off the text.
std::string_view cut(std::string_view& text, char at) {
  const std::size_t end = std::min(text.find(at), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return word;
}

std::optional<std::uint64_t> read_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// Words of letters, digits and '-', with dots between.
bool is_words(std::string_view text) {
  if (text.empty() || text.front() == '.' || text.back() == '.' ||
      text.find("..") != std::string_view::npos) {
    return false;
  }
  return std::all_of(text.begin(), text.end(), [](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.';
  });
}

/// Numbers by their value and before words, words by their letters; fewer come before more.
int compare_pre(std::string_view first, std::string_view second) {
  while (!first.empty() && !second.empty()) {
    const std::string_view a = cut(first, '.');
    const std::string_view b = cut(second, '.');
    const auto number_a = read_number(a);
    const auto number_b = read_number(b);
    if (number_a && number_b && *number_a != *number_b) return *number_a < *number_b ? -1 : 1;
    if (number_a.has_value() != number_b.has_value()) return number_a ? -1 : 1;
    if (!number_a && a != b) return a < b ? -1 : 1;
  }
  return static_cast<int>(!first.empty()) - static_cast<int>(!second.empty());
}

[[noreturn]] void refuse(std::string_view term, const std::string& why) {
  throw Error(ErrorCode::invalid_argument, quote(term, 100) + ' ' + why);
}

/// The first version that a range no longer holds which lets parts behind `kept` grow.
Version next_after(const Version& from, std::size_t kept) {
  Version next;
  for (std::size_t i = 0; i <= kept; ++i) next.parts.at(i) = from.parts.at(i);
  ++next.parts.at(kept);
  return next;
}

/// The part that ^ holds: the first that is not 0, or else the last that was written.
std::size_t kept_by_caret(const Version& from) {
  for (std::size_t i = 0; i < from.given; ++i) {
    if (from.parts.at(i) != 0) return i;
  }
  return from.given - 1;
}

}  // namespace

std::optional<Version> read_version(std::string_view text) {
  if (text.size() > kVersionBytesMax) return std::nullopt;
  Version version;
  const std::size_t plus = text.find('+');
  if (plus != std::string_view::npos) {
    if (!is_words(text.substr(plus + 1))) return std::nullopt;
    text = text.substr(0, plus);
  }
  const std::size_t hyphen = text.find('-');
  if (hyphen != std::string_view::npos) {
    version.pre = text.substr(hyphen + 1);
    if (!is_words(version.pre)) return std::nullopt;
    text = text.substr(0, hyphen);
  }
  if (text.empty() || text.back() == '.') return std::nullopt;
  while (!text.empty()) {
    const std::optional<std::uint64_t> part = read_number(cut(text, '.'));
    if (!part || *part > kPartMax || version.given == version.parts.size()) return std::nullopt;
    version.parts.at(version.given++) = static_cast<std::uint32_t>(*part);
  }
  return version;
}

int compare(const Version& first, const Version& second) {
  if (first.parts != second.parts) return first.parts < second.parts ? -1 : 1;
  if (first.pre.empty() != second.pre.empty()) return first.pre.empty() ? 1 : -1;
  return compare_pre(first.pre, second.pre);
}

VersionRange::VersionRange(std::string_view text) : text_(text) {
  std::size_t terms = 0;
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view term = cut(rest, ' ');
    if (term.empty()) continue;
    if (++terms > kTermsMax) refuse(text, "has more than " + std::to_string(kTermsMax) + " terms");
    add(term);
  }
  if (terms == 0) refuse(text, "names no version; write a range such as \">=1.2 <2\", or \"*\"");
}

void VersionRange::add(std::string_view term) {
  if (term == "*") return;
  const std::size_t begin = std::min(term.find_first_not_of("<>=^~!"), term.size());
  const std::string_view sign = term.substr(0, begin);
  const std::optional<Version> bound = read_version(term.substr(begin));
  if (!bound) {
    refuse(term, begin == term.size() ? "has no version behind it; write it without a space, as in "
                                        ">=1.2"
                                      : "is no version; write 1, 1.2 or 1.2.3, maybe with -pre, "
                                        "and before it one of = > >= < <= ^ ~");
  }
  constexpr std::array<std::pair<std::string_view, Is>, 6> kSigns{{{"", Is::equal},
                                                                   {"=", Is::equal},
                                                                   {">", Is::above},
                                                                   {">=", Is::at_least},
                                                                   {"<", Is::below},
                                                                   {"<=", Is::at_most}}};
  for (const auto& [known, is] : kSigns) {
    if (known != sign) continue;
    terms_.push_back({is, *bound});
    return;
  }
  if (sign != "^" && sign != "~") {
    refuse(term, "begins with " + quote(sign) + "; it is one of = > >= < <= ^ ~");
  }
  terms_.push_back({Is::at_least, *bound});
  const std::size_t kept =
      sign == "^" ? kept_by_caret(*bound) : std::min<std::size_t>(bound->given, 2) - 1;
  terms_.push_back({Is::below, next_after(*bound, kept)});
}

bool VersionRange::holds(const Term& term, const Version& version) {
  // What comes before a version on the way to it belongs to it: its interface is the new one.
  if (term.is == Is::below && term.bound.pre.empty()) return version.parts < term.bound.parts;
  const int order = compare(version, term.bound);
  switch (term.is) {
    case Is::equal: return order == 0;
    case Is::above: return order > 0;
    case Is::at_least: return order >= 0;
    case Is::below: return order < 0;
    case Is::at_most: return order <= 0;
  }
  return false;
}

bool VersionRange::met_by(std::string_view version) const {
  if (terms_.empty()) return true;
  const std::optional<Version> read = read_version(version);
  return read && std::all_of(terms_.begin(), terms_.end(),
                             [&](const Term& term) { return holds(term, *read); });
}

}  // namespace busway::plugin_host_detail
