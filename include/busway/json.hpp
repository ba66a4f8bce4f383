// busway/json.hpp -- the JSON type of busway, declared but not defined.
// Layer: event
//
// Model      Json is nlohmann::json. This header only names it, so that a file that does not touch
//            JSON does not pay for it; include <nlohmann/json.hpp> where you read or build a value.
// Threads    A Json is a plain value: [not-concurrent] unless const.
// Ownership  None.
// Errors     None.
// Cost       Forward declarations only.
// Example    examples/01_hello
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace busway {

using Json = nlohmann::json;

}  // namespace busway
