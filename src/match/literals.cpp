#include "match/literals.hpp"

#include <algorithm>
#include <utility>

namespace busway::match_detail {
namespace {

constexpr std::size_t kSetBytesMax = 2048;

std::size_t shortest(const Strings& strings) noexcept {
  std::size_t size = strings.empty() ? 0 : strings.front().size();
  for (const std::string& string : strings) size = std::min(size, string.size());
  return size;
}

void tidy(Strings& strings) {
  if (strings.size() < 2) return;
  std::sort(strings.begin(), strings.end());
  strings.erase(std::unique(strings.begin(), strings.end()), strings.end());
}

// A mark takes no room in the text, so two assertions of the same end are one mark.
void join_onto(std::string& left, std::string_view right) {
  if (!left.empty() && !right.empty() && left.back() == right.front() &&
      (right.front() == kTextBegin || right.front() == kTextEnd)) {
    right.remove_prefix(1);
  }
  left += right;
}

// Each left with each right, or nothing when that is too much.
std::optional<Strings> product(const Strings& left, const Strings& right) {
  if (left.size() * right.size() > kLiteralsMax) return std::nullopt;
  Strings out;
  out.reserve(left.size() * right.size());
  std::size_t bytes = 0;
  for (const std::string& l : left) {
    for (const std::string& r : right) {
      out.push_back(l);
      join_onto(out.back(), r);
      bytes += out.back().size();
    }
  }
  if (bytes > kSetBytesMax) return std::nullopt;
  tidy(out);
  return out;
}

// Both sets together, or nothing when that is too much.
std::optional<Strings> merge(const Strings& a, const Strings& b) {
  Strings out = a;
  out.insert(out.end(), b.begin(), b.end());
  tidy(out);
  if (out.size() > kLiteralsMax) return std::nullopt;
  return out;
}

// The same for sets of which a text holds one: too much becomes the empty string, which says
// nothing.
Strings either_of(const Strings& a, const Strings& b) {
  return merge(a, b).value_or(Strings{std::string()});
}

bool is_lone_mark(const std::string& string) noexcept {
  return string.size() == 1 && (string.front() == kTextBegin || string.front() == kTextEnd);
}

const Strings& most_telling(const std::vector<Strings>& clauses) noexcept {
  return *std::max_element(clauses.begin(), clauses.end(), [](const Strings& a, const Strings& b) {
    return shortest(a) < shortest(b);
  });
}

}  // namespace

Literals Literals::text(std::string_view folded) {
  Literals out;
  out.exact_.emplace();
  out.exact_->emplace_back(folded);
  return out;
}

Literals Literals::one_of(Strings folded) {
  tidy(folded);
  if (folded.empty() || folded.size() > kLiteralsMax) return anything();
  Literals out;
  out.exact_ = std::move(folded);
  return out;
}

Literals Literals::anything() {
  Literals out;
  out.prefixes_ = {std::string()};
  out.suffixes_ = {std::string()};
  return out;
}

void Literals::append(const Literals& right) {
  clauses_.insert(clauses_.end(), right.clauses_.begin(), right.clauses_.end());
  if (exact_ && right.exact_) {
    if (auto both = product(*exact_, *right.exact_)) {
      exact_ = std::move(both);
      trim_clauses();
      return;
    }
  }
  auto before = exact_ ? product(*exact_, right.prefixes()) : std::nullopt;
  auto behind = right.exact_ ? product(suffixes(), *right.exact_) : std::nullopt;
  if (!before && !behind) {  // else the seam lies in the new prefixes or suffixes
    if (const auto across = product(suffixes(), right.prefixes())) {
      add_clause(*across);
    } else {
      add_clause(suffixes());
      add_clause(right.prefixes());
    }
  }
  Strings suffixes_now = behind ? *std::move(behind) : right.suffixes();
  if (before) {
    prefixes_ = *std::move(before);
  } else if (exact_) {
    prefixes_ = *std::move(exact_);
  }
  suffixes_ = std::move(suffixes_now);
  exact_.reset();
  trim_clauses();
}

void Literals::or_else(const Literals& other) {
  if (exact_ && other.exact_) {
    if (auto both = merge(*exact_, *other.exact_)) {
      exact_ = std::move(both);
      return;
    }
  }
  // A text holds what is most telling of this, or what is most telling of the other.
  const auto all_known = [](const Literals& side) {
    std::vector<Strings> clauses = side.clauses_;
    clauses.push_back(side.prefixes());
    clauses.push_back(side.suffixes());
    return clauses;
  };
  const Strings either = either_of(most_telling(all_known(*this)), most_telling(all_known(other)));
  forget_exact();
  prefixes_ = either_of(prefixes_, other.prefixes());
  suffixes_ = either_of(suffixes_, other.suffixes());
  clauses_.clear();
  add_clause(either);
}

void Literals::repeat() {
  if (exact_ && exact_->size() == 1 && exact_->front().empty()) return;
  add_clause(prefixes());
  forget_exact();
}

std::vector<Strings> Literals::into_clauses() && {
  add_clause(prefixes());
  if (!exact_) add_clause(suffixes());
  trim_clauses();
  return std::move(clauses_);
}

void Literals::forget_exact() {
  if (!exact_) return;
  suffixes_ = *exact_;
  prefixes_ = *std::move(exact_);
  exact_.reset();
}

void Literals::add_clause(const Strings& strings) {
  if (shortest(strings) == 0) return;
  if (std::any_of(strings.begin(), strings.end(), is_lone_mark)) return;
  if (std::find(clauses_.begin(), clauses_.end(), strings) == clauses_.end()) {
    clauses_.push_back(strings);
  }
}

void Literals::trim_clauses() {
  if (clauses_.size() <= kClausesMax) return;
  std::stable_sort(clauses_.begin(), clauses_.end(),
                   [](const Strings& a, const Strings& b) { return shortest(a) > shortest(b); });
  clauses_.resize(kClausesMax);
}

}  // namespace busway::match_detail
