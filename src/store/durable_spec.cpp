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

void check(const DurableSpec& spec) {
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

}  // namespace busway
