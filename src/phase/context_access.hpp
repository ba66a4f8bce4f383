// phase/context_access.hpp -- sets what a PhaseContext only tells.
// Layer: phase
//
// Threads    As PhaseContext.
#pragma once

#include <chrono>
#include <optional>
#include <stop_token>
#include <utility>

#include "busway/phase_context.hpp"

namespace busway::phase_detail {

struct ContextAccess {
  [[nodiscard]] static std::optional<std::chrono::nanoseconds> timeout(
      const phase::PhaseContext& context) noexcept {
    return context.timeout_;
  }
  static void set_timeout(phase::PhaseContext& context,
                          std::optional<std::chrono::nanoseconds> timeout) noexcept {
    context.timeout_ = timeout;
  }
  static void set_attempt(phase::PhaseContext& context, int attempt, int max_attempts) noexcept {
    context.attempt_ = attempt;
    context.max_attempts_ = max_attempts;
    context.taken_ = false;
  }
  /// For the execute() of a phase: what was meant for it goes to no phase within it.
  static void take(phase::PhaseContext& context) noexcept {
    context.timeout_.reset();
    context.taken_ = true;
  }
  /// As a phase sees it that gets the context of another one: nothing in it counts its attempts.
  [[nodiscard]] static phase::PhaseContext given(const phase::PhaseContext& context) {
    phase::PhaseContext given = context;
    if (given.taken_) set_attempt(given, 1, 1);
    return given;
  }
  static void set_stop(phase::PhaseContext& context, std::stop_token stop) noexcept {
    context.stop_ = std::move(stop);
  }
  static void set_deadline(phase::PhaseContext& context, SteadyTime deadline) noexcept {
    context.deadline_ = deadline;
  }
};

}  // namespace busway::phase_detail
