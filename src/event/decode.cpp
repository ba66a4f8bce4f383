// Reading a payload as a C++ type that is not the very type it was published as.

#include <exception>
#include <new>
#include <nlohmann/json.hpp>
#include <string>

#include "base/escape.hpp"
#include "busway/error.hpp"
#include "busway/event.hpp"
#include "busway/typed_event.hpp"
#include "event/bytes_value.hpp"
#include "event/payload_cache.hpp"

namespace busway {
namespace {

std::string describe_payload(const Event& event) {
  if (!event.has_payload()) return "an event without a payload";
  if (event.is_json()) return "a JSON payload";
  if (event.is_bytes()) return "bytes of content type " + quote(event.content_type());
  return "a payload of type " + quote(event.payload_name());
}

// Why no conversion can be tried, or "".
std::string refuse(const Event& event, const detail::PayloadType* from,
                   const detail::PayloadType& wanted) {
  if (from == nullptr) return "there is nothing to read";
  if (event.is_typed()) {
    if (from->name != wanted.name) return "it is another type";
    if (from->version == wanted.version) {
      return "name and version " + std::to_string(wanted.version) +
             " agree, but it was built with another layout (" + std::to_string(from->size) +
             " bytes, here " + std::to_string(wanted.size) + "); rebuild, or raise schema_version";
    }
  }
  if (event.is_bytes() && !detail::is_json_content_type(event.content_type())) {
    return "only bytes of a JSON content type can be decoded";
  }
  if (wanted.from_json == nullptr) {
    return "the type stays in one process (in_process) and cannot be read from JSON";
  }
  return {};
}

}  // namespace

const void* Event::decode(const detail::PayloadType& wanted, std::string* why) const {
  if (type_ != nullptr && detail::same_type(*type_, wanted)) return object_;
  std::string fault = refuse(*this, type_, wanted);
  if (fault.empty()) {
    const std::uint32_t from_version = is_typed() ? type_->version : schema_version_;
    try {
      return detail::cached_object(cache(), wanted, json(), from_version);
    } catch (const std::bad_alloc&) {
      throw;
    } catch (const Error& error) {
      fault = error.what();
    } catch (const std::exception& error) {
      fault = escape(error.what());
    } catch (...) {
      fault = "its conversion threw something that is not a std::exception";
    }
  }
  if (why != nullptr) {
    *why = "as<" + escape(wanted.name) + ">() on " + describe_payload(*this) + " (topic " +
           escape(topic()) + "): " + fault;
  }
  return nullptr;
}

const void* detail::decode_or_throw(const Event& event, const PayloadType& wanted) {
  std::string why;
  if (const void* const object = event.decode(wanted, &why)) return object;
  throw Error(ErrorCode::payload_type, why);
}

}  // namespace busway
