#include "tree.hpp"

#include <algorithm>
#include <fstream>
#include <stdexcept>

namespace busway::structure {

namespace fs = std::filesystem;

std::vector<fs::path> files_under(const fs::path& root, const fs::path& folder,
                                  const std::vector<std::string_view>& endings) {
  std::vector<fs::path> found;
  const fs::path start = root / folder;
  if (!fs::exists(start)) return found;

  const fs::recursive_directory_iterator end;
  for (fs::recursive_directory_iterator it(start); it != end; ++it) {
    const std::string name = it->path().filename().string();
    if (it->is_directory()) {
      if (name == "build" || (name.front() == '.' && name != ".ci")) it.disable_recursion_pending();
      continue;
    }
    const bool wanted = endings.empty() || std::any_of(endings.begin(), endings.end(),
                                                       [&](auto e) { return name.ends_with(e); });
    if (it->is_regular_file() && wanted) found.push_back(it->path().lexically_relative(root));
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::vector<std::string> read_lines(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + file.string());
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace busway::structure
