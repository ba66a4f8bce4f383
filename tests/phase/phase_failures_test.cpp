// A phase that fails in each way, at each place of a chain, tried again or not: all that is heard.
#include <atomic>

#include "busway/retryable_phase.hpp"
#include "phase_fixture.hpp"

namespace busway::phase {
namespace {

using namespace std::chrono_literals;

enum class Way : unsigned char { throws, times_out, gives_what_it_refuses };
enum class Tries : unsigned char { one, two_that_fail, two_of_which_the_second_wins };

const Lines kNames{"a", "b", "c"};
constexpr std::chrono::nanoseconds kTimeOut = 1s;

struct Case {
  std::size_t place;
  Way way;
  Tries tries;

  [[nodiscard]] const std::string& name() const { return kNames[place]; }
  [[nodiscard]] bool wins() const { return tries == Tries::two_of_which_the_second_wins; }
  [[nodiscard]] int attempts() const { return tries == Tries::one ? 1 : 2; }
  [[nodiscard]] int failures() const { return wins() ? 1 : attempts(); }
  /// Of an attempt that fails.
  [[nodiscard]] double milliseconds() const { return way == Way::times_out ? 1000.0 : 0.0; }
  [[nodiscard]] std::string fault() const {
    switch (way) {
      case Way::throws: return "threw";
      case Way::times_out: return "timed_out";
      case Way::gives_what_it_refuses: break;
    }
    return "invalid_output";
  }
  [[nodiscard]] std::string error() const {
    const std::string begin = "phase \"" + name() + "\" ";
    switch (way) {
      case Way::throws: return begin + "failed: no network";
      case Way::times_out: return begin + "did not end within 1s";
      case Way::gives_what_it_refuses: break;
    }
    return begin + "refuses its output: it is no list";
  }
};

/// What the phases before that place have made.
Json made_before(std::size_t place) {
  Json list = Json::array();
  for (std::size_t i = 0; i < place; ++i) list.push_back(kNames[i]);
  return list;
}

/// Fails so many times; moves the clock past its own deadline where that is how it fails.
Shared failing_as(const Case& what, const std::shared_ptr<ManualClock>& clock) {
  PhaseOptions options{.validate_output = [](const PhaseOutput& output) {
    return output.data.is_array() ? std::nullopt : std::optional<std::string>("it is no list");
  }};
  if (what.way == Way::times_out) options.timeout = kTimeOut;
  const auto calls = std::make_shared<std::atomic<int>>(0);
  return make_phase(
      what.name(),
      [what, clock, calls](const Json& data, PhaseContext& context) {
        Json list = data;
        list.push_back(what.name());
        if (++*calls > what.failures()) return list;
        if (what.way == Way::throws) throw std::runtime_error("no network");
        if (what.way == Way::gives_what_it_refuses) return Json("text");
        clock->advance(kTimeOut);
        EXPECT_TRUE(eventually([&] { return context.stop_requested(); }));
        return list;
      },
      std::move(options));
}

/// What a chain says, event by event.
class Expected {
 public:
  explicit Expected(const Case& what) : what_(what) {}

  [[nodiscard]] std::vector<std::pair<std::string, Json>> events() {
    add("chain.started", chain());
    for (std::size_t place = 0; place < what_.place; ++place) completes(place, 1, 1);
    fails();
    if (what_.wins()) {
      for (std::size_t place = what_.place + 1; place < kNames.size(); ++place) {
        completes(place, 1, 1);
      }
      Json all = chain();
      all["completed_phases"] = kNames;
      all["phase_index"] = 3;
      all["elapsed_ms"] = what_.milliseconds();
      add("chain.completed", std::move(all));
    } else {
      Json failed = chain();
      failed["completed_phases"] = made_before(what_.place);
      failed["failed_phase"] = what_.name();
      failed["phase_index"] = what_.place;
      failed["error"] = what_.error();
      failed["elapsed_ms"] = what_.failures() * what_.milliseconds();
      add("chain.failed", std::move(failed));
    }
    return std::move(events_);
  }

 private:
  static Json chain() {
    return {{"session_id", "s"},     {"phase_count", 3},
            {"phase_names", kNames}, {"completed_phases", Json::array()},
            {"failed_phase", ""},    {"phase_index", 0},
            {"error", ""},           {"elapsed_ms", 0.0}};
  }
  static Json phase(std::size_t place, int attempt, int attempts) {
    return {{"phase_name", kNames[place]},
            {"session_id", "s"},
            {"input", nullptr},
            {"output", nullptr},
            {"error", ""},
            {"duration_ms", 0.0},
            {"attempt", attempt},
            {"max_attempts", attempts},
            {"metadata", {{"user", "ann"}}}};
  }
  void add(const char* topic, Json data) { events_.emplace_back(topic, std::move(data)); }

  void starts(std::size_t place, int attempt, int attempts) {
    Json started = phase(place, attempt, attempts);
    started["input"] = made_before(place);
    started["metadata"]["request"] = "r";
    add("phase.started", std::move(started));
  }
  void completes(std::size_t place, int attempt, int attempts) {
    starts(place, attempt, attempts);
    Json completed = phase(place, attempt, attempts);
    completed["output"] = made_before(place + 1);
    add("phase.completed", std::move(completed));
  }
  void fails() {
    const int attempts = what_.attempts();
    for (int attempt = 1; attempt <= what_.failures(); ++attempt) {
      retries(attempt);
      starts(what_.place, attempt, attempts);
      Json failed = phase(what_.place, attempt, attempts);
      failed["error"] = what_.error();
      failed["duration_ms"] = what_.milliseconds();
      failed["metadata"]["fault"] = what_.fault();
      add("phase.failed", std::move(failed));
    }
    if (what_.tries == Tries::one) return;
    Json last = phase(what_.place, attempts, attempts);
    last["duration_ms"] = what_.failures() * what_.milliseconds();
    if (what_.wins()) {
      retries(attempts);
      completes(what_.place, attempts, attempts);
      add("phase.retry_success", std::move(last));
    } else {
      last["error"] = what_.error();
      last["metadata"]["fault"] = what_.fault();
      add("phase.final_failure", std::move(last));
    }
  }
  void retries(int attempt) {
    if (attempt == 1) return;
    Json retrying = phase(what_.place, attempt, what_.attempts());
    retrying["error"] = what_.error();
    add("phase.retrying", std::move(retrying));
  }

  const Case what_;
  std::vector<std::pair<std::string, Json>> events_;
};

class PhaseFailures : public ::testing::TestWithParam<std::tuple<std::size_t, Way, Tries>> {};

TEST_P(PhaseFailures, AreToldWholeWhereverThePhaseStands) {
  const Case what{std::get<0>(GetParam()), std::get<1>(GetParam()), std::get<2>(GetParam())};
  const auto clock = std::make_shared<ManualClock>();
  Bus bus(quiet({.clock = clock}));
  const Heard heard(bus);
  std::vector<Shared> phases;
  for (std::size_t place = 0; place < kNames.size(); ++place) {
    Shared one = place == what.place ? failing_as(what, clock) : adding(kNames[place]);
    if (place == what.place && what.tries != Tries::one) {
      one = std::make_shared<RetryablePhase>(std::move(one), bus, what.attempts(),
                                             Backoff{.initial_delay = 0ns});
    }
    phases.push_back(std::move(one));
  }
  const ChainResult result = PhaseOrchestrator(bus).execute_chain(
      phases,
      {.request = "r", .data = Json::array(), .session_id = "s", .metadata = {{"user", "ann"}}});

  EXPECT_EQ(result.ok(), what.wins());
  if (result.error) {
    EXPECT_EQ(result.error->message, what.error());
    EXPECT_EQ(to_string(result.error->fault), what.fault());
  }
  const std::vector<Event> events = heard.events();
  const auto expected = Expected(what).events();
  for (std::size_t i = 0; i < std::min(events.size(), expected.size()); ++i) {
    EXPECT_EQ(events[i].topic(), expected[i].first) << i;
    EXPECT_EQ(events[i].json(), expected[i].second) << i << ": " << expected[i].first;
  }
  EXPECT_EQ(events.size(), expected.size());
}

INSTANTIATE_TEST_SUITE_P(
    AtEachPlace, PhaseFailures,
    ::testing::Combine(::testing::Values(0U, 1U, 2U),
                       ::testing::Values(Way::throws, Way::times_out, Way::gives_what_it_refuses),
                       ::testing::Values(Tries::one, Tries::two_that_fail,
                                         Tries::two_of_which_the_second_wins)));

}  // namespace
}  // namespace busway::phase
