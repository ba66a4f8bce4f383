#include "handlers.hpp"

namespace busway::simulation {
namespace {

// clang-format off
constexpr std::array kProfiles{
    //       done fails throws int again letter; none long looks, publishes same waits,
    //       subscribes, unsubscribes self other, pauses self other, resumes, redrives, stops
    Profile{"reliable",  {{ 10, 0, 0, 0, 0, 0}}, {{10, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}}},
    Profile{"flaky",     {{  5, 2, 2, 1, 2, 1}}, {{10, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}}},
    Profile{"failing",   {{  1, 4, 2, 1, 1, 0}}, {{10, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}}},
    Profile{"asking",    {{  3, 0, 0, 0, 6, 1}}, {{10, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}}},
    Profile{"slow",      {{  6, 1, 1, 0, 1, 0}}, {{2, 8, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}}},
    Profile{"chatty",    {{  6, 1, 0, 0, 1, 0}}, {{4, 0, 1, 6, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0}}},
    Profile{"looping",   {{  6, 1, 0, 0, 0, 0}}, {{1, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0}}},
    Profile{"meddling",  {{  6, 1, 1, 0, 1, 0}}, {{8, 1, 1, 1, 0, 0, 1, 1, 2, 2, 2, 3, 1, 0}}},
    Profile{"passing",   {{  6, 2, 1, 0, 1, 0}}, {{6, 0, 0, 1, 0, 0, 2, 4, 0, 1, 0, 0, 1, 0}}},
    Profile{"stopping",  {{  8, 1, 0, 0, 1, 0}}, {{30, 1, 1, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1}}},
};
// clang-format on

}  // namespace

std::span<const Profile> all_profiles() { return kProfiles; }

}  // namespace busway::simulation
