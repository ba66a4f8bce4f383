// host/control_requests.hpp -- what an operator may ask of a running host: the verbs.
// Layer: host
//
// Model      A request is a JSON object whose key "do" names a verb, and the verb says which other
//            keys there are. A further verb is a row of the table in control_requests.cpp.
//            docs/control_socket.md describes them.
// Threads    [any-thread]; answer() may wait for as long as a reload takes.
// Ownership  Borrows the plugins.
// Errors     Sent as {"error":{"code","message"}}.
// Cost       That of the verb.
#pragma once

#include <chrono>
#include <string_view>
#include <vector>

#include "busway/json.hpp"
#include "busway/plugin_manager.hpp"
#include "host/control_reply.hpp"

namespace busway::host_detail {

/// How long a plugin that does not tell its health may keep a reply back.
inline constexpr std::chrono::milliseconds kHealthPatience(500);

void answer_control(PluginManager& plugins, std::string_view line, ControlReply& reply);

/// `asked` as it was examined, but for those that, as `now` tells, have been stopped, replaced or
/// taken out since: nobody knows whether what they said was said of what is there now.
[[nodiscard]] std::vector<PluginInfo> with_changes_since(std::vector<PluginInfo> asked,
                                                         const std::vector<PluginInfo>& now);

/// All of it, by its own names; times in milliseconds.
[[nodiscard]] Json to_json(const PluginInfo& info);

}  // namespace busway::host_detail
