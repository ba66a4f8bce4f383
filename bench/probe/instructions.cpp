// Runs each case a fixed number of times between callgrind's marks. Made to run as
//   valgrind --tool=callgrind bench_instructions
// where each case becomes one dump, named after it; busway_bench starts it and reads the dumps.

#include <valgrind/callgrind.h>

#include <string>

#include "probe/cases.hpp"
#include "probe/iterations.hpp"

int main() {
  busway::bench::for_each_case([](const std::string& name, const auto& work) {
    for (int i = 0; i < busway::bench::kProbeIterations; ++i) work();
    CALLGRIND_ZERO_STATS;
    for (int i = 0; i < busway::bench::kProbeIterations; ++i) work();
    CALLGRIND_DUMP_STATS_AT(name.c_str());
  });
}
