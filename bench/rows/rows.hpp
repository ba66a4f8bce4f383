// rows/rows.hpp -- the rows of the table, in its order. Each function measures when it is called.
#pragma once

#include <string>
#include <vector>

#include "report/probes.hpp"
#include "report/table.hpp"

namespace busway::bench {

/// What the command line decides.
struct Effort {
  int rounds = 9;  ///< of each group of benchmarks run in turns
};

void add_publish_benchmarks();
[[nodiscard]] std::vector<Row> publish_rows(const Effort& effort, const Figures& instructions,
                                            const Figures& allocations,
                                            std::vector<std::string>& notes);

/// The last of them is that of route hits, which stands further down in the table.
[[nodiscard]] std::vector<Row> match_rows(std::vector<std::string>& notes);

void add_churn_benchmarks();
[[nodiscard]] std::vector<Row> churn_rows(const Effort& effort);

void add_delivery_benchmarks();
[[nodiscard]] std::vector<Row> delivery_rows(const Effort& effort);

void add_queue_benchmarks();
[[nodiscard]] std::vector<Row> queue_rows(const Effort& effort);

void add_plugin_benchmarks();
[[nodiscard]] std::vector<Row> plugin_rows(const Effort& effort);

void add_store_benchmarks();
[[nodiscard]] std::vector<Row> store_rows(const Effort& effort);

[[nodiscard]] Row compile_row(const Figures& compilations);

}  // namespace busway::bench
