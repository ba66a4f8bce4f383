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

/// A state of a version that this build does not know.
inline void require_version(std::uint32_t version, std::uint32_t known) {
  if (version == known) return;
  throw std::invalid_argument("a state of version " + std::to_string(version) +
                              "; this build reads version " + std::to_string(known));
}

}  // namespace shared
