// record.hpp -- what the audit log keeps of an event.
//
// Model      Members in this order, those that are empty left out: time, topic, source, id, origin,
//            user_id, session_id, schema, entity, operation, correlation_id, causation_id, then
//            data, or data_base64 with content_type. Values of secret keys are "***".
// Threads    [any-thread]
// Ownership  None.
// Errors     PluginError when a payload that says it is JSON is none.
// Cost       The payload's JSON is read and written.
#pragma once

#include <string>

#include <busway/plugin.hpp>

#include "shared/secrets.hpp"

namespace audit_log {

/// The text of a JSON object, on one line.
[[nodiscard]] std::string record_of(const busway::PluginEvent& event,
                                    const shared::Secrets& secrets);

}  // namespace audit_log
