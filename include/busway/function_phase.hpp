// busway/function_phase.hpp -- makes a phase of a function.
// Layer: phase
//
// Model      make_phase("plan", [](const PhaseInput& input) { return Json{{"steps", 3}}; }). The
//            function takes const PhaseInput& or its const Json& data, each with or without
//            PhaseContext&, and returns a PhaseOutput or its Json data. Coroutines: include
//            busway/phase_coroutine.hpp.
// Threads    As Phase: a function that two chains share is entered by both.
// Ownership  The phase owns the function and what it captured.
// Errors     FunctionPhase: Error(invalid_argument) for a function that is null. What the functions
//            throw fails the attempt.
// Cost       A std::function a call.
// Example    tests/phase/function_phase_test.cpp
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "busway/phase.hpp"

namespace busway::phase {

/// The rest of a phase; what is unset is as in Phase.
struct PhaseOptions {
  std::optional<std::chrono::nanoseconds> timeout{};  ///< of one attempt
  std::optional<std::chrono::nanoseconds> estimated_duration{};
  std::function<std::optional<std::string>(const PhaseInput&)> validate_input{};
  std::function<std::optional<std::string>(const PhaseOutput&)> validate_output{};
  std::function<bool(const PhaseError&)> can_retry{};
};

class FunctionPhase final : public Phase {
 public:
  using Function = std::function<PhaseOutput(const PhaseInput&, PhaseContext&)>;

  FunctionPhase(std::string name, Function function, PhaseOptions options = {});

  [[nodiscard]] std::string name() const override { return name_; }
  PhaseOutput execute(const PhaseInput& input, PhaseContext& context) override;
  [[nodiscard]] std::optional<std::string> validate_input(const PhaseInput& input) const override;
  [[nodiscard]] std::optional<std::string> validate_output(
      const PhaseOutput& output) const override;
  [[nodiscard]] std::optional<std::chrono::nanoseconds> estimated_duration() const override {
    return options_.estimated_duration;
  }
  [[nodiscard]] std::optional<std::chrono::nanoseconds> timeout() const override {
    return options_.timeout;
  }
  [[nodiscard]] bool can_retry(const PhaseError& error) const override;

 private:
  const std::string name_;
  const Function function_;
  const PhaseOptions options_;
};

}  // namespace busway::phase

namespace busway::phase_detail {

/// What a function may return beside a PhaseOutput and Json: busway/phase_coroutine.hpp specialises
/// it, with static PhaseOutput run(phase::PhaseContext&, Result).
template <class Result>
struct PhaseResult;

template <class Result>
phase::PhaseOutput output_of(phase::PhaseContext& context, Result result) {
  if constexpr (std::is_same_v<Result, phase::PhaseOutput>) {
    return result;
  } else if constexpr (std::is_same_v<Result, Json>) {
    phase::PhaseOutput output;
    output.data = std::move(result);
    return output;
  } else {
    return PhaseResult<Result>::run(context, std::move(result));
  }
}

template <class F>
phase::PhaseOutput call_phase(F& function, const phase::PhaseInput& input,
                              phase::PhaseContext& context) {
  if constexpr (std::is_invocable_v<F&, const phase::PhaseInput&, phase::PhaseContext&>) {
    return output_of(context, function(input, context));
  } else if constexpr (std::is_invocable_v<F&, const phase::PhaseInput&>) {
    return output_of(context, function(input));
  } else if constexpr (std::is_invocable_v<F&, const Json&, phase::PhaseContext&>) {
    return output_of(context, function(input.data, context));
  } else {
    static_assert(std::is_invocable_v<F&, const Json&>,
                  "the function of a phase takes const PhaseInput& or const Json&, each with or "
                  "without PhaseContext&");
    return output_of(context, function(input.data));
  }
}

}  // namespace busway::phase_detail

namespace busway::phase {

template <class F>
[[nodiscard]] std::shared_ptr<Phase> make_phase(std::string name, F function,
                                                PhaseOptions options = {}) {
  return std::make_shared<FunctionPhase>(
      std::move(name),
      [function = std::move(function)](const PhaseInput& input, PhaseContext& context) mutable {
        return phase_detail::call_phase(function, input, context);
      },
      std::move(options));
}

}  // namespace busway::phase
