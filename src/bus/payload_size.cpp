#include "bus/payload_size.hpp"

#include <limits>
#include <nlohmann/json.hpp>

#include "event/bytes_value.hpp"

namespace busway::detail {
namespace {

/// Adds the bytes of the value's text to size, about; stops above the limit. Depth was checked when
/// it was made.
void add_size(const Json& value, std::size_t limit, std::size_t& size) {
  if (size > limit) return;
  switch (value.type()) {
    case Json::value_t::string: size += value.get_ref<const std::string&>().size() + 2; return;
    case Json::value_t::array:
      size += 2;
      for (const Json& item : value) {
        add_size(item, limit, size);
        ++size;
        if (size > limit) return;
      }
      return;
    case Json::value_t::object:
      size += 2;
      for (const auto& [name, item] : value.items()) {
        size += name.size() + 4;
        add_size(item, limit, size);
        if (size > limit) return;
      }
      return;
    case Json::value_t::binary: size += value.get_binary().size(); return;
    default: size += 4; return;
  }
}

const BytesValue* bytes_of(const PayloadBlock& block) noexcept {
  const bool is_text = block.type == &kBytesType || block.type == &kJsonTextType;
  return is_text ? static_cast<const BytesValue*>(block.object) : nullptr;
}

}  // namespace

bool payload_exceeds(const PayloadBlock& block, std::size_t limit) {
  if (const auto* const bytes = bytes_of(block)) return bytes->data.size() > limit;
  if (block.type != &kJsonType) return false;
  std::size_t size = 0;
  add_size(*static_cast<const Json*>(block.object), limit, size);
  return size > limit;
}

std::size_t payload_bytes(const PayloadBlock& block) {
  if (const auto* const bytes = bytes_of(block)) return bytes->data.size();
  if (block.type != &kJsonType) return block.type->size;
  std::size_t size = 0;
  add_size(*static_cast<const Json*>(block.object), std::numeric_limits<std::size_t>::max(), size);
  return size;
}

}  // namespace busway::detail
