#include "phase/names.hpp"

#include "base/escape.hpp"
#include "base/utf8.hpp"
#include "event/json_guard.hpp"
#include "event/text_field.hpp"
#include "phase/limits.hpp"

namespace busway::phase_detail {
namespace {

/// Why events could not carry it: nested too deep to be copied, or nothing that JSON can tell.
std::optional<std::string> json_fault(const Json& value, std::string_view which) {
  try {
    detail::check_json(value, kDataDepthMax);
    return std::nullopt;
  } catch (const Error& error) {
    return "its " + std::string(which) + ": " + error.what();
  }
}

}  // namespace

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
  if (metadata.is_object() || metadata.is_null()) return json_fault(metadata, "metadata");
  return "its metadata is of the type " + std::string(metadata.type_name()) +
         "; metadata is a JSON object";
}

std::optional<std::string> input_fault(const phase::PhaseInput& input) {
  if (const std::size_t bad = find_invalid_utf8(input.request); bad != std::string::npos) {
    return "its request " + quote(input.request, kErrorBytesMax) + " is not UTF-8 at byte " +
           std::to_string(bad);
  }
  if (auto fault = json_fault(input.data, "data")) return fault;
  return metadata_fault(input.metadata);
}

std::optional<std::string> output_fault(const phase::PhaseOutput& output) {
  if (auto fault = json_fault(output.data, "data")) return fault;
  return metadata_fault(output.metadata);
}

}  // namespace busway::phase_detail
