#include <algorithm>
#include <charconv>
#include <cstdint>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "base/escape.hpp"
#include "busway/cloud_events.hpp"
#include "busway/error.hpp"
#include "busway/limits.hpp"
#include "busway/topic_name.hpp"
#include "event/bytes_value.hpp"
#include "event/cloud_events/attributes.hpp"
#include "event/cloud_events/base64.hpp"
#include "event/cloud_events/foreign_id.hpp"
#include "event/cloud_events/rfc3339.hpp"
#include "event/event_access.hpp"
#include "event/json_guard.hpp"
#include "event/rare_fields.hpp"
#include "event/text_field.hpp"

namespace busway {
namespace {

using detail::RareText;

// The payload may be as deep as any; the envelope is one level around it.
constexpr std::size_t kEnvelopeDepthMax = limits::kJsonDepthMax + 1;

[[noreturn]] void refuse(std::string_view attribute, const std::string& why,
                         ErrorCode code = ErrorCode::invalid_event) {
  throw Error(code, "CloudEvent attribute " + quote(attribute) + ": " + why);
}

template <std::size_t N>
bool contains(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// One envelope while it is read. Views into it are good until the event is made.
class Reader {
 public:
  explicit Reader(Json& envelope) : envelope_(envelope) {}

  Event read() {
    if (!envelope_.is_object()) {
      throw Error(ErrorCode::invalid_event,
                  "a CloudEvent is a JSON object, not " + std::string(envelope_.type_name()));
    }
    check_version();
    const std::string_view id_text = required("id");
    const std::string_view source = required("source");
    const std::string_view topic = required("type");
    if (const auto fault = check_topic(topic)) refuse("type", *fault, ErrorCode::invalid_topic);

    detail::RareValues values;
    Json extensions = read_extensions();
    const EventId id = read_id(id_text, source, extensions);
    const EventId cause = read_cause(extensions);
    const std::string user = take_user();
    for (std::size_t i = 0; i < detail::kRareTexts; ++i) {
      if (static_cast<RareText>(i) != RareText::user_id) {
        values.texts[i] = optional(detail::kRareAttributes[i]);
      }
    }
    values[RareText::user_id] = user;
    values.metadata = read_metadata();
    Payload payload = read_payload(extensions);
    if (!extensions.empty()) {
      values.extensions = std::make_shared<const Json>(std::move(extensions));
    }

    Event event(
        topic, std::move(payload),
        {.source = source,
         .priority = read_word("priority", parse_priority, Priority::normal, "low, normal or high"),
         .origin = read_word("origin", parse_origin, Origin::internal,
                             "internal, system, database, websocket, frontend or plugin"),
         .schema_version = read_integer("schemaversion", 1, 1),
         .id = id,
         .time = read_time()});
    detail::EventAccess::set_cause(event, cause, read_integer("hops", 0, 0));
    detail::EventAccess::adopt_rare(event, detail::RareFields::make(std::move(values)));
    return event;
  }

 private:
  /// Null when the attribute is absent or null, which CloudEvents says is the same.
  Json* find(std::string_view name) {
    const auto found = envelope_.find(name);
    return found == envelope_.end() || found->is_null() ? nullptr : &*found;
  }

  static std::string_view text_of(std::string_view name, const Json& value) {
    if (!value.is_string()) refuse(name, "is a string, not " + std::string(value.type_name()));
    const auto& text = value.get_ref<const std::string&>();
    const std::string fault = detail::text_field_fault(text);
    if (!fault.empty()) refuse(name, fault);
    return text;
  }

  std::string_view optional(std::string_view name) {
    const Json* const value = find(name);
    return value == nullptr ? std::string_view{} : text_of(name, *value);
  }

  std::string_view required(std::string_view name) {
    const Json* const value = find(name);
    if (value == nullptr) refuse(name, "is missing");
    const std::string_view text = text_of(name, *value);
    if (text.empty()) refuse(name, "is empty");
    return text;
  }

  void check_version() {
    const std::string_view version = required("specversion");
    if (version != detail::kSpecVersion) {
      refuse("specversion", quote(version) + " is not supported; busway reads 1.0");
    }
  }

  // An id that is not written as busway writes it is kept beside the UUID that stands for it.
  static EventId read_id(std::string_view text, std::string_view source, Json& extensions) {
    const std::optional<EventId> id = EventId::parse(text);
    if (id && !id->is_nil()) {
      if (to_string(*id) != text) extensions["id"] = text;
      return *id;
    }
    extensions["id"] = text;
    return detail::derive_id(source, text);
  }

  EventId read_cause(Json& extensions) {
    const std::string_view text = optional("causationid");
    if (text.empty()) return {};
    const std::optional<EventId> id = EventId::parse(text);
    if (id && to_string(*id) == text) return *id;
    extensions["causationid"] = text;
    return id.value_or(EventId{});
  }

  // Integers are accepted.
  std::string take_user() {
    const Json* const value = find("userid");
    if (value == nullptr) return {};
    if (value->is_number_integer()) return value->dump();
    return std::string(text_of("userid", *value));
  }

  std::optional<WallTime> read_time() {
    const Json* const value = find("time");
    if (value == nullptr) return std::nullopt;
    const std::string_view text = text_of("time", *value);
    const std::optional<WallTime> time = detail::parse_rfc3339(text);
    if (!time) {
      refuse("time", quote(text) +
                         " is not an RFC 3339 time of the years 1678 to 2261, such as "
                         "2026-01-31T12:00:00.5Z");
    }
    return time;
  }

  template <class Enum>
  Enum read_word(std::string_view name, std::optional<Enum> (*parse)(std::string_view) noexcept,
                 Enum otherwise, std::string_view known) {
    const std::string_view word = optional(name);
    if (word.empty()) return otherwise;
    const std::optional<Enum> value = parse(word);
    if (!value) refuse(name, quote(word) + " is not one of " + std::string(known));
    return *value;
  }

  // As a number, or as decimal text: in HTTP headers every attribute is text.
  std::uint16_t read_integer(std::string_view name, std::uint16_t otherwise, std::uint16_t min) {
    const Json* const value = find(name);
    if (value == nullptr) return otherwise;
    const std::string text = value->is_string() ? value->get<std::string>() : value->dump();
    std::uint16_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, fault] = std::from_chars(text.data(), end, number);
    if (fault != std::errc{} || stop != end || number < min) {
      refuse(name, quote(text) + " is not an integer of " + std::to_string(min) + " to 65535");
    }
    return number;
  }

  Metadata read_metadata() {
    const Json* const value = find("metadata");
    if (value == nullptr) return {};
    if (!value->is_string()) {
      refuse("metadata",
             "is one string that holds a JSON object, not " + std::string(value->type_name()));
    }
    try {
      return Metadata::from_json(detail::parse_json(value->get_ref<const std::string&>()));
    } catch (const Error& error) {
      refuse("metadata", error.what(),
             error.code() == ErrorCode::too_deep ? error.code() : ErrorCode::invalid_event);
    }
  }

  Json read_extensions() {
    Json extensions = Json::object();
    for (const auto& [name, value] : envelope_.items()) {
      if (contains(detail::kOtherAttributes, name) || contains(detail::kRareAttributes, name)) {
        continue;
      }
      check_extension(name, value);
      if (!value.is_null()) extensions[name] = value;
    }
    if (extensions.size() > limits::kMetadataEntriesMax) {
      throw Error(ErrorCode::invalid_event,
                  "a CloudEvent with " + std::to_string(extensions.size()) +
                      " extension attributes; at most " +
                      std::to_string(limits::kMetadataEntriesMax) + " are possible");
    }
    return extensions;
  }

  static void check_extension(const std::string& name, const Json& value) {
    const bool is_name = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    });
    if (!is_name) refuse(name, "an attribute's name has lower-case letters a-z and digits only");
    if (value.is_string()) {
      const bool is_standard = name == "subject" || name == "dataschema";
      if (text_of(name, value).empty() && is_standard) refuse(name, "is empty");
      return;
    }
    if (value.is_boolean() || value.is_null()) return;
    if (!value.is_number_integer()) {
      refuse(name, "is a string, a boolean or an integer, not " +
                       (value.is_number() ? "the number " + value.dump()
                                          : std::string(value.type_name())) +
                       "; put it into data");
    }
    if (!is_int32(value)) {
      refuse(name, value.dump() +
                       " is beyond the 32 bits of a CloudEvents Integer; write it as a "
                       "string");
    }
  }

  static bool is_int32(const Json& value) {
    constexpr std::int64_t kMin = std::numeric_limits<std::int32_t>::min();
    constexpr std::int64_t kMax = std::numeric_limits<std::int32_t>::max();
    if (value.is_number_unsigned()) {
      return value.get<std::uint64_t>() <= static_cast<std::uint64_t>(kMax);
    }
    return value.get<std::int64_t>() >= kMin && value.get<std::int64_t>() <= kMax;
  }

  Payload read_payload(Json& extensions) {
    const std::string_view content_type = optional("datacontenttype");
    if (find("datacontenttype") != nullptr) {
      const std::string_view fault = detail::content_type_fault(content_type);
      if (!fault.empty()) refuse("datacontenttype", quote(content_type) + " " + std::string(fault));
    }
    Json* const encoded = find("data_base64");
    const auto data = envelope_.find("data");
    if (encoded != nullptr && data != envelope_.end()) {
      refuse("data_base64", "stands beside data; an event has one of them");
    }
    if (encoded != nullptr) return decode(*encoded, content_type);
    if (data == envelope_.end()) return {};

    if (content_type.empty() || detail::is_json_content_type(content_type)) {
      if (!content_type.empty() && content_type != "application/json") {
        extensions["datacontenttype"] = content_type;
      }
      return Payload::json(std::move(*data));
    }
    if (!data->is_string()) {
      refuse("data", "is a string when datacontenttype is " + quote(content_type) + ", not " +
                         std::string(data->type_name()));
    }
    return bytes(data->get_ref<const std::string&>(), content_type);
  }

  static Payload decode(const Json& encoded, std::string_view content_type) {
    if (!encoded.is_string()) {
      refuse("data_base64", "is a string, not " + std::string(encoded.type_name()));
    }
    const auto decoded = detail::decode_base64(encoded.get_ref<const std::string&>());
    if (!decoded) {
      refuse("data_base64", quote(encoded.get_ref<const std::string&>(), 60) +
                                " is not base64 with padding and without blanks");
    }
    return content_type.empty() ? bytes(*decoded) : bytes(*decoded, content_type);
  }

  Json& envelope_;
};

}  // namespace

Event from_cloud_event(std::string_view text) {
  Json envelope = detail::parse_json(text, kEnvelopeDepthMax);
  return Reader(envelope).read();
}

Event detail::event_from_envelope(const Json& envelope) {
  check_json(envelope, kEnvelopeDepthMax);
  Json copy = envelope;
  return Reader(copy).read();
}

}  // namespace busway
