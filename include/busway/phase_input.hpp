// busway/phase_input.hpp -- what a phase is given.
// Layer: phase
//
// Model      request: what is wanted, in words, the same for each phase of a chain. data: what the
//            phase before it made, or the chain's own for the first. metadata: a JSON object about
//            the run, the same for each phase; it is no part of what a cache looks up by.
// Threads    A plain struct.
// Ownership  Owns its fields.
// Errors     None here. Metadata that is no object, text that is not UTF-8, bytes, and data nested
//            more than 63 levels deep are refused: a phase fails as with an input that is not
//            valid, execute_chain() throws Error(invalid_argument).
// Cost       A copy copies the data.
// Example    examples/11_phases
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "busway/json.hpp"

namespace busway::phase {

struct PhaseInput {
  std::string request{};
  Json data{};
  std::string session_id{};  ///< of all phases of one chain; made by the chain when it is empty
  Json metadata = Json::object();
};

}  // namespace busway::phase
