#include "busway/testing/kill_rounds.hpp"

#include <algorithm>
#include <cstddef>
#include <thread>
#include <utility>

namespace busway::testing {

KillRounds::KillRounds(Options options)
    : options_(options), random_(options.seed != 0 ? options.seed : std::random_device{}()) {}

KillRounds::~KillRounds() = default;

void KillRounds::add(const std::vector<Start>& group) {
  if (group.empty()) return;
  std::vector<Victim> made;
  made.reserve(group.size());
  for (const Start& start : group) made.push_back({start, start(round_)});
  groups_.push_back(std::move(made));
}

void KillRounds::run(int rounds) {
  const std::int64_t bound = std::max<std::int64_t>(1, options_.alive_max.count() * 1'000);
  for (int i = 0; i < rounds; ++i) {
    std::this_thread::sleep_for(
        std::chrono::microseconds(random_() % static_cast<std::uint64_t>(bound)));
    // First all of them, so that none has time that it would not have alone.
    std::vector<Victim*> victims;
    for (std::vector<Victim>& group : groups_) victims.push_back(&group[random_() % group.size()]);
    for (Victim* const one : victims) {
      if (one->process->has_ended()) all_well_ = one->process->wait() == 0 && all_well_;
      one->process->kill_now();
    }
    ++round_;
    for (Victim* const one : victims) one->process = one->start(round_);
  }
}

bool KillRounds::end() {
  bool all_well = std::exchange(all_well_, true);
  for (auto group = groups_.rbegin(); group != groups_.rend(); ++group) {
    for (const Victim& one : *group) one.process->close_input();
    for (const Victim& one : *group) all_well = one.process->wait() == 0 && all_well;
  }
  groups_.clear();
  return all_well;
}

}  // namespace busway::testing
