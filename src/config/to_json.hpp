// config/to_json.hpp -- a free-form part of the configuration as JSON, for a plugin.
// Layer: config
//
// Model      Types as in YAML 1.2's core schema: plain null, true, false, whole numbers (also 0x1F
//            and 0o17) and decimal numbers; all else, and whatever is quoted, is a string. Stricter
//            in three things: a leading zero (010), a number that does not fit, and .inf or .nan
//            are errors. A value that a variable made empty is "".
// Threads    [any-thread]
// Errors     Adds to issues; the value is the text as written then. A plain yes, no, on or off is a
//            warning.
// Cost       O(nodes with aliases expanded), bounded by the document's budget.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "config/document.hpp"
#include "config/issues.hpp"

namespace busway::config {

[[nodiscard]] nlohmann::json to_json(const Node& node, const std::string& path,
                                     const SecretKeys& secrets, Issues& issues);

/// The whole document to show: its secrets masked, two spaces of indentation.
[[nodiscard]] std::string masked_dump(const Document& document);

}  // namespace busway::config
