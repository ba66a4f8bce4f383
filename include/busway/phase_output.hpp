// busway/phase_output.hpp -- what a phase gives back.
// Layer: phase
//
// Model      data is handed to the phase that comes next, and is what a cache keeps. metadata says
//            how it came about (tokens used, a model's name): it goes into phase.completed and the
//            result, not to the next phase. request and session_id become those of the input where
//            the phase leaves them empty.
// Threads    A plain struct.
// Ownership  Owns its fields.
// Errors     None here. Metadata that is no object, text that is not UTF-8, bytes, and data nested
//            more than 63 levels deep make the phase fail as one with an output that is not valid.
// Cost       A copy copies the data.
// Example    examples/11_phases
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "busway/json.hpp"

namespace busway::phase {

struct PhaseOutput {
  std::string request{};
  Json data{};
  std::string session_id{};
  Json metadata = Json::object();
};

}  // namespace busway::phase
