#include "event/cloud_events/foreign_id.hpp"

#include <boost/uuid/name_generator_sha1.hpp>
#include <boost/uuid/uuid.hpp>
#include <cstdint>
#include <string>

namespace busway::detail {
namespace {

constexpr boost::uuids::uuid kNamespace{{0x9f, 0x1b, 0x1d, 0x5e, 0x3c, 0x0a, 0x4f, 0x0e, 0x8d, 0x4b,
                                         0x6a, 0x2f, 0x57, 0xc1, 0xe0, 0xb4}};

}  // namespace

EventId derive_id(std::string_view source, std::string_view id) {
  std::string name(source);
  name += '\n';  // in neither: both are free of control characters
  name += id;
  const boost::uuids::uuid uuid = boost::uuids::name_generator_sha1(kNamespace)(name);
  EventId derived;
  for (const std::uint8_t byte : uuid) {
    derived.high = derived.high << 8U | derived.low >> 56U;
    derived.low = derived.low << 8U | byte;
  }
  return derived;
}

}  // namespace busway::detail
