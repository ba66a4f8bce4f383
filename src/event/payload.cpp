#include "busway/payload.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <new>
#include <nlohmann/json.hpp>

#include "base/ascii.hpp"
#include "base/escape.hpp"
#include "busway/error.hpp"
#include "busway/limits.hpp"
#include "event/bytes_value.hpp"
#include "event/json_guard.hpp"

namespace busway {
namespace detail {
namespace {

struct JsonBlock : PayloadBlock {
  explicit JsonBlock(Json&& json) : value(std::move(json)) {
    destroy = [](PayloadBlock* block) noexcept { delete static_cast<JsonBlock*>(block); };
    object = &value;
    type = &kJsonType;
  }
  Json value;
};

struct BytesBlock : PayloadBlock {
  explicit BytesBlock(const PayloadType& of) {
    destroy = [](PayloadBlock* block) noexcept {
      auto* const self = static_cast<BytesBlock*>(block);
      self->~BytesBlock();
      ::operator delete(self);
    };
    object = &value;
    type = &of;
  }
  BytesValue value;
};

Payload make_bytes(const PayloadType& type, std::span<const std::byte> data,
                   std::string_view content_type) {
  const std::size_t size = data.size() + content_type.size();
  void* const memory = ::operator new(sizeof(BytesBlock) + size);
  auto* const block = new (memory) BytesBlock(type);
  auto* const first = reinterpret_cast<std::byte*>(block + 1);
  if (!data.empty()) std::memcpy(first, data.data(), data.size());
  if (!content_type.empty()) {
    std::memcpy(first + data.size(), content_type.data(), content_type.size());
  }
  block->value.data = {first, data.size()};
  block->value.content_type = {reinterpret_cast<const char*>(first) + data.size(),
                               content_type.size()};
  return Payload::adopt(block);
}

bool equals_ignoring_case(std::string_view text, std::string_view lower_case) noexcept {
  return std::equal(text.begin(), text.end(), lower_case.begin(), lower_case.end(),
                    [](char a, char b) { return to_lower(a) == b; });
}

}  // namespace

constinit const PayloadType kJsonType{
    .name = "json", .share = [](const void* value) -> PayloadBlock* {
      return new JsonBlock(Json(*static_cast<const Json*>(value)));
    }};
constinit const PayloadType kJsonTextType{
    .name = "json",
    .size = sizeof(BytesValue),  // another type than kJsonType
    .share = [](const void* value) -> PayloadBlock* {
      return json_payload_of_text(static_cast<const BytesValue*>(value)->data).take();
    }};
constinit const PayloadType kBytesType{
    .name = "bytes", .share = [](const void* value) -> PayloadBlock* {
      const auto& from = *static_cast<const BytesValue*>(value);
      return make_bytes(kBytesType, from.data, from.content_type).take();
    }};

Payload json_payload_of_text(std::span<const std::byte> text) {
  return make_bytes(kJsonTextType, text, {});
}

bool is_json_content_type(std::string_view content_type) noexcept {
  std::string_view media_type = content_type.substr(0, content_type.find(';'));
  while (media_type.ends_with(' ') || media_type.ends_with('\t')) media_type.remove_suffix(1);
  if (equals_ignoring_case(media_type, "application/json")) return true;
  if (equals_ignoring_case(media_type, "text/json")) return true;
  constexpr std::string_view kSuffix = "+json";
  return media_type.size() > kSuffix.size() &&
         equals_ignoring_case(media_type.substr(media_type.size() - kSuffix.size()), kSuffix);
}

std::string_view content_type_fault(std::string_view content_type) noexcept {
  if (content_type.size() > limits::kTextBytesMax) return "is too long";
  const std::size_t slash = content_type.find('/');
  if (slash == 0 || slash >= content_type.size() - 1 || content_type.empty()) {
    return "is not a type and a subtype with a slash between, as in text/plain";
  }
  const bool is_printable = std::all_of(content_type.begin(), content_type.end(),
                                        [](char c) { return c >= ' ' && c <= '~'; });
  return is_printable ? std::string_view{} : "has characters that are not printable ASCII";
}

void destroy_block(PayloadBlock* block) noexcept {
  if (PayloadCache* const cache = block->cache.load(std::memory_order_acquire)) {
    release_cache(cache);
  }
  block->destroy(block);
}

}  // namespace detail

Payload Payload::json(Json value) {
  detail::check_json(value);
  return adopt(new detail::JsonBlock(std::move(value)));
}

Payload Payload::json_text(std::string_view text) {
  return adopt(new detail::JsonBlock(detail::parse_json(text)));
}

Payload Payload::bytes(std::span<const std::byte> data, std::string_view content_type) {
  const std::string_view fault = detail::content_type_fault(content_type);
  if (!fault.empty()) {
    throw Error(ErrorCode::invalid_argument,
                "content type " + quote(content_type) + " " + std::string(fault));
  }
  return detail::make_bytes(detail::kBytesType, data, content_type);
}

}  // namespace busway
