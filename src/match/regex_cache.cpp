#include "match/regex_cache.hpp"

#include <re2/re2.h>

#include <array>
#include <utility>

namespace busway::match_detail {
namespace {

// Small programs stay below this size; larger ones run faster with more memory.
constexpr int kSmallProgram = 50;
constexpr std::size_t kSmallText = 48;
constexpr std::array kBudgets = {kRegexBytesSmall, kRegexBytesMedium, kRegexBytesLarge};

RegexCache::Regex compile_within(std::string_view text, std::size_t bytes_max) {
  re2::RE2::Options options(re2::RE2::Quiet);  // valid: UTF-8, Perl classes, no log
  options.set_never_capture(true);             // nobody asks where groups matched
  options.set_max_mem(static_cast<std::int64_t>(bytes_max));
  return std::make_shared<const re2::RE2>(re2::StringPiece(text.data(), text.size()), options);
}

struct Compiled {
  RegexCache::Regex regex;
  std::size_t weight;
};

// Within the smallest budget that will do; the length of the text tells mostly which.
Compiled compile(std::string_view text) {
  for (std::size_t i = text.size() <= kSmallText ? 0 : 1;; ++i) {
    RegexCache::Regex regex = compile_within(text, kBudgets[i]);
    const bool too_large = regex->error_code() == re2::RE2::ErrorPatternTooLarge;
    const bool too_slow = i == 0 && regex->ok() && regex->ProgramSize() > kSmallProgram;
    if ((!too_large && !too_slow) || i + 1 == kBudgets.size()) {
      return {std::move(regex), kBudgets[i] / kRegexBytesSmall};
    }
  }
}

}  // namespace

RegexCache& RegexCache::process() {
  static auto* const cache = new RegexCache;
  return *cache;
}

RegexCache::Regex RegexCache::get(std::string_view text, std::atomic<std::uint32_t>& hint) {
  if (Regex regex = find(text, hint)) return regex;
  const Compiled compiled = compile(text);
  if (compiled.regex->ok()) insert(text, compiled.regex, compiled.weight, hint);
  return compiled.regex;
}

std::size_t RegexCache::size() const {
  const std::lock_guard lock(mutex_);
  return by_text_.size();
}

std::size_t RegexCache::weight() const {
  const std::lock_guard lock(mutex_);
  return weight_;
}

RegexCache::Regex RegexCache::find(std::string_view text, std::atomic<std::uint32_t>& hint) {
  const std::lock_guard lock(mutex_);
  std::uint32_t at = hint.load(std::memory_order_relaxed);
  if (at >= slots_.size() || slots_[at].regex == nullptr || slots_[at].text != text) {
    const auto found = by_text_.find(text);
    if (found == by_text_.end()) return nullptr;
    at = found->second;
    hint.store(at, std::memory_order_relaxed);
  }
  slots_[at].used = true;
  return slots_[at].regex;
}

void RegexCache::insert(std::string_view text, const Regex& regex, std::size_t weight,
                        std::atomic<std::uint32_t>& hint) {
  std::vector<Regex> driven_out;  // freed after the lock
  const std::lock_guard lock(mutex_);
  if (weight > weight_max_ || by_text_.contains(text)) return;  // another thread was first
  const std::uint32_t at = free_slot(weight, driven_out);
  Slot& slot = slots_[at];
  slot.text = text;
  by_text_.emplace(slot.text, at);
  free_slots_.pop_back();
  slot.regex = regex;
  slot.weight = weight;
  slot.used = false;  // earns its stay by the first match
  weight_ += weight;
  hint.store(at, std::memory_order_relaxed);
}

// Drives out what was not used lately until the weight fits; then an unused slot.
std::uint32_t RegexCache::free_slot(std::size_t weight, std::vector<Regex>& driven_out) {
  while (weight_ + weight > weight_max_) {
    if (hand_ >= slots_.size()) hand_ = 0;
    const std::size_t at = hand_++;
    Slot& slot = slots_[at];
    if (slot.regex == nullptr || std::exchange(slot.used, false)) continue;
    driven_out.push_back(slot.regex);
    free_slots_.push_back(static_cast<std::uint32_t>(at));
    by_text_.erase(slot.text);
    slot.text.clear();
    slot.regex = nullptr;
    weight_ -= slot.weight;
  }
  if (free_slots_.empty()) {
    slots_.emplace_back();
    free_slots_.push_back(static_cast<std::uint32_t>(slots_.size() - 1));
  }
  return free_slots_.back();
}

}  // namespace busway::match_detail
