#include "plugin_folders.hpp"

#include <filesystem>
#include <system_error>

namespace busway::app {

std::vector<std::string> plugin_folders(const std::vector<std::string>& given) {
  namespace fs = std::filesystem;
  std::vector<std::string> all;
  std::error_code error;
  for (const std::string& folder : given) {
    const fs::path absolute = fs::absolute(folder, error);
    all.push_back(error ? folder : absolute.string());
  }
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (error) return all;
  const fs::path base = program.parent_path().parent_path();
  for (const char* own : {"plugins", "lib/busway/plugins"}) {
    if (fs::is_directory(base / own, error)) all.push_back((base / own).string());
  }
  return all;
}

}  // namespace busway::app
