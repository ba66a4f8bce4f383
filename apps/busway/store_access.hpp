// apps/busway/store_access.hpp -- what the verbs that look into a store have in common.
//
// Model      --store URL names it; a store that does not exist is made only by what writes events.
// Errors     As an exit code, after one line on standard error.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "busway/pattern.hpp"
#include "busway/store.hpp"

namespace CLI {  // NOLINT(readability-identifier-naming)
class App;
}

namespace busway::app {

class Progress;
class SignalWatch;

struct StoreChoice {
  std::string address;
  bool only_looks = false;
  bool may_be_memory = false;  // else one that ends with the process is refused
};

/// Of a verb that only looks: a store that cannot be written is opened for reading.
[[nodiscard]] inline StoreChoice looking(StoreChoice choice) {
  choice.only_looks = true;
  return choice;
}

void add_store_option(CLI::App& command, StoreChoice& choice);
/// For CLI::Option::check(): what is wrong with the address of a store, which is not opened.
[[nodiscard]] std::string fault_of_address(const std::string& text);

/// For CLI::Option::check(): CLI11 takes -1 for the greatest of all numbers.
[[nodiscard]] std::string fault_of_count(const std::string& text);

/// Adds --since and --until, which take a time or how long ago, and give points of time.
struct TimeRange {
  std::optional<WallTime> since;
  std::optional<WallTime> until;
};
void add_time_options(CLI::App& command, TimeRange& range, const std::string& of_what);

enum class Missing : unsigned char { is_made, is_an_error };

/// Opens the store and gives it to `use`; turns what is thrown into an exit code.
/// `progress`: of what the store tells while it is checked, copied, trimmed or vacuumed; with
/// `signals` one of them ends that.
int with_store(const StoreChoice& choice, Missing missing, const std::function<int(Store&)>& use,
               Progress* progress = nullptr, const SignalWatch* signals = nullptr);

/// False, after one line on standard error: the store has no durable name like this.
[[nodiscard]] bool has_durable(Store& store, const std::string& name);

/// Throws Error(invalid_pattern).
[[nodiscard]] std::vector<Pattern> read_patterns(const std::vector<std::string>& texts);

/// For people: SEQUENCE, time, topic, source and the beginning of the payload, on one line.
[[nodiscard]] std::string line_of(const StoredEvent& stored);
/// The CloudEvent, with the sequence as an extension, on one line.
[[nodiscard]] std::string json_of(const StoredEvent& stored);

[[nodiscard]] std::string words_of(WallTime time);

/// At the end of a verb that prints events: says how many it left out, and gives the exit code.
[[nodiscard]] int tell_left_out(std::size_t damaged);

}  // namespace busway::app
