#include <nlohmann/json.hpp>
#include <string>

#include "busway/cloud_events.hpp"
#include "busway/error.hpp"
#include "event/cloud_events/attributes.hpp"
#include "event/cloud_events/base64.hpp"
#include "event/cloud_events/foreign_id.hpp"
#include "event/cloud_events/rfc3339.hpp"
#include "event/event_access.hpp"
#include "event/json_guard.hpp"

namespace busway {
namespace {

using detail::RareText;

constexpr std::string_view kDefaultSource = "/busway";

std::string source_of(const Event& event, std::string_view instance_id) {
  if (!event.source().empty()) return std::string(event.source());
  std::string source(kDefaultSource);
  if (!instance_id.empty()) source.append("/").append(instance_id);
  return source;
}

// A text under which the event came in, while it still is that event.
std::string id_of(const Event& event) {
  const auto kept = event.extensions().find("id");
  if (kept != event.extensions().end() && kept->is_string()) {
    const auto& text = kept->get_ref<const std::string&>();
    const auto same = EventId::parse(text);
    if (same == event.id() || detail::derive_id(event.source(), text) == event.id()) return text;
  }
  return to_string(event.id());
}

// The id of the cause, unless the extensions hold it in the form it came in.
void write_cause(Json& out, const Event& event) {
  const EventId cause = event.causation_id();
  if (cause.is_nil()) return;
  const auto kept = out.find("causationid");
  if (kept != out.end() && kept->is_string() &&
      EventId::parse(kept->get_ref<const std::string&>()) == cause) {
    return;
  }
  out["causationid"] = to_string(cause);
}

void write_rare(Json& out, const Event& event, std::string_view instance_id) {
  const detail::RareFields* const rare = detail::EventAccess::rare(event);
  for (std::size_t i = 0; i < detail::kRareTexts; ++i) {
    const auto which = static_cast<RareText>(i);
    std::string_view text = rare == nullptr ? std::string_view{} : rare->text(which);
    if (text.empty() && which == RareText::instance_id) text = instance_id;
    if (!text.empty()) out[std::string(detail::kRareAttributes[i])] = text;
  }
  if (!event.metadata().empty()) out["metadata"] = detail::dump_json(event.metadata().json());
}

void write_payload(Json& out, const Event& event) {
  if (!event.has_payload()) return;
  if (event.is_bytes()) {
    out["datacontenttype"] = event.content_type();
    out["data_base64"] = detail::encode_base64(event.bytes());
    return;
  }
  // JSON of another JSON content type: that stands in the extensions and was copied from there.
  if (!event.is_json() || !out.contains("datacontenttype")) {
    out["datacontenttype"] = event.content_type();
  }
  out["data"] = event.json();
}

}  // namespace

Json to_cloud_event(const Event& event, std::string_view instance_id) {
  if (event.id().is_nil()) {
    throw Error(ErrorCode::invalid_event,
                to_string(event) +
                    " has no id: it gets one when it is published, or from "
                    "EventOptions::id");
  }
  Json out = event.extensions();
  if (!event.has_payload()) out.erase("datacontenttype");
  out["specversion"] = detail::kSpecVersion;
  out["id"] = id_of(event);
  out["source"] = source_of(event, instance_id);
  out["type"] = event.topic();
  if (event.time() != WallTime{}) out["time"] = detail::format_rfc3339(event.time());
  if (event.origin() != Origin::internal) out["origin"] = to_string(event.origin());
  if (event.priority() != Priority::normal) out["priority"] = to_string(event.priority());
  if (event.schema_version() != 1) out["schemaversion"] = event.schema_version();
  write_cause(out, event);
  if (event.hops() != 0) out["hops"] = event.hops();
  write_rare(out, event, instance_id);
  write_payload(out, event);
  return out;
}

std::string to_cloud_event_text(const Event& event, std::string_view instance_id) {
  return detail::dump_json(to_cloud_event(event, instance_id));
}

}  // namespace busway
