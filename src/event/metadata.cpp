#include "busway/metadata.hpp"

#include <nlohmann/json.hpp>

#include "base/escape.hpp"
#include "base/utf8.hpp"
#include "busway/error.hpp"
#include "busway/limits.hpp"
#include "event/json_guard.hpp"

namespace busway {
namespace {

const Json& empty_object() {
  static const Json& value = *new Json(Json::object());
  return value;
}

void require_name(std::string_view name) {
  if (name.empty() || find_invalid_utf8(name) != std::string_view::npos) {
    throw Error(ErrorCode::invalid_argument,
                "metadata name " + quote(name) + ": a name is non-empty, valid UTF-8");
  }
}

void require_room(std::size_t size) {
  if (size > limits::kMetadataEntriesMax) {
    throw Error(ErrorCode::invalid_argument,
                "metadata of " + std::to_string(size) + " entries; at most " +
                    std::to_string(limits::kMetadataEntriesMax) + " are possible");
  }
}

}  // namespace

MetadataValue::MetadataValue(std::string_view text) : MetadataValue(Json(text)) {}

MetadataValue::MetadataValue(const Json& value) {
  // One level belongs to the object that metadata as a whole is. Checked before the copy, which
  // would recurse as deep as the value goes.
  detail::check_json(value, limits::kJsonDepthMax - 1);
  value_ = std::make_shared<const Json>(value);
}

MetadataValue::MetadataValue(Tag tag, std::int64_t bits, double real) {
  Json value;
  switch (tag) {
    case Tag::boolean: value = bits != 0; break;
    case Tag::integer: value = bits; break;
    case Tag::natural: value = static_cast<std::uint64_t>(bits); break;
    case Tag::real: value = real; break;
  }
  value_ = std::make_shared<const Json>(std::move(value));
}

Metadata::Metadata(std::initializer_list<std::pair<std::string_view, MetadataValue>> entries) {
  if (entries.size() == 0) return;
  require_room(entries.size());
  Json object = Json::object();
  for (const auto& [name, value] : entries) {
    require_name(name);
    const auto [place, is_new] = object.emplace(std::string(name), value.json());
    if (!is_new) {
      throw Error(ErrorCode::invalid_argument, "metadata name " + quote(name) + " is given twice");
    }
  }
  object_ = std::make_shared<const Json>(std::move(object));
}

std::size_t Metadata::size() const noexcept { return object_ == nullptr ? 0 : object_->size(); }

const Json* Metadata::find(std::string_view name) const noexcept {
  if (object_ == nullptr) return nullptr;
  const auto found = object_->find(name);
  return found == object_->end() ? nullptr : &*found;
}

void Metadata::set(std::string_view name, const MetadataValue& value) {
  require_name(name);
  Json object = json();
  object[std::string(name)] = value.json();
  require_room(object.size());
  object_ = std::make_shared<const Json>(std::move(object));
}

const Json& Metadata::json() const noexcept {
  return object_ == nullptr ? empty_object() : *object_;
}

Metadata Metadata::from_json(const Json& object) {
  if (!object.is_object()) {
    throw Error(ErrorCode::invalid_argument,
                "metadata is a JSON object, not " + std::string(object.type_name()));
  }
  detail::check_json(object);
  require_room(object.size());
  if (object.contains("")) require_name("");
  Metadata metadata;
  if (!object.empty()) metadata.object_ = std::make_shared<const Json>(object);
  return metadata;
}

}  // namespace busway
