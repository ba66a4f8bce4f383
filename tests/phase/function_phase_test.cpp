#include "busway/function_phase.hpp"

#include "phase_fixture.hpp"

namespace busway::phase {
namespace {

TEST(FunctionPhase, TakesInputOrDataEachWithOrWithoutContextAndGivesAnOutputOrData) {
  const PhaseInput input{.request = "r", .data = Json(20)};
  EXPECT_EQ(
      run(*make_phase("a", [](const PhaseInput& in) { return Json(in.request); }), input).data,
      "r");
  EXPECT_EQ(run(*make_phase("b",
                            [](const PhaseInput& in, PhaseContext& context) {
                              return Json(in.data.get<int>() + context.attempt());
                            }),
                input)
                .data,
            21);
  EXPECT_EQ(
      run(*make_phase("c", [](const Json& data) { return Json(data.get<int>() * 2); }), input).data,
      40);
  const PhaseOutput output = run(
      *make_phase("d",
                  [](const Json& data, PhaseContext& context) {
                    return PhaseOutput{.data = data, .metadata = {{"of", context.max_attempts()}}};
                  }),
      input);
  EXPECT_EQ(output.data, 20);
  EXPECT_EQ(output.metadata, (Json{{"of", 1}}));
}

TEST(FunctionPhase, KeepsWhatItsFunctionOwns) {
  auto owned = std::make_shared<int>(7);
  const std::weak_ptr<int> watched = owned;
  Shared phase = make_phase("a", [owned = std::move(owned)](const Json&) { return Json(*owned); });
  EXPECT_EQ(run(*phase).data, 7);
  phase.reset();
  EXPECT_TRUE(watched.expired());
}

TEST(FunctionPhase, WithoutOptionsIsAsAnyPhase) {
  const Shared phase = adding("a");
  EXPECT_EQ(phase->name(), "a");
  EXPECT_EQ(phase->timeout(), std::nullopt);
  EXPECT_EQ(phase->estimated_duration(), std::nullopt);
  EXPECT_EQ(phase->validate_input({}), std::nullopt);
  EXPECT_EQ(phase->validate_output({}), std::nullopt);
  EXPECT_FALSE(phase->announces_itself());
  for (const auto& [fault, retry] :
       {std::pair{PhaseFault::threw, true}, std::pair{PhaseFault::timed_out, true},
        std::pair{PhaseFault::invalid_input, false}, std::pair{PhaseFault::invalid_output, true},
        std::pair{PhaseFault::cancelled, false}, std::pair{PhaseFault::not_begun, true}}) {
    EXPECT_EQ(phase->can_retry({.fault = fault}), retry) << to_string(fault);
  }
}

TEST(FunctionPhase, NeedsAFunction) {
  EXPECT_EQ(error_of(ErrorCode::invalid_argument, [] { FunctionPhase("a", nullptr); }),
            "make_phase: the function of phase \"a\" is null");
}

}  // namespace
}  // namespace busway::phase
