#include "event/payload_cache.hpp"

#include <exception>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/escape.hpp"
#include "busway/error.hpp"
#include "busway/upcaster.hpp"
#include "event/bytes_value.hpp"
#include "event/json_guard.hpp"

namespace busway::detail {
namespace {

/// Reads a slot, or fills it under the lock with what make() returns.
template <class T, class Make>
const T& once(std::atomic<const T*>& slot, std::mutex& making, const Make& make) {
  if (const T* const made = slot.load(std::memory_order_acquire)) return *made;
  const std::scoped_lock lock(making);
  if (const T* const made = slot.load(std::memory_order_relaxed)) return *made;
  const T* const fresh = new T(make());
  slot.store(fresh, std::memory_order_release);
  return *fresh;
}

Json json_of_bytes(const BytesValue& bytes) {
  if (is_json_content_type(bytes.content_type)) return parse_json(bytes.text());
  throw Error(ErrorCode::payload_type,
              "json() on bytes of content type " + quote(bytes.content_type) +
                  "; only bytes of a JSON content type can be read as JSON");
}

Json json_of_typed(const PayloadType& type, const void* object) {
  if (type.to_json == nullptr) {
    throw Error(ErrorCode::payload_type, "a payload of type " + quote(type.name) +
                                             " stays in this process (in_process) and has no JSON");
  }
  Json json;
  type.to_json(object, json);
  check_json(json);
  return json;
}

}  // namespace

PayloadCache::~PayloadCache() {
  delete json.load(std::memory_order_relaxed);
  delete text.load(std::memory_order_relaxed);
  Decoded* node = decoded.load(std::memory_order_relaxed);
  while (node != nullptr) {
    release(node->block);
    delete std::exchange(node, node->next);
  }
}

void acquire_cache(PayloadCache* cache) noexcept {
  cache->references.fetch_add(1, std::memory_order_relaxed);
}

void release_cache(PayloadCache* cache) noexcept {
  if (cache->references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete cache;
}

const Json& cached_json(PayloadCache& cache, const PayloadType& type, const void* object) {
  return once(cache.json, cache.making, [&] {
    if (&type == &kBytesType) return json_of_bytes(*static_cast<const BytesValue*>(object));
    if (&type == &kJsonTextType) return parse_json(static_cast<const BytesValue*>(object)->text());
    return json_of_typed(type, object);
  });
}

const std::string& cached_text(PayloadCache& cache, const Json& json) {
  return once(cache.text, cache.making, [&] { return dump_json(json); });
}

const void* find_object(const PayloadCache& cache, const PayloadType& wanted,
                        std::uint32_t from_version) noexcept {
  const PayloadCache::Decoded* node = cache.decoded.load(std::memory_order_acquire);
  for (; node != nullptr; node = node->next) {
    if (node->from_version == from_version && same_type(*node->block->type, wanted)) {
      return node->block->object;
    }
  }
  return nullptr;
}

const void* cached_object(PayloadCache& cache, const PayloadType& wanted, const Json& json,
                          std::uint32_t from_version) {
  if (const void* const made = find_object(cache, wanted, from_version)) return made;
  const std::scoped_lock lock(cache.making);
  if (const void* const made = find_object(cache, wanted, from_version)) return made;

  PayloadBlock* const block =
      from_version == wanted.version
          ? wanted.from_json(json)
          : wanted.from_json(upcast(wanted.name, json, from_version, wanted.version));
  try {
    PayloadCache::Decoded* const first = cache.decoded.load(std::memory_order_relaxed);
    cache.decoded.store(new PayloadCache::Decoded{block, from_version, first},
                        std::memory_order_release);
  } catch (...) {
    release(block);
    throw;
  }
  return block->object;
}

}  // namespace busway::detail
