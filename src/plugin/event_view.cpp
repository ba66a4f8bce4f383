#include "plugin/event_view.hpp"

#include <nlohmann/json.hpp>

#include "event/json_guard.hpp"
#include "plugin/abi_values.hpp"

namespace busway::plugin_host_detail {

void write_id(const EventId& id, std::uint8_t (&out)[16]) noexcept {
  for (unsigned i = 0; i < 8; ++i) {
    out[i] = static_cast<std::uint8_t>(id.high >> (56U - 8U * i));
    out[8 + i] = static_cast<std::uint8_t>(id.low >> (56U - 8U * i));
  }
}

EventView::EventView(const Event& event) {
  raw_.size = sizeof raw_;
  raw_.priority = static_cast<std::uint8_t>(event.priority());
  raw_.origin = static_cast<std::uint8_t>(event.origin());
  raw_.schema_version = event.schema_version();
  raw_.hops = event.hops();
  raw_.payload_kind = !event.has_payload() ? BUSWAY_PAYLOAD_NONE
                      : event.is_bytes()   ? BUSWAY_PAYLOAD_BYTES
                                           : BUSWAY_PAYLOAD_JSON;
  write_id(event.id(), raw_.id);
  write_id(event.causation_id(), raw_.causation_id);
  raw_.time_ns = event.time().time_since_epoch().count();
  raw_.topic = to_view(event.topic());
  raw_.source = to_view(event.source());
  if (event.has_payload()) {
    const auto bytes = event.bytes();
    raw_.payload = {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  raw_.content_type = to_view(event.content_type());
  if (!event.metadata().empty()) metadata_ = detail::dump_json(event.metadata().json());
  raw_.metadata = to_view(metadata_);
  raw_.key = to_view(event.key());
  raw_.user_id = to_view(event.user_id());
  raw_.session_id = to_view(event.session_id());
  raw_.instance_id = to_view(event.instance_id());
  raw_.schema = to_view(event.schema());
  raw_.entity = to_view(event.entity());
  raw_.operation = to_view(event.operation());
  raw_.correlation_id = to_view(event.correlation_id());
  raw_.traceparent = to_view(event.traceparent());
}

}  // namespace busway::plugin_host_detail
