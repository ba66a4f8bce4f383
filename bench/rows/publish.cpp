// Publishing to synchronous handlers: by name, by handle, to many, among globs, to nobody, from two
// threads, and what it allocates.

#include <algorithm>
#include <string>
#include <vector>

#include "rows/busway_callers.hpp"
#include "rows/rows.hpp"

namespace busway::bench {
namespace {

using Names = std::vector<std::string>;

Row by_name(const Turns& turns, const Figures& instructions) {
  return {"full publish by name (12 and 25 bytes), 1 sync handler",
          "at most 220 and 250 instructions; 0.7x of eventpp's thread-safe string dispatcher; "
          "0.35x of Boost.Signals2",
          {{"", instructions.get("name12"), " /", 220},
           {"", instructions.get("name25"), " instructions", 250},
           {"", turns.ns("call1/busway12"), " /"},
           {"", turns.ns("call1/busway25"), " ns"},
           {"", turns.ratio("call1/busway12", "call1/eventpp12"), "x /", 0.7},
           {"", turns.ratio("call1/busway25", "call1/eventpp25"), "x eventpp", 0.7},
           {"", turns.ratio("call1/busway12", "call1/signals2"), "x /", 0.35},
           {"", turns.ratio("call1/busway25", "call1/signals2"), "x Signals2", 0.35}}};
}

Row by_handle(const Turns& turns, const Figures& instructions) {
  return {"full publish by Topic handle, 1 handler",
          "at most 130 instructions; 0.5x of eventpp",
          {{"", instructions.get("handle1"), " instructions", 130},
           {"", turns.ns("call1/handle"), " ns"},
           {"", turns.ratio("call1/handle", "call1/eventpp12"), "x eventpp", 0.5},
           {"", turns.ratio("call1/handle", "call1/eventpp_list"), "x its nameless CallbackList"}}};
}

Row further_handler(const Turns& turns, const Figures& instructions) {
  std::optional<double> each;
  const auto one = instructions.get("handle1");
  const auto many = instructions.get("handle65");
  if (one && many) each = (*many - *one) / 64;
  return {"each further handler",
          "at most 12 instructions; with 64 handlers at most 1.1x the floor",
          {{"", each, " instructions", 12},
           {"", turns.ratio("call64/handle", "call64/floor"), "x the floor by handle", 1.1},
           {"", turns.ratio("call64/busway12", "call64/floor"), "x by name", 1.1}}};
}

Row among_globs(const Turns& turns) {
  return {"100 glob subscriptions present",
          "at most 1.1x of an exact topic",
          {{"", turns.ratio("call1/globs", "call1/busway12"), "x of an exact topic", 1.1}}};
}

Row to_nobody(const Turns& turns, const Figures& instructions) {
  return {"publish nobody listens to, by name",
          "at most 170 instructions with id, time, counters and history",
          {{"", instructions.get("nobody"), " instructions", 170},
           {"", turns.ns("call0/busway12"), " ns"}}};
}

Row two_threads(const Turns& turns) {
  const auto gain = [&](const std::string& peer) {
    return turns.ratio("threads1/" + peer, "threads2/" + peer);
  };
  return {"two threads publishing one topic",
          "at least 0.85x of what two threads of the floor loop reach (over one thread)",
          {{"", gain("busway"), "x one thread"},
           {"floor", gain("floor"), "x"},
           {"so",
            turns.ratio_of_ratios("threads1/busway", "threads2/busway", "threads1/floor",
                                  "threads2/floor"),
            "x of the floor's gain", 0.85, Bound::at_least},
           {"eventpp", gain("eventpp"), "x"},
           {"Signals2", gain("signals2"), "x"}}};
}

Row allocations_of_a_publish(const Figures& allocations) {
  std::optional<double> most;
  for (const auto& [name, count] : allocations.values) most = std::max(most.value_or(0), count);
  return {"allocations in a sync publish of a small typed event",
          "0",
          {{"", most, " (the most of six cases)", 0}}};
}

std::string beside(const Turns& turns, const std::string& work, const Names& peers) {
  std::string text;
  for (const std::string& peer : peers) {
    const auto ns = turns.ns(work + "/" + peer);
    text += (text.empty() ? "" : ", ") + peer + " " + (ns ? short_number(*ns) : "no peer");
  }
  return text;
}

}  // namespace

void add_publish_benchmarks() {
  add_caller<ByName<kName12>>("call0", "busway12", 0);
  add_caller<ByName<kName12>>("call1", "busway12", 1);
  add_caller<ByName<kName25>>("call1", "busway25", 1);
  add_caller<ByHandle>("call1", "handle", 1);
  add_caller<AmongGlobs>("call1", "globs", 1);
  add_caller<ByName<kName12>>("call64", "busway12", 64);
  add_caller<ByHandle>("call64", "handle", 64);
  add_threads<ByName<kName12>>("busway");
}

std::vector<Row> publish_rows(const Effort& effort, const Figures& instructions,
                              const Figures& allocations, std::vector<std::string>& notes) {
  const Turns one(
      {"call1/busway12", "call1/eventpp12", "call1/busway25", "call1/eventpp25", "call1/handle",
       "call1/eventpp_list", "call1/signals2", "call1/globs", "call0/busway12", "call1/floor",
       "call1/sigc++", "call1/poco", "call1/sigslot", "call1/entt"},
      effort.rounds);
  const Turns many(
      {"call64/handle", "call64/floor", "call64/busway12", "call64/eventpp12", "call64/signals2",
       "call64/sigc++", "call64/poco", "call64/sigslot", "call64/entt"},
      effort.rounds);
  const Turns threads(
      {"threads1/busway", "threads2/busway", "threads1/floor", "threads2/floor", "threads1/eventpp",
       "threads2/eventpp", "threads1/signals2", "threads2/signals2"},
      effort.rounds);
  notes.push_back(
      "ns an event, 1 handler: " +
      beside(one, "call1",
             {"floor", "busway12", "busway25", "handle", "globs", "eventpp12", "eventpp25",
              "eventpp_list", "signals2", "sigc++", "poco", "sigslot", "entt"}));
  notes.push_back("ns an event, 64 handlers: " +
                  beside(many, "call64",
                         {"floor", "busway12", "handle", "eventpp12", "signals2", "sigc++", "poco",
                          "sigslot", "entt"}));
  return {by_name(one, instructions),           by_handle(one, instructions),
          further_handler(many, instructions),  among_globs(one),
          to_nobody(one, instructions),         two_threads(threads),
          allocations_of_a_publish(allocations)};
}

}  // namespace busway::bench
