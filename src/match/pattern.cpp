#include "busway/pattern.hpp"

#include <re2/re2.h>

#include <new>
#include <ostream>

#include "base/escape.hpp"
#include "base/utf8.hpp"
#include "busway/error.hpp"
#include "match/glob.hpp"
#include "match/pattern_reading.hpp"
#include "match/pattern_state.hpp"
#include "match/regex_cache.hpp"
#include "match/segments.hpp"

namespace busway {
namespace match_detail {

const PatternState* PatternState::make(PatternKind kind, Reading reading, std::string_view text,
                                       std::size_t glob_literal_from) {
  void* const place = ::operator new(sizeof(PatternState) + text.size());
  auto* const state =
      new (place) PatternState(kind, reading, static_cast<std::uint16_t>(text.size()),
                               static_cast<std::uint16_t>(glob_literal_from));
  text.copy(reinterpret_cast<char*>(state + 1), text.size());
  return state;
}

void PatternState::release() const noexcept {
  if (references_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  auto* const self = const_cast<PatternState*>(this);
  self->~PatternState();
  ::operator delete(self);
}

}  // namespace match_detail

using match_detail::Reading;

Pattern Pattern::exact(std::string_view text) {
  return Pattern(match_detail::make_state(PatternKind::exact, Reading::maker, text));
}

Pattern Pattern::glob(std::string_view text) {
  return Pattern(match_detail::make_state(PatternKind::glob, Reading::maker, text));
}

Pattern Pattern::segments(std::string_view text) {
  return Pattern(match_detail::make_state(PatternKind::segments, Reading::maker, text));
}

Pattern Pattern::regex(std::string_view text) {
  return Pattern(match_detail::make_state(PatternKind::regex, Reading::maker, text));
}

Pattern Pattern::parse(std::string_view text, Wildcards wildcards) {
  const match_detail::PlainReading plain = match_detail::read_plain(text, wildcards);
  return Pattern(match_detail::make_state(plain.kind, plain.reading, plain.text));
}

Pattern::Pattern(const Pattern& other) noexcept : state_(other.state_) {
  if (state_ != nullptr) state_->retain();
}

Pattern::~Pattern() {
  if (state_ != nullptr) state_->release();
}

PatternKind Pattern::kind() const noexcept { return state_->kind(); }

std::string_view Pattern::text() const noexcept { return state_->text(); }

std::string Pattern::explain() const {
  return match_detail::explain(state_->kind(), state_->reading(), state_->text());
}

bool Pattern::matches(std::string_view topic) const {
  switch (state_->kind()) {
    case PatternKind::exact: return state_->text() == topic;
    case PatternKind::glob:
      return match_detail::glob_matches(state_->text(), state_->glob_literal_from(), topic);
    case PatternKind::segments: return match_detail::segments_match(state_->text(), topic);
    case PatternKind::regex: break;
  }
  const auto regex = match_detail::RegexCache::process().get(state_->text(), state_->cache_hint());
  return regex->Match(re2::StringPiece(topic.data(), topic.size()), 0, topic.size(),
                      re2::RE2::UNANCHORED, nullptr, 0);
}

std::string_view to_string(PatternKind kind) noexcept {
  switch (kind) {
    case PatternKind::exact: return "exact";
    case PatternKind::glob: return "glob";
    case PatternKind::segments: return "segments";
    case PatternKind::regex: return "regex";
  }
  return "unknown";
}

std::string_view to_string(Wildcards wildcards) noexcept {
  return wildcards == Wildcards::glob ? "glob" : "segments";
}

std::string to_string(const Pattern& pattern) {
  return std::string(match_detail::prefix_of(pattern.kind())).append(pattern.text());
}

std::ostream& operator<<(std::ostream& out, const Pattern& pattern) {
  return out << escape(to_string(pattern));
}

}  // namespace busway
