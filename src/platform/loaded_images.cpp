#include "platform/loaded_images.hpp"

#include <fstream>

namespace busway::platform_detail {

bool is_mapped(std::string_view part_of_name) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find(part_of_name) != std::string::npos) return true;
  }
  return false;
}

}  // namespace busway::platform_detail
