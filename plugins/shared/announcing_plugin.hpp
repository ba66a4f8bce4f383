// shared/announcing_plugin.hpp -- a plugin that tells what it has found out about other events.
//
// Model      announce() publishes, and what the host refuses fails nobody's event: one that was
//            counted would else come again, and be counted twice. An end of the bus or a filter
//            that wants it so are no faults; all else is reported as plugin.error.
// Threads    announce(): [any-thread].
// Ownership  None.
// Errors     announce() says whether the event went out.
// Cost       None of its own.
#pragma once

#include <busway/plugin.hpp>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace shared {

class AnnouncingPlugin : public busway::Plugin {
 protected:
  bool announce(std::string_view topic, const busway::Json& payload,
                const busway::PluginPublishOptions& options = {}) {
    try {
      publish(topic, payload, options);
      return true;
    } catch (const busway::PluginError& error) {
      const bool is_wanted = error.status() == BUSWAY_STOPPED || error.status() == BUSWAY_FILTERED;
      if (!is_wanted) report_error(error.what());
      return false;
    }
  }
};

/// Whether the same event would be refused again however long one waits: it is none, or is not
/// wanted. All else, a store that is full for example, may pass.
[[nodiscard]] constexpr bool is_refused_for_good(busway_status status) noexcept {
  switch (status) {
    case BUSWAY_INVALID_ARGUMENT:
    case BUSWAY_INVALID_TOPIC:
    case BUSWAY_INVALID_OPTION:
    case BUSWAY_INVALID_JSON:
    case BUSWAY_PAYLOAD_TYPE:
    case BUSWAY_PAYLOAD_TOO_LARGE:
    case BUSWAY_NOT_YET:
    case BUSWAY_DENIED:
    case BUSWAY_FILTERED:
    case BUSWAY_HOP_LIMIT: return true;
    default: return false;
  }
}

/// A state of a version that this build does not know.
inline void require_version(std::uint32_t version, std::uint32_t known) {
  if (version == known) return;
  throw std::invalid_argument("a state of version " + std::to_string(version) +
                              "; this build reads version " + std::to_string(known));
}

}  // namespace shared
