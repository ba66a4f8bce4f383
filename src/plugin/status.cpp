#include "plugin/status.hpp"

namespace busway::plugin_host_detail {

busway_status to_status(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::ok: return BUSWAY_OK;
    case ErrorCode::invalid_argument: return BUSWAY_INVALID_ARGUMENT;
    case ErrorCode::invalid_topic: return BUSWAY_INVALID_TOPIC;
    case ErrorCode::invalid_pattern: return BUSWAY_INVALID_PATTERN;
    case ErrorCode::invalid_option: return BUSWAY_INVALID_OPTION;
    case ErrorCode::invalid_json:
    case ErrorCode::too_deep: return BUSWAY_INVALID_JSON;
    case ErrorCode::payload_type: return BUSWAY_PAYLOAD_TYPE;
    case ErrorCode::payload_too_large: return BUSWAY_PAYLOAD_TOO_LARGE;
    case ErrorCode::not_yet: return BUSWAY_NOT_YET;
    case ErrorCode::not_found: return BUSWAY_NOT_FOUND;
    case ErrorCode::denied: return BUSWAY_DENIED;
    case ErrorCode::plugin_state: return BUSWAY_WRONG_STATE;
    case ErrorCode::stopped: return BUSWAY_STOPPED;
    case ErrorCode::disabled: return BUSWAY_DISABLED;
    case ErrorCode::filtered: return BUSWAY_FILTERED;
    case ErrorCode::hop_limit: return BUSWAY_HOP_LIMIT;
    case ErrorCode::queue_full: return BUSWAY_QUEUE_FULL;
    case ErrorCode::no_responder: return BUSWAY_NO_RESPONDER;
    case ErrorCode::timed_out: return BUSWAY_TIMED_OUT;
    case ErrorCode::would_block: return BUSWAY_WOULD_BLOCK;
    case ErrorCode::too_many: return BUSWAY_TOO_MANY;
    case ErrorCode::internal: return BUSWAY_INTERNAL;
    default: return BUSWAY_FAILED;
  }
}

const char* status_name(busway_status status) noexcept {
  switch (status) {
#define BUSWAY_STATUS_NAME(name) \
  case name: return #name;
    BUSWAY_STATUS_NAME(BUSWAY_OK)
    BUSWAY_STATUS_NAME(BUSWAY_FAILED)
    BUSWAY_STATUS_NAME(BUSWAY_INVALID_ARGUMENT)
    BUSWAY_STATUS_NAME(BUSWAY_INVALID_TOPIC)
    BUSWAY_STATUS_NAME(BUSWAY_INVALID_PATTERN)
    BUSWAY_STATUS_NAME(BUSWAY_INVALID_OPTION)
    BUSWAY_STATUS_NAME(BUSWAY_INVALID_JSON)
    BUSWAY_STATUS_NAME(BUSWAY_PAYLOAD_TYPE)
    BUSWAY_STATUS_NAME(BUSWAY_PAYLOAD_TOO_LARGE)
    BUSWAY_STATUS_NAME(BUSWAY_NOT_YET)
    BUSWAY_STATUS_NAME(BUSWAY_NOT_FOUND)
    BUSWAY_STATUS_NAME(BUSWAY_DENIED)
    BUSWAY_STATUS_NAME(BUSWAY_WRONG_STATE)
    BUSWAY_STATUS_NAME(BUSWAY_STOPPED)
    BUSWAY_STATUS_NAME(BUSWAY_DISABLED)
    BUSWAY_STATUS_NAME(BUSWAY_FILTERED)
    BUSWAY_STATUS_NAME(BUSWAY_HOP_LIMIT)
    BUSWAY_STATUS_NAME(BUSWAY_QUEUE_FULL)
    BUSWAY_STATUS_NAME(BUSWAY_NO_RESPONDER)
    BUSWAY_STATUS_NAME(BUSWAY_TIMED_OUT)
    BUSWAY_STATUS_NAME(BUSWAY_WOULD_BLOCK)
    BUSWAY_STATUS_NAME(BUSWAY_TOO_MANY)
    BUSWAY_STATUS_NAME(BUSWAY_OUT_OF_MEMORY)
    BUSWAY_STATUS_NAME(BUSWAY_INTERNAL)
    BUSWAY_STATUS_NAME(BUSWAY_RETRY)
    BUSWAY_STATUS_NAME(BUSWAY_DEAD_LETTER)
#undef BUSWAY_STATUS_NAME
    default: return "unknown status";
  }
}

}  // namespace busway::plugin_host_detail
