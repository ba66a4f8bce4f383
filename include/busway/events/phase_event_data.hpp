// busway/events/phase_event_data.hpp -- what a phase of a chain says of itself.
// Layer: event
//
// Model      Payload of phase.started, .completed, .failed, .retrying, .retry_success and
//            .final_failure.
//            Attempts are counted from 1.
// Threads    A plain struct; the builders are [any-thread].
// Ownership  Owns its fields.
// Errors     Reading JSON: fields that are missing keep their default, others must have the right
//            type. Builders throw what the constructor of Event throws.
// Cost       A builder allocates the payload and what its texts need.
// Example    tests/event/events/builders_test.cpp
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "busway/event.hpp"
#include "busway/json.hpp"

namespace busway {

struct PhaseEventData {
  static constexpr std::string_view type_name = "PhaseEventData";

  std::string phase_name{};
  std::string session_id{};
  Json input{};
  Json output{};
  std::string error{};
  double duration_ms = 0;
  int attempt = 1;
  int max_attempts = 1;
  Json metadata = Json::object();
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(PhaseEventData, phase_name, session_id, input,
                                                output, error, duration_ms, attempt, max_attempts,
                                                metadata)

/// A session that is given becomes event.session_id() too, unless the options name one.
[[nodiscard]] Event phase_started(std::string_view name, std::string_view session, Json input = {},
                                  const EventOptions& options = {});
[[nodiscard]] Event phase_completed(std::string_view name, std::string_view session, Json output,
                                    double duration_ms, const EventOptions& options = {});
[[nodiscard]] Event phase_failed(std::string_view name, std::string_view session,
                                 std::string_view error, int attempt, int max_attempts,
                                 const EventOptions& options = {});
[[nodiscard]] Event phase_retrying(std::string_view name, std::string_view session, int attempt,
                                   int max_attempts, const EventOptions& options = {});
[[nodiscard]] Event phase_retry_success(std::string_view name, std::string_view session,
                                        int attempt, int max_attempts,
                                        const EventOptions& options = {});
[[nodiscard]] Event phase_final_failure(std::string_view name, std::string_view session,
                                        std::string_view error, int attempt, int max_attempts,
                                        const EventOptions& options = {});

}  // namespace busway
