#include "snippets.hpp"

#include <algorithm>
#include <set>
#include <sstream>
#include <stdexcept>

namespace busway::docs {
namespace {

std::vector<std::string> split_lines(std::string_view text) {
  std::vector<std::string> lines;
  std::istringstream in{std::string(text)};
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::string_view trim_left(std::string_view line) {
  const std::size_t begin = line.find_first_not_of(' ');
  return begin == std::string_view::npos ? std::string_view{} : line.substr(begin);
}

/// What a line says that is a comment of C++ or CMake; else nothing.
std::string_view comment_in(std::string_view line) {
  const std::string_view text = trim_left(line);
  for (const std::string_view sign : {"// ", "# "}) {
    if (text.starts_with(sign)) return text.substr(sign.size());
  }
  return {};
}

std::string without_indentation(const std::vector<std::string>& lines) {
  std::size_t shared = std::string::npos;
  for (const std::string& line : lines) {
    if (!line.empty()) shared = std::min(shared, line.find_first_not_of(' '));
  }
  std::string text;
  for (const std::string& line : lines) text += (line.empty() ? line : line.substr(shared)) + "\n";
  return text;
}

}  // namespace

std::map<std::string, std::string> regions_of(std::string_view source) {
  constexpr std::string_view kBegin = "begin: ";
  constexpr std::string_view kEnd = "end: ";
  std::map<std::string, std::string> regions;
  std::string name;
  std::vector<std::string> lines;
  for (const std::string& line : split_lines(source)) {
    const std::string_view text = comment_in(line);
    if (text.starts_with(kBegin)) {
      if (!name.empty()) throw std::runtime_error("region " + name + " is not ended");
      name = text.substr(kBegin.size());
      lines.clear();
      if (regions.contains(name)) throw std::runtime_error("region " + name + " exists twice");
    } else if (text.starts_with(kEnd)) {
      if (text.substr(kEnd.size()) != name)
        throw std::runtime_error("region " + name + " is not ended");
      regions[name] = without_indentation(lines);
      name.clear();
    } else if (!name.empty()) {
      lines.push_back(line);
    }
  }
  if (!name.empty()) throw std::runtime_error("region " + name + " is not ended");
  return regions;
}

std::vector<std::string> compare_with_regions(const Page& page,
                                              const std::map<std::string, std::string>& regions) {
  std::vector<std::string> findings;
  std::set<std::string> shown;
  for (const Block& block : page.blocks) {
    const bool is_code = block.language == "cpp" || block.language == "c";
    if (!is_code && block.marker.empty()) continue;
    const std::string place = "line " + std::to_string(block.line) + ": ";
    const auto region = regions.find(block.marker);
    if (block.marker.empty()) {
      findings.push_back(place + "the block has no snippet marker");
    } else if (region == regions.end()) {
      findings.push_back(place + "there is no compiled region " + block.marker);
    } else if (region->second != block.text) {
      findings.push_back(place + "differs from the compiled region " + block.marker);
    }
    shown.insert(block.marker);
  }
  for (const auto& [name, text] : regions) {
    if (!shown.contains(name)) findings.push_back("the compiled region " + name + " is not shown");
  }
  return findings;
}

std::string find_misfit(std::string_view excerpt, std::string_view source) {
  const std::vector<std::string> lines = split_lines(source);
  auto from = lines.begin();
  std::vector<std::string> run;
  const auto fits = [&] {
    const auto place = std::search(from, lines.end(), run.begin(), run.end());
    if (place == lines.end() && !run.empty()) return false;
    from = place + static_cast<std::ptrdiff_t>(run.size());
    run.clear();
    return true;
  };
  for (const std::string& line : split_lines(excerpt)) {
    if (trim_left(line) != "// ...") {
      run.push_back(line);
    } else if (!fits()) {
      return run.front();
    }
  }
  return fits() ? std::string{} : run.front();
}

}  // namespace busway::docs
