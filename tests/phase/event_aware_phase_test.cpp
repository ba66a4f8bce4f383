#include "busway/event_aware_phase.hpp"

#include "phase_fixture.hpp"

namespace busway::phase {
namespace {

using namespace std::chrono_literals;

TEST(EventAwarePhase, TellsWhatItWasGivenAndWhatItGave) {
  const auto clock = std::make_shared<ManualClock>();
  Bus bus(quiet({.clock = clock}));
  const Heard heard(bus);
  EventAwarePhase phase(
      make_phase(
          "plan",
          [&](const PhaseInput& input) {
            clock->advance(1500us);
            return PhaseOutput{.data = Json{{"steps", 3}}, .metadata = {{"model", input.request}}};
          },
          {.estimated_duration = 2s}),
      bus);
  const PhaseInput input{
      .request = "m1", .data = Json{{"a", 1}}, .session_id = "s1", .metadata = {{"user", "ann"}}};
  const PhaseOutput output = run(phase, input);
  EXPECT_EQ(output.data, (Json{{"steps", 3}}));
  EXPECT_EQ(output.request, "m1");
  EXPECT_EQ(output.session_id, "s1");
  EXPECT_EQ(output.metadata, (Json{{"model", "m1"}}));

  EXPECT_EQ(heard.lines(), (Lines{"phase.started plan", "phase.completed plan"}));
  EXPECT_EQ(heard.events()[0].json(),
            (Json{{"phase_name", "plan"},
                  {"session_id", "s1"},
                  {"input", {{"a", 1}}},
                  {"output", nullptr},
                  {"error", ""},
                  {"duration_ms", 0.0},
                  {"attempt", 1},
                  {"max_attempts", 1},
                  {"metadata", {{"user", "ann"}, {"request", "m1"}, {"estimated_ms", 2000.0}}}}));
  EXPECT_EQ(heard.events()[1].json(), (Json{{"phase_name", "plan"},
                                            {"session_id", "s1"},
                                            {"input", nullptr},
                                            {"output", {{"steps", 3}}},
                                            {"error", ""},
                                            {"duration_ms", 1.5},
                                            {"attempt", 1},
                                            {"max_attempts", 1},
                                            {"metadata", {{"user", "ann"}, {"model", "m1"}}}}));
  for (const Event& event : heard.events()) {
    EXPECT_EQ(event.source(), "plan");
    EXPECT_EQ(event.session_id(), "s1");
  }
}

TEST(EventAwarePhase, TellsThatItFailedAndThrowsWhy) {
  const auto clock = std::make_shared<ManualClock>();
  Bus bus(quiet({.clock = clock}));
  const Heard heard(bus);
  EventAwarePhase phase(make_phase("plan",
                                   [&](const Json&) -> Json {
                                     clock->advance(2ms);
                                     throw std::out_of_range("no page 7");
                                   }),
                        bus);
  const PhaseError error = failure_of(phase, {.session_id = "s1"});
  EXPECT_EQ(error.fault, PhaseFault::threw);
  EXPECT_EQ(error.message, "phase \"plan\" failed: no page 7");
  EXPECT_THROW(std::rethrow_exception(error.cause), std::out_of_range);

  EXPECT_EQ(heard.lines(), (Lines{"phase.started plan", "phase.failed plan"}));
  EXPECT_EQ(heard.events()[1].json(), (Json{{"phase_name", "plan"},
                                            {"session_id", "s1"},
                                            {"input", nullptr},
                                            {"output", nullptr},
                                            {"error", "phase \"plan\" failed: no page 7"},
                                            {"duration_ms", 2.0},
                                            {"attempt", 1},
                                            {"max_attempts", 1},
                                            {"metadata", {{"fault", "threw"}}}}));
}

TEST(EventAwarePhase, SurvivesWhatIsNoException) {
  Bus bus(quiet());
  EventAwarePhase phase(make_phase("odd", [](const Json&) -> Json { throw 7; }), bus);
  const PhaseError error = failure_of(phase);
  EXPECT_EQ(error.message, "phase \"odd\" failed: it threw something that is no std::exception");
  EXPECT_THROW(std::rethrow_exception(error.cause), int);
}

TEST(EventAwarePhase, NamesItselfAlsoWhereAPhaseWithinItFailed) {
  Bus bus(quiet());
  const auto inner = std::make_shared<EventAwarePhase>(
      adding("inner", {.validate_input = [](const PhaseInput&) { return std::optional("no"); }}),
      bus);
  EventAwarePhase outer(make_phase("outer",
                                   [inner](const PhaseInput& input, PhaseContext& context) {
                                     return inner->execute(input, context);
                                   }),
                        bus);
  const PhaseError error = failure_of(outer);
  EXPECT_EQ(error.fault, PhaseFault::threw);
  EXPECT_EQ(error.message, "phase \"outer\" failed: phase \"inner\" refuses its input: no");
}

/// Throws wherever it may.
class Hostile final : public Phase {
 public:
  std::string name() const override { return "hostile"; }
  PhaseOutput execute(const PhaseInput&, PhaseContext&) override { return {}; }
  std::optional<std::chrono::nanoseconds> estimated_duration() const override { throw 1; }
  std::optional<std::chrono::nanoseconds> timeout() const override {
    throw std::runtime_error("who knows");
  }
};

TEST(EventAwarePhase, SurvivesOneThatThrowsWhereverItMay) {
  Bus bus(quiet());
  const Heard heard(bus);
  EventAwarePhase phase(std::make_shared<Hostile>(), bus);
  EXPECT_EQ(failure_of(phase).message, "phase \"hostile\" failed: who knows");
  EXPECT_EQ(heard.lines(), (Lines{"phase.started hostile", "phase.failed hostile"}));
}

TEST(EventAwarePhase, MakesWhatIsThrownSafeToShow) {
  Bus bus(quiet());
  const Heard heard(bus);
  EventAwarePhase phase(failing("p", "two\nlines \xff and " + std::string(5000, 'x')), bus);
  const PhaseError error = failure_of(phase);
  EXPECT_TRUE(error.message.starts_with("phase \"p\" failed: two\\nlines \\xff and xxx"));
  EXPECT_LT(error.message.size(), 1200U);
  EXPECT_EQ(heard.events()[1].json()["error"], error.message) << "it can be written as JSON";
}

TEST(EventAwarePhase, DoesNotExecuteWithAnInputThatItRefuses) {
  Bus bus(quiet());
  const Heard heard(bus);
  EventAwarePhase phase(
      make_phase("write",
                 [](const Json&) -> Json {
                   ADD_FAILURE() << "executed";
                   return {};
                 },
                 {.validate_input = [](const PhaseInput& input) -> std::optional<std::string> {
                   if (input.data.contains("plan")) return std::nullopt;
                   return "data has no field \"plan\"";
                 }}),
      bus);
  const PhaseError error = failure_of(phase);
  EXPECT_EQ(error.fault, PhaseFault::invalid_input);
  EXPECT_EQ(error.message, "phase \"write\" refuses its input: data has no field \"plan\"");
  EXPECT_EQ(heard.lines(), (Lines{"phase.started write", "phase.failed write"}));
}

TEST(EventAwarePhase, FailsWithAnOutputThatItRefuses) {
  Bus bus(quiet());
  EventAwarePhase phase(
      adding("write", {.validate_output =
                           [](const PhaseOutput& output) {
                             return std::optional("it has only " +
                                                  std::to_string(output.data.size()) + " entry");
                           }}),
      bus);
  const PhaseError error = failure_of(phase);
  EXPECT_EQ(error.fault, PhaseFault::invalid_output);
  EXPECT_EQ(error.message, "phase \"write\" refuses its output: it has only 1 entry");
}

TEST(EventAwarePhase, TakesAValidationThatThrowsAsARefusal) {
  Bus bus(quiet());
  const auto broken = [](const auto&) -> std::optional<std::string> {
    throw std::runtime_error("no schema");
  };
  EventAwarePhase before(adding("a", {.validate_input = broken}), bus);
  EXPECT_EQ(failure_of(before).message, "phase \"a\" refuses its input: no schema");
  EventAwarePhase after(adding("b", {.validate_output = broken}), bus);
  EXPECT_EQ(failure_of(after).message, "phase \"b\" refuses its output: no schema");
}

TEST(EventAwarePhase, WantsMetadataThatAreAnObject) {
  Bus bus(quiet());
  EventAwarePhase fine(adding("a"), bus);
  EXPECT_EQ(failure_of(fine, {.metadata = Json::array()}).message,
            "phase \"a\" refuses its input: its metadata is of the type array; metadata is a JSON "
            "object");
  EXPECT_EQ(run(fine, {.metadata = nullptr}).data, Json::array({"a"})) << "null is empty";
  EventAwarePhase odd(
      make_phase("b", [](const Json&) { return PhaseOutput{.metadata = Json("text")}; }), bus);
  EXPECT_EQ(failure_of(odd).fault, PhaseFault::invalid_output);
}

TEST(EventAwarePhase, LetsNobodyElseSayWhatOnlyItMaySay) {
  Bus bus(quiet());
  const Heard heard(bus);
  const Json forged{{"cache_key", "k"}, {"cached", true}, {"fault", "threw"}, {"user", "ann"}};
  EventAwarePhase phase(
      make_phase("a", [&](const Json&) { return PhaseOutput{.metadata = forged}; }), bus);
  EXPECT_EQ(run(phase, {.metadata = forged}).metadata, forged) << "the output is the phase's own";
  EventAwarePhase broken(failing("b"), bus);
  failure_of(broken, {.metadata = forged});
  ASSERT_EQ(heard.events().size(), 4U);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(heard.events()[i].json()["metadata"], (Json{{"user", "ann"}})) << i;
  }
  EXPECT_EQ(heard.events()[3].json()["metadata"], (Json{{"user", "ann"}, {"fault", "threw"}}));
}

TEST(EventAwarePhase, CountsWhatItThrowsWhenItIsToStopAsCancelled) {
  Bus bus(quiet());
  const Heard heard(bus);
  Stopper stop;
  EventAwarePhase phase(make_phase("long",
                                   [&](const Json&, PhaseContext& context) -> Json {
                                     EXPECT_FALSE(context.stop_requested());
                                     stop.request_stop();
                                     EXPECT_TRUE(context.stop_requested());
                                     throw std::runtime_error("half done");
                                   }),
                        bus);
  const PhaseError error = failure_of(phase, {}, PhaseContext(stop.get_token()));
  EXPECT_EQ(error.fault, PhaseFault::cancelled);
  EXPECT_EQ(error.message, "phase \"long\" was cancelled: half done");
  const PhaseError again = failure_of(phase, {}, PhaseContext(stop.get_token()));
  EXPECT_EQ(again.message, "phase \"long\" was cancelled before it began");
  EXPECT_EQ(heard.of<PhaseEventData>("phase.failed")[1].metadata["fault"], "cancelled");
}

TEST(EventAwarePhase, PassesThroughOneThatAnnouncesItself) {
  Bus bus(quiet());
  const Heard heard(bus);
  const auto inner = std::make_shared<EventAwarePhase>(adding("a"), bus);
  EventAwarePhase outer(inner, bus);
  EXPECT_TRUE(outer.announces_itself());
  run(outer);
  EXPECT_EQ(heard.lines(), (Lines{"phase.started a", "phase.completed a"}));
}

TEST(EventAwarePhase, AnswersForThePhaseWithin) {
  Bus bus(quiet());
  EventAwarePhase phase(
      adding("a", {.timeout = 5s,
                   .estimated_duration = 2s,
                   .validate_input = [](const PhaseInput&) { return std::optional("in"); },
                   .validate_output = [](const PhaseOutput&) { return std::optional("out"); },
                   .can_retry = [](const PhaseError&) { return false; }}),
      bus);
  EXPECT_EQ(phase.name(), "a");
  EXPECT_EQ(phase.timeout(), 5s);
  EXPECT_EQ(phase.estimated_duration(), 2s);
  EXPECT_EQ(phase.validate_input({}), "in");
  EXPECT_EQ(phase.validate_output({}), "out");
  EXPECT_FALSE(phase.can_retry({}));
}

TEST(EventAwarePhase, NeedsAPhaseWithAName) {
  Bus bus(quiet());
  const auto refusal = [&](Shared phase) {
    return error_of(ErrorCode::invalid_argument, [&] { EventAwarePhase(phase, bus); });
  };
  EXPECT_EQ(refusal(nullptr), "EventAwarePhase: the phase is null");
  EXPECT_EQ(refusal(adding("")),
            "EventAwarePhase: the phase's name \"\" is empty; a name is 1 to 255 bytes of UTF-8 "
            "without control characters");
  EXPECT_NE(refusal(adding("a\nb")).find("\"a\\nb\""), std::string::npos);
  EXPECT_NE(refusal(adding(std::string(256, 'a'))).find("has 256 bytes"), std::string::npos);
  EXPECT_NO_THROW(EventAwarePhase(adding(std::string(255, 'a')), bus));
}

// A failed publish never fails the phase.

/// What a phase logs that runs once with this input on a bus with these options.
Lines logged_by(BusOptions options, const PhaseInput& input,
                const std::function<void(Bus&)>& spoil) {
  Lines logged;
  options.log = [&](LogLevel, std::string_view message, std::span<const LogField> fields) {
    std::string line(message);
    for (const LogField& field : fields) line += " " + std::string(field.value);
    logged.push_back(line);
  };
  Bus bus(options);
  spoil(bus);
  EventAwarePhase phase(adding("a"), bus);
  EXPECT_EQ(run(phase, input).data, Json::array({"a"}));
  return logged;
}

TEST(EventAwarePhase, DoesItsWorkOnABusThatHasStoppedAndLogsWhatWasNotPublished) {
  const Lines logged = logged_by({}, {}, [](Bus& bus) { bus.stop(); });
  ASSERT_EQ(logged.size(), 2U);
  EXPECT_TRUE(logged[0].starts_with("an event of a phase was not published phase.started a "));
  EXPECT_TRUE(logged[1].starts_with("an event of a phase was not published phase.completed a "));
}

TEST(EventAwarePhase, DoesItsWorkWhereItsEventsCannotBeMade) {
  const Lines logged = logged_by({}, {.session_id = "a\nb"}, [](Bus&) {});
  ASSERT_EQ(logged.size(), 2U);
  EXPECT_NE(logged[0].find("session_id"), std::string::npos) << logged[0];
}

TEST(EventAwarePhase, SaysNothingWhereABusIsSwitchedOffOrFiltersItsEvents) {
  EXPECT_EQ(logged_by({.enabled = false}, {}, [](Bus&) {}), Lines{});
  EXPECT_EQ(logged_by({}, {},
                      [](Bus& bus) { bus.add_filter("none", [](const Event&) { return false; }); }),
            Lines{});
}

TEST(EventAwarePhase, DoesItsWorkWhereHandlersFail) {
  Bus bus(quiet());
  const auto listener =
      bus.subscribe("phase.*", [](const Event&) { throw std::runtime_error("listener"); });
  EventAwarePhase phase(adding("a"), bus);
  EXPECT_EQ(run(phase).data, Json::array({"a"}));
}

}  // namespace
}  // namespace busway::phase
