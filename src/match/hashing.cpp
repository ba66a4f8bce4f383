#include "match/hashing.hpp"

#include <random>

namespace busway::match_detail {

std::uint64_t process_seed() {
  static const std::uint64_t seed = [] {
    std::random_device device;
    return (static_cast<std::uint64_t>(device()) << 32U) | device();
  }();
  return seed;
}

}  // namespace busway::match_detail
