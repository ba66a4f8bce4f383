// Inputs and outputs that no event could carry: they are refused before anything copies them.
#include "busway/event_aware_phase.hpp"
#include "busway/retryable_phase.hpp"
#include "phase/limits.hpp"
#include "phase_fixture.hpp"

namespace busway::phase {
namespace {

using namespace std::chrono_literals;

/// Lists in lists. To copy or to write it takes as many calls within calls.
Json nested(std::size_t depth) {
  Json value = Json::array();
  for (std::size_t i = 1; i < depth; ++i) {
    Json outer = Json::array();
    outer.push_back(std::move(value));
    value = std::move(outer);
  }
  return value;
}

constexpr std::size_t kCrashing = 100'000;
constexpr std::string_view kTooDeep =
    "JSON nested more than 63 levels deep; flatten it or send it as bytes";

Shared giving(std::function<PhaseOutput()> make, PhaseOptions options = {}) {
  return make_phase(
      "a", [make = std::move(make)](const PhaseInput&) { return make(); }, std::move(options));
}

class PhaseData : public ::testing::Test {
 protected:
  /// Whoever listens can read each event.
  void expect_readable(const Lines& lines) const {
    EXPECT_EQ(heard_.lines(), lines);
    for (const Event& event : heard_.events()) EXPECT_NO_THROW((void)event.json().dump());
  }

  Bus bus_{quiet()};
  const Heard heard_{bus_};
};

TEST_F(PhaseData, OfAnOutputMayBeAsDeepAsItsEventCanBe) {
  const std::size_t deepest = phase_detail::kDataDepthMax;
  EventAwarePhase fine(giving([&] { return PhaseOutput{.data = nested(deepest)}; }), bus_);
  EXPECT_EQ(run(fine).data, nested(deepest));
  expect_readable({"phase.started a", "phase.completed a"});
  EventAwarePhase more(giving([&] { return PhaseOutput{.data = nested(deepest + 1)}; }), bus_);
  EXPECT_EQ(failure_of(more).message,
            "phase \"a\" refuses its output: its data: " + std::string(kTooDeep));
}

TEST_F(PhaseData, OfAnOutputThatWouldCrashIsRefused) {
  for (const auto timeout : {std::optional<std::chrono::nanoseconds>(), {1h}}) {
    EventAwarePhase data(
        giving([] { return PhaseOutput{.data = nested(kCrashing)}; }, {.timeout = timeout}), bus_);
    EXPECT_EQ(failure_of(data).fault, PhaseFault::invalid_output);
    EventAwarePhase metadata(giving(
                                 [] {
                                   PhaseOutput output;
                                   output.metadata["deep"] = nested(kCrashing);
                                   return output;
                                 },
                                 {.timeout = timeout}),
                             bus_);
    EXPECT_EQ(failure_of(metadata).message,
              "phase \"a\" refuses its output: its metadata: " + std::string(kTooDeep));
  }
}

TEST_F(PhaseData, OfAnOutputThatIsNotTextIsRefusedAndNobodyHearsOfIt) {
  EventAwarePhase phase(giving([] { return PhaseOutput{.data = {{"text", "\xff"}}}; }), bus_);
  const PhaseError error = failure_of(phase);
  EXPECT_EQ(error.fault, PhaseFault::invalid_output);
  EXPECT_NE(error.message.find("is not valid UTF-8 at byte 0"), std::string::npos) << error.message;
  EventAwarePhase binary(giving([] { return PhaseOutput{.data = Json::binary({1, 2})}; }), bus_);
  EXPECT_EQ(failure_of(binary).fault, PhaseFault::invalid_output);
  EventAwarePhase metadata(giving([] {
                             return PhaseOutput{.metadata = {{"model", "\xff"}}};
                           }),
                           bus_);
  EXPECT_EQ(failure_of(metadata).fault, PhaseFault::invalid_output);
  expect_readable({"phase.started a", "phase.failed a", "phase.started a", "phase.failed a",
                   "phase.started a", "phase.failed a"});
}

TEST_F(PhaseData, ThatWouldCrashIsRefusedAsAnInput) {
  EventAwarePhase phase(adding("a"), bus_);
  PhaseInput input;
  input.data = nested(kCrashing);
  const PhaseError error = failure_of(phase, input);
  EXPECT_EQ(error.fault, PhaseFault::invalid_input);
  EXPECT_EQ(error.message, "phase \"a\" refuses its input: its data: " + std::string(kTooDeep));
  PhaseInput metadata;
  metadata.metadata["deep"] = nested(kCrashing);
  RetryablePhase retryable(adding("a"), bus_);
  EXPECT_EQ(failure_of(retryable, metadata).fault, PhaseFault::invalid_input);
  expect_readable({"phase.started a", "phase.failed a", "phase.started a", "phase.failed a",
                   "phase.final_failure a"});
}

TEST_F(PhaseData, ThatIsNotTextIsRefusedAsAnInput) {
  EventAwarePhase phase(adding("a"), bus_);
  EXPECT_EQ(failure_of(phase, {.request = "a\xff"}).message,
            "phase \"a\" refuses its input: its request \"a\\xff\" is not UTF-8 at byte 1");
  EXPECT_EQ(failure_of(phase, {.data = "\xff"}).fault, PhaseFault::invalid_input);
  EXPECT_EQ(failure_of(phase, {.data = Json::binary({1, 2})}).fault, PhaseFault::invalid_input);
  EXPECT_EQ(failure_of(phase, {.metadata = {{"user", "\xff"}}}).fault, PhaseFault::invalid_input);
  for (const Event& event : heard_.events()) EXPECT_NO_THROW((void)event.json().dump());
}

TEST_F(PhaseData, OfAChainIsRefusedBeforeAnythingRuns) {
  const PhaseOrchestrator orchestrator(bus_);
  const auto refusal = [&](PhaseInput input) {
    return error_of(ErrorCode::invalid_argument,
                    [&] { orchestrator.execute_chain({adding("a")}, std::move(input)); });
  };
  PhaseInput deep;
  deep.data = nested(kCrashing);
  EXPECT_EQ(refusal(std::move(deep)),
            "execute_chain: the input is refused: its data: " + std::string(kTooDeep));
  EXPECT_NE(refusal({.request = "\xff"}).find("its request"), std::string::npos);
  EXPECT_NE(refusal({.metadata = {{"user", "\xff"}}}).find("its metadata"), std::string::npos);
  EXPECT_EQ(heard_.lines(), Lines{});
}

/// Announces itself, though it says nothing: nobody has looked at what it gives.
class OnItsOwn final : public Phase {
 public:
  std::string name() const override { return "own"; }
  PhaseOutput execute(const PhaseInput&, PhaseContext&) override {
    PhaseOutput output;
    output.data = nested(kCrashing);
    return output;
  }
  bool announces_itself() const noexcept override { return true; }
};

TEST_F(PhaseData, OfAPhaseThatAnnouncesItselfGoesNoFurtherEither) {
  const PhaseOrchestrator orchestrator(bus_);
  const ChainResult result =
      orchestrator.execute_chain({std::make_shared<OnItsOwn>(), adding("b")});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error->fault, PhaseFault::invalid_output);
  EXPECT_EQ(
      result.error->message,
      "phase \"own\" gave an output that no event could carry: its data: " + std::string(kTooDeep));
}

}  // namespace
}  // namespace busway::phase
