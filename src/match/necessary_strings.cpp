#include "match/necessary_strings.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

namespace busway::match_detail {
namespace {

constexpr std::size_t kStringBytesMax = 63;

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
  if (string.front() == kTextBegin) return topic.substr(0, string.size()) == string;
  if (string.back() == kTextEnd) return topic.substr(topic.size() - string.size()) == string;
  return ::memmem(topic.data(), topic.size(), string.data(), string.size()) != nullptr;
}

}  // namespace

// The format: number of clauses, then for each the number of strings, then for each its size and
// bytes.
std::unique_ptr<char[]> pack_necessary(const Clauses& clauses) {
  std::vector<const Strings*> chosen;
  std::size_t size = 1;
  for (const Strings& clause : clauses) {
    const std::size_t more = packed_size(clause);
    if (size + more > kNecessaryBytesMax) continue;
    size += more;
    chosen.push_back(&clause);
  }
  if (chosen.empty()) return nullptr;
  // Clauses with few strings are checked first: they refuse most, for the least.
  std::stable_sort(chosen.begin(), chosen.end(),
                   [](const Strings* a, const Strings* b) { return a->size() < b->size(); });
  auto packed = std::make_unique_for_overwrite<char[]>(size);
  char* to = packed.get();
  *to++ = static_cast<char>(chosen.size());
  for (const Strings* const clause : chosen) {
    *to++ = static_cast<char>(clause->size());
    for (const std::string& whole : *clause) {
      const std::string_view string = cut(whole);
      *to++ = static_cast<char>(string.size());
      to += string.copy(to, string.size());
    }
  }
  return packed;
}

bool holds_necessary(const char* packed, std::string_view marked_topic) noexcept {
  if (packed == nullptr) return true;
  for (char clauses = *packed++; clauses > 0; --clauses) {
    bool met = false;
    for (char strings = *packed++; strings > 0; --strings) {
      const auto size = static_cast<std::size_t>(*packed++);
      met = met || holds(marked_topic, {packed, size});
      packed += size;
    }
    if (!met) return false;
  }
  return true;
}

}  // namespace busway::match_detail
