// Measures busway beside its peers in one run and prints one table; bench/README.md explains it.

#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "peers/peers.hpp"
#include "rows/rows.hpp"

namespace {

using namespace busway::bench;

struct CommandLine {
  bool require_peers = false;
  bool table = true;
  Effort effort;
};

constexpr const char* kUsage =
    "usage: busway_bench [--require-peers] [--quick]\n"
    "       busway_bench --benchmark_filter=REGEX [Google Benchmark's other options]\n"
    "\n"
    "Without a filter: one table of what busway costs beside its peers, with targets and "
    "verdicts.\n"
    "  --require-peers  fail when a row lacks its peer\n"
    "  --quick          fewer rounds: for a first look, not for figures to quote\n"
    "With a filter: Google Benchmark's own listing of the benchmarks behind the table.\n"
    "Exit code: 0, also when a row falls short; 1 with --require-peers and without a peer; 2 "
    "usage.\n";

int usage() {
  std::fputs(kUsage, stderr);
  return 2;
}

void append(std::vector<Row>& rows, std::vector<Row> more) {
  rows.insert(rows.end(), std::make_move_iterator(more.begin()),
              std::make_move_iterator(more.end()));
}

void note_why(std::vector<std::string>& notes, const Figures& figures) {
  if (!figures.why.empty()) notes.push_back(figures.why);
}

void say(const char* what) { std::fprintf(stderr, "busway_bench: %s\n", what); }

int print_the_table(const CommandLine& line) {
  std::vector<std::string> notes;
  say("counting instructions and allocations");
  const Figures instructions = count_instructions();
  const Figures allocations = count_allocations();
  say("compiling");
  const Figures compilations = time_compilations();
  note_why(notes, instructions);
  note_why(notes, allocations);
  note_why(notes, compilations);

  std::vector<Row> rows;
  say("publishing");
  append(rows, publish_rows(line.effort, instructions, allocations, notes));
  say("matching among up to a million subscriptions");
  std::vector<Row> match = match_rows(notes);
  say("subscribing and unsubscribing");
  std::vector<Row> churn = churn_rows(line.effort);
  // The order of the rows: the last of matching stands after subscribing.
  Row hits = std::move(match.back());
  match.pop_back();
  append(rows, std::move(match));
  append(rows, std::move(churn));
  rows.push_back(std::move(hits));
  say("queueing");
  append(rows, queue_rows(line.effort));
  say("delivering under deadlines and beside retries");
  append(rows, delivery_rows(line.effort));
  say("to plugins and back");
  append(rows, plugin_rows(line.effort));
  say("storing");
  append(rows, store_rows(line.effort));
  rows.push_back(compile_row(compilations));

  print_table(rows, notes);
  if (!line.require_peers) return EXIT_SUCCESS;
  for (const Row& row : rows) {
    if (lacks_peer(row)) return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  CommandLine line;
  std::vector<char*> rest = {argv[0]};
  std::string slice = "--benchmark_min_time=0.02";
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--help" || argument == "-h") {
      std::fputs(kUsage, stdout);
      return EXIT_SUCCESS;
    }
    if (argument == "--require-peers") {
      line.require_peers = true;
    } else if (argument == "--quick") {
      line.effort.rounds = 3;
    } else if (argument.starts_with("--benchmark_")) {
      line.table = false;
      rest.push_back(argv[i]);
    } else {
      return usage();
    }
  }
  if (line.table) rest.push_back(slice.data());
  int count = static_cast<int>(rest.size());
  benchmark::Initialize(&count, rest.data());
  if (benchmark::ReportUnrecognizedArguments(count, rest.data())) return usage();

  add_peers();
  add_publish_benchmarks();
  add_churn_benchmarks();
  add_queue_benchmarks();
  add_plugin_benchmarks();
  add_delivery_benchmarks();
  add_store_benchmarks();
  if (line.table) return print_the_table(line);
  benchmark::RunSpecifiedBenchmarks();
  return EXIT_SUCCESS;
}
