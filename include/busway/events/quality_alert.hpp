// busway/events/quality_alert.hpp -- a phase fails or lags more often than it should.
// Layer: event
//
// Model      Payload of quality.alert. success_rate is between 0 and 1.
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
#include "busway/topics.hpp"

namespace busway {

struct QualityAlert {
  static constexpr std::string_view topic = topics::kQualityAlert;
  static constexpr std::string_view type_name = "QualityAlert";

  std::string phase_name{};
  int failure_count = 0;
  double success_rate = 0;
  double duration_ms = 0;
  std::string reason{};
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(QualityAlert, phase_name, failure_count,
                                                success_rate, duration_ms, reason)

[[nodiscard]] Event quality_alert(QualityAlert alert, const EventOptions& options = {});

}  // namespace busway
