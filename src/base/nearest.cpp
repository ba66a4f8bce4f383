#include "base/nearest.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace busway {
namespace {

constexpr std::size_t kLengthMax = 64;

constexpr char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// Optimal string alignment: insert, delete, replace, swap neighbours, each counting one. Both words
// fit kLengthMax. Three rows are enough: a swap looks two rows back.
std::size_t distance(std::string_view a, std::string_view b) noexcept {
  using Line = std::array<std::size_t, kLengthMax + 1>;
  Line before_last{};
  Line last{};
  Line current{};
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;

  for (std::size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool same = lower(a[i - 1]) == lower(b[j - 1]);
      current[j] = std::min({last[j] + 1, current[j - 1] + 1, last[j - 1] + (same ? 0U : 1U)});
      const bool swapped = i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                           lower(a[i - 2]) == lower(b[j - 1]);
      if (swapped) current[j] = std::min(current[j], before_last[j - 2] + 1);
    }
    before_last = last;
    last = current;
  }
  return last[b.size()];
}

}  // namespace

std::string_view nearest(std::string_view wrong, std::span<const std::string_view> names) noexcept {
  if (wrong.empty() || wrong.size() > kLengthMax) return {};

  std::string_view best;
  std::size_t best_distance = kLengthMax + 1;
  for (const std::string_view name : names) {
    if (name.empty() || name.size() > kLengthMax) continue;
    const std::size_t longer = std::max(wrong.size(), name.size());
    const std::size_t allowed = std::min(std::max<std::size_t>(2, longer / 3), longer - 1);
    const std::size_t found = distance(wrong, name);
    if (found <= allowed && found < best_distance) {
      best = name;
      best_distance = found;
    }
  }
  return best;
}

}  // namespace busway
