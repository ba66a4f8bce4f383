// plugin/event_view.hpp -- an Event as the struct that plugins see.
// Layer: plugin
//
// Model      Built for one call into a plugin. A typed payload becomes JSON text, made once an
//            event.
// Threads    [not-concurrent]
// Ownership  Refers to the event and holds the texts made for the view.
// Errors     Throws Error(payload_type) when a typed payload has no JSON form.
// Cost       Text of metadata when there is any; the payload's text is cached in the event.
#pragma once

#include <string>

#include "busway/event.hpp"
#include "busway/plugin.h"

namespace busway::plugin_host_detail {

class EventView {
 public:
  explicit EventView(const Event& event);
  EventView(const EventView&) = delete;
  EventView& operator=(const EventView&) = delete;

  [[nodiscard]] const busway_event& raw() const noexcept { return raw_; }

 private:
  std::string metadata_;
  busway_event raw_{};
};

void write_id(const EventId& id, std::uint8_t (&out)[16]) noexcept;

}  // namespace busway::plugin_host_detail
