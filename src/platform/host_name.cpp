#include "platform/host_name.hpp"

#include <unistd.h>

#include <cstddef>

namespace busway::platform_detail {

std::string host_name() {
  constexpr std::size_t kNameMax = 256;
  char name[kNameMax] = {};
  // A name that is cut may lack its end mark: the last byte stays ours.
  if (::gethostname(name, kNameMax - 1) != 0 || name[0] == '\0') return "localhost";
  return name;
}

}  // namespace busway::platform_detail
