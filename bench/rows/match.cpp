// Routes among very many subscriptions: finding them, adding to them, what they weigh.

#include "rows/rows.hpp"

namespace busway::bench {
namespace {

std::optional<double> times(std::optional<double> value, double factor) {
  return value ? std::optional(*value * factor) : std::nullopt;
}

}  // namespace

std::vector<Row> match_rows(std::vector<std::string>& notes) {
  const Figures at_100k = count_at_scale("matcher", 100'000, notes);
  const Figures at_1m = count_at_scale("matcher", 1'000'000, notes);
  const Figures bus = count_at_scale("bus", 1'000'000, notes);
  const Figures hits = count_at_scale("hits", 100'000, notes);
  const Figures scan = count_at_scale("scan", 100'000, notes);
  const Figures set = count_at_scale("set", 100'000, notes);
  const auto us = [](const Figures& figures, const char* name) {
    return times(figures.get(name), 1e-3);
  };
  return {{"route miss, 100,000 subscriptions (80 % exact, 15 % segments, 5 % regex; names of 3 "
           "tokens, zipf)",
           "at most 1.3 us; RE2::Set, a linear scan and fnmatch beside it",
           {{"", us(at_100k, "miss_ns"), " us", 1.3},
            {"linear scan", us(scan, "scan_ns"), " us"},
            {"fnmatch", us(scan, "fnmatch_ns"), " us"},
            {"RE2::Set", us(set, "set_ns"), " us"}}},
          {"the same at 1 million", "at most 8 us", {{"", us(at_1m, "miss_ns"), " us", 8}}},
          {"subscribe at 1 million: exact, segments / regex, median",
           "at most 1 / 13 us, worst 10 ms of thread CPU time, never a rebuild",
           {{"exact", us(bus, "exact_ns"), " us", 1},
            {"segments", us(bus, "segments_ns"), " us", 1},
            {"regex", us(bus, "regex_ns"), " us", 13},
            {"worst", bus.get("worst_cpu_ms"), " ms", 10}}},
          {"memory a subscription at 1 million, matcher / in all",
           "at most 150 / 400 bytes",
           {{"", at_1m.get("bytes"), " /", 150}, {"", bus.get("bytes"), " bytes", 400}}},
          {"route hits with one wildcard change per 100 publishes",
           "at least 0.8",
           {{"", hits.get("share"), " of the publishes to known topics", 0.8, Bound::at_least},
            {"", hits.get("share_of_all"), " of all"}}}};
}

}  // namespace busway::bench
