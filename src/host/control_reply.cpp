#include "host/control_reply.hpp"

#include <nlohmann/json.hpp>

namespace busway::host_detail {

std::string to_line(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string error_line(ErrorCode code, std::string_view message) {
  return to_line({{"error", {{"code", to_string(code)}, {"message", message}}}});
}

}  // namespace busway::host_detail
