#include "busway/durable_spec.hpp"

#include <algorithm>

#include "base/duration_words.hpp"
#include "base/escape.hpp"
#include "busway/error.hpp"

namespace busway {
namespace {

[[noreturn]] void refuse(const DurableSpec& spec, const std::string& what) {
  throw Error(ErrorCode::invalid_option,
              "durable subscription " + quote(spec.name, 80) + ": " + what);
}

bool is_of_names(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.' || c == ':' || c == '/' || c == '@';
}

}  // namespace

void check_durable(const DurableSpec& spec) {
  if (spec.name.empty()) refuse(spec, "its name is empty");
  if (spec.name.size() > limits::kDurableNameBytesMax) {
    refuse(spec, "its name has " + std::to_string(spec.name.size()) + " bytes; at most " +
                     std::to_string(limits::kDurableNameBytesMax) + " are possible");
  }
  const auto bad = std::find_if_not(spec.name.begin(), spec.name.end(), is_of_names);
  if (bad != spec.name.end()) {
    refuse(spec, "its name has " + quote(std::string_view(&*bad, 1)) + " at byte " +
                     std::to_string(bad - spec.name.begin()) +
                     "; it is made of letters, digits and _ - . : / @");
  }
  if (spec.patterns.empty()) refuse(spec, "it has no pattern; name at least one");
  if (spec.patterns.size() > limits::kPatternsPerSubscriptionMax) {
    refuse(spec, "it has " + std::to_string(spec.patterns.size()) + " patterns; at most " +
                     std::to_string(limits::kPatternsPerSubscriptionMax) + " are possible");
  }
  if (spec.lease < limits::kLeaseMin || spec.lease > limits::kLeaseMax) {
    refuse(spec, "its lease is " + duration_words(spec.lease) + "; it is " +
                     duration_words(limits::kLeaseMin) + " to " +
                     duration_words(limits::kLeaseMax));
  }
}

bool are_same_patterns(const std::vector<Pattern>& some, const std::vector<Pattern>& others) {
  const auto are_among = [](const std::vector<Pattern>& these, const std::vector<Pattern>& all) {
    return std::all_of(these.begin(), these.end(), [&](const Pattern& one) {
      return std::find(all.begin(), all.end(), one) != all.end();
    });
  };
  return are_among(some, others) && are_among(others, some);
}

void require_same(const DurableSpec& spec, const std::vector<Pattern>& patterns,
                  DurableOrder order) {
  const auto words = [](const std::vector<Pattern>& list) {
    std::string text;
    for (const Pattern& one : list) text += (text.empty() ? "" : ", ") + to_string(one);
    return text;
  };
  const bool same_patterns = are_same_patterns(patterns, spec.patterns);
  if (same_patterns && order == spec.order) return;
  std::string what = "durable subscription " + quote(spec.name) + " was made with ";
  what += same_patterns ? "the order " + std::string(to_string(order)) + " and is opened with " +
                              std::string(to_string(spec.order))
                        : words(patterns) + " and is opened with " + words(spec.patterns);
  throw Error(ErrorCode::durable_mismatch,
              what +
                  "; open it as it was made, remove it (busway store durable rm), or let a program "
                  "say on_change = replace");
}

}  // namespace busway
