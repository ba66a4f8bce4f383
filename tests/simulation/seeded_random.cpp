// Stands in for src/platform/random.cpp: linked before the library, whose own then stays out.
#include "seeded_random.hpp"

#include "platform/random.hpp"
#include "random.hpp"

namespace busway {

namespace simulation {
namespace {

thread_local Random system{0};

}  // namespace

void seed_system_random(std::uint64_t seed) noexcept { system = Random(seed); }

}  // namespace simulation

namespace platform_detail {

namespace fork_detail {
constinit std::atomic<std::uint32_t> generation{1};
}  // namespace fork_detail

std::uint64_t system_random() noexcept { return simulation::system.next(); }

}  // namespace platform_detail

}  // namespace busway
