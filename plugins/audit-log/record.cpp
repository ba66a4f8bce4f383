#include "record.hpp"

#include <openssl/evp.h>

#include <nlohmann/json.hpp>
#include <string_view>

#include "shared/rfc3339.hpp"

namespace audit_log {
namespace {

using Ordered = nlohmann::ordered_json;

std::string base64(std::string_view bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');  // it ends what it writes with NUL
  const int size = ::EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                     reinterpret_cast<const unsigned char*>(bytes.data()),
                                     static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

std::string_view word_of(busway::Origin origin) noexcept {
  switch (origin) {
    case busway::Origin::internal: return "internal";
    case busway::Origin::system: return "system";
    case busway::Origin::database: return "database";
    case busway::Origin::websocket: return "websocket";
    case busway::Origin::frontend: return "frontend";
    case busway::Origin::plugin: return "plugin";
  }
  return {};
}

}  // namespace

std::string record_of(const busway::PluginEvent& event, const shared::Secrets& secrets) {
  Ordered out;
  const auto add = [&out](const char* key, std::string_view text) {
    if (!text.empty()) out[key] = text;
  };
  out["time"] = shared::format_rfc3339(event.time());
  out["topic"] = event.topic();
  add("source", event.source());
  out["id"] = event.id();
  out["origin"] = word_of(event.origin());
  add("user_id", event.user_id());
  add("session_id", event.session_id());
  add("schema", event.schema());
  add("entity", event.entity());
  add("operation", event.operation());
  add("correlation_id", event.correlation_id());
  const std::string cause = event.causation_id();
  if (cause.find_first_not_of("0-") != std::string::npos) out["causation_id"] = cause;
  if (event.is_json()) {
    nlohmann::json data = event.json();
    (void)secrets.mask(data);
    out["data"] = data;
  } else if (event.has_payload()) {
    add("content_type", event.content_type());
    out["data_base64"] = base64(event.bytes());
  }
  return out.dump(-1, ' ', false, Ordered::error_handler_t::replace);
}

}  // namespace audit_log
