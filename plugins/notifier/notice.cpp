#include "notice.hpp"

#include <array>
#include <chrono>
#include <stdexcept>
#include <utility>

#include "shared/quantity.hpp"

namespace notifier {
namespace {

using nlohmann::json;

/// The first of some keys that has a text, and is no secret.
template <std::size_t N>
std::string first_text(const json& payload, const std::array<const char*, N>& keys,
                       const shared::Secrets& secrets) {
  if (!payload.is_object()) return {};
  for (const char* key : keys) {
    const auto found = payload.find(key);
    if (found == payload.end() || !found->is_string() || secrets.is_secret(key)) continue;
    const std::string& text = found->get_ref<const std::string&>();
    if (!text.empty()) return secrets.mask_text(text);
  }
  return {};
}

/// Not within a character.
std::string shortened(std::string text) {
  if (text.size() <= kTextBytesMax) return text;
  std::size_t end = kTextBytesMax;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  text.resize(end);
  return text + "...";
}

/// In the texts at any depth; as deep as an event's JSON may be, which the host bounds.
void mask_texts(json& value, const shared::Secrets& secrets) {
  if (value.is_string()) {
    value = secrets.mask_text(value.get_ref<const std::string&>());
  } else if (value.is_structured()) {
    for (json& item : value) mask_texts(item, secrets);
  }
}

}  // namespace

std::string Notice::kind() const {
  return json::array({topic, source, subject}).dump(-1, ' ', false, json::error_handler_t::replace);
}

Notice notice_of(const Told& event, WallTime now, const shared::Secrets& secrets) {
  // Of the well-known payloads: who it is about, and what there is to say.
  static constexpr std::array kSubjects{"phase_name", "failed_phase", "plugin_name", "component",
                                        "subject",    "name",         "address"};
  static constexpr std::array kTexts{"reason", "error", "message", "text"};
  Notice notice;
  notice.topic = event.topic;
  notice.source = event.source;
  notice.first = notice.last = now;
  if (event.payload == nullptr) return notice;
  notice.subject = shortened(first_text(*event.payload, kSubjects, secrets));
  notice.text = shortened(first_text(*event.payload, kTexts, secrets));
  if (event.payload_bytes > kPayloadBytesMax) return notice;
  notice.payload = *event.payload;
  secrets.mask(notice.payload);
  mask_texts(notice.payload, secrets);
  return notice;
}

std::string line_of(const Notice& notice) {
  std::string line = notice.topic;
  if (!notice.source.empty()) line += " from " + notice.source;
  if (!notice.subject.empty()) line += ", " + notice.subject;
  if (!notice.text.empty()) line += ": " + notice.text;
  if (notice.count > 1) {
    const auto span = std::chrono::ceil<std::chrono::seconds>(notice.last - notice.first);
    line += " (" + std::to_string(notice.count) + " times";
    if (span.count() > 0) line += " within " + shared::show_duration(span);
    line += ')';
  }
  return line;
}

json to_json(const Notice& notice) {
  json out{{"topic", notice.topic},
           {"source", notice.source},
           {"text", notice.text},
           {"count", notice.count},
           {"first", shared::format_rfc3339(notice.first)},
           {"last", shared::format_rfc3339(notice.last)}};
  if (!notice.subject.empty()) out["subject"] = notice.subject;
  if (!notice.payload.is_null()) out["payload"] = notice.payload;
  return out;
}

Notice from_json(const json& saved) {
  Notice notice;
  notice.topic = saved.at("topic").get<std::string>();
  notice.source = saved.at("source").get<std::string>();
  notice.subject = saved.value("subject", std::string());
  notice.text = saved.at("text").get<std::string>();
  notice.count = saved.at("count").get<std::uint64_t>();
  const auto first = shared::parse_rfc3339(saved.at("first").get_ref<const std::string&>());
  const auto last = shared::parse_rfc3339(saved.at("last").get_ref<const std::string&>());
  if (!first || !last) throw std::invalid_argument("a notice without its times");
  notice.first = *first;
  notice.last = *last;
  notice.payload = saved.value("payload", json());
  return notice;
}

}  // namespace notifier
