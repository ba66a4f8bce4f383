#include "match/frequency_sketch.hpp"

#include <new>

namespace busway::match_detail {

// A doubled table holds each counter twice, because its keys may belong to either place now.
void FrequencySketch::make_room() noexcept {
  if (counters_.size() < kCountersMax) {
    try {
      std::vector<std::uint16_t> doubled;
      doubled.reserve(2 * counters_.size());
      doubled = counters_;
      doubled.insert(doubled.end(), counters_.begin(), counters_.end());
      counters_ = std::move(doubled);
      return;
    } catch (const std::bad_alloc&) {  // fades instead
    }
  }
  for (std::uint16_t& counter : counters_) counter = static_cast<std::uint16_t>(counter / 2);
  total_ /= 2;
}

}  // namespace busway::match_detail
