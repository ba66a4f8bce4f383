#include "match/necessary_strings.hpp"

#include <cstring>

namespace busway::match_detail {
namespace {

constexpr std::size_t kStringBytesMax = 16;

// A part of the string that is necessary too: its mark, if it has one, stays.
std::string_view cut(std::string_view string) noexcept {
  if (string.size() <= kStringBytesMax) return string;
  return string.back() == kTextEnd ? string.substr(string.size() - kStringBytesMax)
                                   : string.substr(0, kStringBytesMax);
}

std::size_t packed_size(const Strings& clause) noexcept {
  std::size_t size = 1;
  for (const std::string& string : clause) size += 1 + cut(string).size();
  return size;
}

bool holds(std::string_view topic, std::string_view string) noexcept {
  if (string.size() > topic.size()) return false;
  if (string.front() == kTextBegin) {
    return std::memcmp(topic.data(), string.data(), string.size()) == 0;
  }
  if (string.back() == kTextEnd) {
    const char* const tail = topic.data() + (topic.size() - string.size());
    return std::memcmp(tail, string.data(), string.size()) == 0;
  }
  return topic.find(string) != std::string_view::npos;
}

}  // namespace

// Clauses with few strings come first: they refuse most, for the least.
NecessaryStrings::NecessaryStrings(const Clauses& clauses) noexcept : packed_{} {
  char* to = packed_.data() + 1;
  for (std::size_t strings = 1; strings <= kLiteralsMax; ++strings) {
    for (const Strings& clause : clauses) {
      if (clause.size() != strings) continue;
      const auto left = static_cast<std::size_t>(packed_.data() + kBytesMax - to);
      if (packed_size(clause) > left) continue;
      *to++ = static_cast<char>(strings);
      for (const std::string& whole : clause) {
        const std::string_view string = cut(whole);
        *to++ = static_cast<char>(string.size());
        to += string.copy(to, string.size());
      }
      ++packed_[0];
    }
  }
}

bool NecessaryStrings::hold_in(std::string_view marked_topic) const noexcept {
  const char* at = packed_.data();
  for (char clauses = *at++; clauses > 0; --clauses) {
    bool met = false;
    for (char strings = *at++; strings > 0; --strings) {
      const auto size = std::size_t{static_cast<unsigned char>(*at++)};
      met = met || holds(marked_topic, {at, size});
      at += size;
    }
    if (!met) return false;
  }
  return true;
}

}  // namespace busway::match_detail
