// busway_simulation [--seeds N] [--first S]: runs N seeds, from S on.
// busway_simulation --seed S [--trace]: runs one, and shows all it does.
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "run.hpp"

namespace {

using busway::simulation::RunResult;
using busway::simulation::Trace;

struct Arguments {
  std::uint64_t first = 1;
  std::uint64_t seeds = 2000;
  Trace::Show show = Trace::Show::nothing;
  bool ok = true;
};

Arguments read(int count, char** words) {
  Arguments out;
  for (int i = 1; i < count; ++i) {
    const std::string_view word = words[i];
    if (word == "--trace") {
      out.show = Trace::Show::all;
      continue;
    }
    std::uint64_t number = 0;
    const std::string_view text = i + 1 < count ? words[++i] : "";
    const auto end = std::from_chars(text.data(), text.data() + text.size(), number);
    out.ok = out.ok && !text.empty() && end.ptr == text.data() + text.size();
    if (word == "--seeds") {
      out.seeds = number;
    } else if (word == "--first") {
      out.first = number;
    } else if (word == "--seed") {
      out.first = number;
      out.seeds = 1;
    } else {
      out.ok = false;
    }
  }
  return out;
}

}  // namespace

int main(int count, char** words) {
  const Arguments wanted = read(count, words);
  if (!wanted.ok) {
    std::fprintf(stderr, "usage: busway_simulation [--seeds N] [--first S] [--seed S] [--trace]\n");
    return 2;
  }
  std::size_t steps = 0;
  std::size_t events = 0;
  std::size_t deliveries = 0;
  for (std::uint64_t seed = wanted.first; seed - wanted.first < wanted.seeds; ++seed) {
    const RunResult result = busway::simulation::run_seed(seed, wanted.show);
    steps += result.steps;
    events += result.events;
    deliveries += result.deliveries;
    if (!result.violation) continue;
    std::fflush(stdout);
    std::fprintf(stderr, "%s", result.report.c_str());
    return 1;
  }
  std::printf("%llu seeds, %zu steps, %zu events, %zu deliveries: all as it must be\n",
              static_cast<unsigned long long>(wanted.seeds), steps, events, deliveries);
  return 0;
}
