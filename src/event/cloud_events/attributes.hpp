// event/cloud_events/attributes.hpp -- the names of the attributes that busway knows.
// Layer: event
//
// Model      One table for reader and writer.
// Threads    None: constants.
// Errors     None.
// Cost       None.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "event/rare_fields.hpp"

namespace busway::detail {

inline constexpr std::string_view kSpecVersion = "1.0";

/// The extension attribute of each RareText, in its order.
inline constexpr std::array<std::string_view, kRareTexts> kRareAttributes{
    "partitionkey", "userid",    "sessionid",     "instanceid", "schema",
    "entity",       "operation", "correlationid", "traceparent"};

/// The others; with kRareAttributes, all that are not kept in event.extensions() as a rule. Three
/// of them are, in the form they came, where an Event's own field cannot hold that form: id and
/// causationid that are not UUIDs, and a datacontenttype of JSON other than application/json.
inline constexpr std::array<std::string_view, 14> kOtherAttributes{
    "specversion",     "id",   "source",      "type",     "time",
    "datacontenttype", "data", "data_base64", "metadata", "schemaversion",
    "causationid",     "hops", "origin",      "priority"};

}  // namespace busway::detail
