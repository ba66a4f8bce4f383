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
  }
  static void set_stop(phase::PhaseContext& context, std::stop_token stop) noexcept {
    context.stop_ = std::move(stop);
  }
  static void set_deadline(phase::PhaseContext& context, SteadyTime deadline) noexcept {
    context.deadline_ = deadline;
  }
};

}  // namespace busway::phase_detail
