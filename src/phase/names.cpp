#include "phase/names.hpp"

#include "base/escape.hpp"
#include "event/text_field.hpp"
#include "phase/limits.hpp"

namespace busway::phase_detail {

std::string require_name(const phase::Phase* phase, std::string_view who) {
  if (phase == nullptr) {
    throw Error(ErrorCode::invalid_argument, std::string(who) + ": the phase is null");
  }
  std::string name = phase->name();
  std::string fault;
  if (name.empty()) {
    fault = "is empty";
  } else if (name.size() > kNameBytesMax) {
    fault = "has " + std::to_string(name.size()) + " bytes";
  } else {
    fault = detail::text_field_fault(name);
  }
  if (!fault.empty()) {
    throw Error(ErrorCode::invalid_argument, std::string(who) + ": the phase's name " +
                                                 quote(name) + " " + fault + "; a name is 1 to " +
                                                 std::to_string(kNameBytesMax) +
                                                 " bytes of UTF-8 without control characters");
  }
  return name;
}

std::optional<std::string> metadata_fault(const Json& metadata) {
  if (metadata.is_object() || metadata.is_null()) return std::nullopt;
  return "its metadata is of the type " + std::string(metadata.type_name()) +
         "; metadata is a JSON object";
}

}  // namespace busway::phase_detail
