#include "layer_rules.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <string_view>

#include "tree.hpp"

namespace busway::structure {

namespace fs = std::filesystem;

namespace {

// Layers of one rank are siblings and may not include each other.
const std::map<std::string, int, std::less<>> kRanks{
    {"platform", 0}, {"base", 1},    {"event", 2},  {"match", 3}, {"delivery", 4},
    {"store", 4},    {"bus", 5},     {"config", 6}, {"phase", 7}, {"plugin", 7},
    {"capture", 7},  {"gateway", 8}, {"host", 9},
};

// What is built on the layers: how far up each may reach.
constexpr int kStoreDriverReach = 4;  // store, but not delivery, which is its sibling
constexpr int kTestingReach = 5;      // bus

enum class Room { layer, store_driver, shipped_plugin, plugin_shared, testing, app, example, free };

struct Place {
  Room room = Room::free;
  std::string name;  // of the layer, the driver, the plugin, the example
  bool is_public = false;
  bool is_plugin = false;  // may use nothing but the plugin header
};

struct Include {
  std::size_t line = 0;
  std::string what;
  bool quoted = false;
};

const std::vector<std::string_view> kCode{".hpp", ".h", ".cpp", ".c", ".def", ".hpp.in"};

std::string_view element(const std::vector<std::string>& path, std::size_t index) {
  return index < path.size() ? std::string_view(path[index]) : std::string_view();
}

std::vector<std::string> split(const fs::path& path) {
  std::vector<std::string> elements;
  for (const fs::path& part : path) elements.push_back(part.string());
  return elements;
}

std::vector<Include> read_includes(const std::vector<std::string>& lines) {
  static const std::regex kInclude(R"(^\s*#\s*include\s*([<"])([^">]+)[">].*)");
  std::vector<Include> includes;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    std::smatch match;
    if (std::regex_match(lines[i], match, kInclude)) {
      includes.push_back({i + 1, match[2].str(), match[1].str() == "\""});
    }
  }
  return includes;
}

/// The word after "Layer:" in the first lines, or "".
std::string read_layer(const std::vector<std::string>& lines) {
  static const std::regex kLayer(R"(^\s*(?://|\*|/\*)\s*Layer:\s*(\w+)\s*(?:\*/)?\s*$)");
  for (std::size_t i = 0; i < lines.size() && i < 5; ++i) {
    std::smatch match;
    if (std::regex_match(lines[i], match, kLayer)) return match[1].str();
  }
  return {};
}

bool defines_plugin(const std::vector<std::string>& lines) {
  static const std::regex kEntry(R"(^(BUSWAY_PLUGIN\(|[^/]*\bbusway_plugin_entry\s*\().*)");
  return std::any_of(lines.begin(), lines.end(),
                     [](const std::string& line) { return std::regex_match(line, kEntry); });
}

class LayerCheck {
 public:
  explicit LayerCheck(fs::path root) : root_(std::move(root)) {}

  Report run() {
    for (const char* folder : {"include", "src", "stores", "plugins", "testing", "apps", "examples",
                               "bench", "fuzz", "tests", "docs"}) {
      for (const fs::path& file : files_under(root_, folder, kCode)) check_file(file);
    }
    return std::move(report_);
  }

 private:
  void check_file(const fs::path& file) {
    ++report_.files;
    const std::vector<std::string> lines = read_lines(root_ / file);
    const std::optional<Place> from = place_of(file, lines);
    if (!from) return;
    for (const Include& include : read_includes(lines)) check_include(file, *from, include);
  }

  void check_include(const fs::path& file, const Place& from, const Include& include) {
    const std::optional<fs::path> target = resolve(file, include);
    if (!target) return;
    const std::optional<Place> to = place_of(*target, read_lines(root_ / *target));
    if (!to) return;  // reported where that file itself is read
    const std::string why = refuse(file, from, *target, *to);
    if (!why.empty()) report(file, include.line, "includes \"" + include.what + "\": " + why);
  }

  /// The included file of this tree, or nothing for a header of somebody else.
  std::optional<fs::path> resolve(const fs::path& file, const Include& include) {
    std::vector<fs::path> candidates;
    if (include.quoted)
      candidates.push_back((file.parent_path() / include.what).lexically_normal());
    candidates.push_back(fs::path("include") / include.what);
    candidates.push_back(fs::path("src") / include.what);
    candidates.push_back(fs::path("testing/include") / include.what);
    candidates.push_back(fs::path("cmake") / (fs::path(include.what).filename().string() + ".in"));
    // The benchmarks, and the tests of what makes their table, write paths from bench/.
    if (element(split(file), 0) == "bench" || file.parent_path() == "tests/bench") {
      candidates.push_back(fs::path("bench") / include.what);
    }
    // What the plugins that ship share.
    if (const std::string name = file.generic_string();
        name.starts_with("plugins/") || name.starts_with("apps/") || name.starts_with("tests/")) {
      candidates.push_back(fs::path("plugins") / include.what);
    }
    for (const char* holder : {"stores", "plugins", "apps", "examples"}) {
      const std::vector<std::string> parts = split(file);
      if (element(parts, 0) == holder && parts.size() > 2) {
        candidates.push_back(fs::path(holder) / parts[1] / include.what);
        candidates.push_back(fs::path(holder) / parts[1] / "include" / include.what);
        candidates.push_back(fs::path(holder) / parts[1] / "src" / include.what);
      }
    }
    for (const fs::path& driver : drivers()) {
      candidates.push_back(driver / "include" / include.what);
    }
    for (const fs::path& candidate : candidates) {
      if (fs::is_regular_file(root_ / candidate)) return candidate;
    }
    if (include.quoted || include.what.starts_with("busway/")) {
      report(file, include.line,
             "includes \"" + include.what + "\", which is no file of this tree");
    }
    return std::nullopt;
  }

  std::vector<fs::path> drivers() const {
    std::vector<fs::path> found;
    if (!fs::exists(root_ / "stores")) return found;
    for (const auto& entry : fs::directory_iterator(root_ / "stores")) {
      if (entry.is_directory()) found.push_back(fs::path("stores") / entry.path().filename());
    }
    return found;
  }

  /// Where a file belongs; nothing, and a finding, when it belongs nowhere.
  std::optional<Place> place_of(const fs::path& file, const std::vector<std::string>& lines) {
    const std::vector<std::string> parts = split(file);
    const std::string_view top = element(parts, 0);
    if (top == "include" || top == "cmake") return public_header(file, lines);
    if (top == "src") {
      if (kRanks.find(element(parts, 1)) == kRanks.end()) {
        report_once(file, 1, "src/" + parts[1] + " is no layer");
        return std::nullopt;
      }
      return Place{.room = Room::layer, .name = parts[1]};
    }
    Place place{.name = parts.size() > 1 ? parts[1] : ""};
    if (top == "stores") {
      place.room = Room::store_driver;
      place.is_public = element(parts, 2) == "include";
    } else if (top == "plugins") {
      place.room = parts[1] == "shared" ? Room::plugin_shared : Room::shipped_plugin;
      place.is_plugin = true;
    } else if (top == "testing") {
      place.room = Room::testing;
      place.is_public = element(parts, 1) == "include";
    } else if (top == "apps") {
      place.room = Room::app;
    } else if (top == "examples") {
      place.room = Room::example;
      place.is_plugin = defines_plugin(lines);
    }
    return place;
  }

  std::optional<Place> public_header(const fs::path& file, const std::vector<std::string>& lines) {
    const std::string layer = read_layer(lines);
    if (kRanks.find(layer) == kRanks.end()) {
      report_once(file, 1,
                  layer.empty() ? "has no line \"// Layer: ...\" among its first five"
                                : "names the layer " + layer + ", which does not exist");
      return std::nullopt;
    }
    return Place{.room = Room::layer, .name = layer, .is_public = true};
  }

  /// Why this include breaks a rule; "" when it does not.
  static std::string refuse(const fs::path& file, const Place& from, const fs::path& target,
                            const Place& to) {
    if (from.room == Room::free) return {};
    if (from.is_plugin) return refuse_plugin(file, target, to);
    if (from.is_public && from.room != Room::store_driver && !to.is_public) {
      return "a public header may not include a private one";
    }
    switch (to.room) {
      case Room::layer: return refuse_layer(from, to);
      case Room::testing:
        return refuse_unless(from.room == Room::testing || from.room == Room::example,
                             "only tests and examples use testing/");
      case Room::app:
        return refuse_unless(from.room == Room::app && from.name == to.name,
                             "an app is included by nothing but itself");
      case Room::store_driver:
        return refuse_unless(
            (from.room == Room::store_driver && from.name == to.name) ||
                (to.is_public && (from.room == Room::app || from.room == Room::example ||
                                  (from.room == Room::layer && rank(from) >= kRanks.at("host")))),
            "a store is used by itself, by host, by apps and examples, through its public header");
      case Room::shipped_plugin: return "a plugin is included by nothing but itself";
      case Room::plugin_shared:
        return refuse_unless(from.room == Room::app,
                             "plugins/shared is for the plugins that ship, and for apps that read "
                             "what they write");
      case Room::example:
        return refuse_unless(from.room == Room::example && from.name == to.name,
                             "an example is included by nothing but itself");
      case Room::free: return "tests, benchmarks and fuzz targets are included by nothing else";
    }
    return "belongs nowhere";
  }

  static std::string refuse_plugin(const fs::path& file, const fs::path& target, const Place& to) {
    if (target == fs::path("include/busway/plugin.h") ||
        target == fs::path("include/busway/plugin.hpp")) {
      return {};
    }
    const bool own = file.parent_path() == target.parent_path() ||
                     (to.room == Room::shipped_plugin && split(file)[1] == to.name) ||
                     (to.room == Room::plugin_shared && split(file)[0] == "plugins");
    return refuse_unless(own && to.room != Room::layer,
                         "a plugin uses only busway/plugin.h, busway/plugin.hpp, its own folder "
                         "and, if it ships, plugins/shared");
  }

  static std::string refuse_layer(const Place& from, const Place& to) {
    const int target = rank(to);
    switch (from.room) {
      case Room::layer:
        if (from.name == to.name || target < rank(from)) return {};
        return target == rank(from)
                   ? "layer " + from.name + " may not include its sibling " + to.name
                   : "layer " + from.name + " may not include " + to.name + ", a later layer";
      case Room::store_driver:
        return refuse_unless(target <= kStoreDriverReach && to.name != "delivery",
                             "a store driver may use store and what is below it, not " + to.name);
      case Room::testing:
        return refuse_unless(target <= kTestingReach,
                             "testing/ may use the layers up to bus, not " + to.name);
      case Room::example:
        return refuse_unless(to.is_public, "an example may not include a private header");
      default: return {};
    }
  }

  static int rank(const Place& place) { return kRanks.at(place.name); }

  static std::string refuse_unless(bool allowed, std::string why) {
    return allowed ? std::string() : why;
  }

  void report(const fs::path& file, std::size_t line, std::string message) {
    report_.findings.push_back({file.generic_string(), line, std::move(message)});
  }

  void report_once(const fs::path& file, std::size_t line, std::string message) {
    if (misplaced_.insert(file).second) report(file, line, std::move(message));
  }

  fs::path root_;
  Report report_;
  std::set<fs::path> misplaced_;
};

// The name of the header as users include it.
std::string include_name(const fs::path& file) {
  const std::string text = file.generic_string();
  return text.substr(text.find("busway/"));
}

// The words of a line that look like paths of this tree but lead nowhere.
std::vector<std::string> missing_paths(const fs::path& root, const std::string& line) {
  static const std::regex kPath(R"((?:tests|examples|docs|bench)/[\w./-]*\w)");
  std::vector<std::string> missing;
  for (std::sregex_iterator it(line.begin(), line.end(), kPath), end; it != end; ++it) {
    if (!fs::exists(root / it->str())) missing.push_back(it->str());
  }
  return missing;
}

void check_contract(const fs::path& root, const fs::path& file, Report& report) {
  ++report.files;
  const std::vector<std::string> lines = read_lines(root / file);
  const auto complain = [&](std::size_t line, std::string message) {
    report.findings.push_back({file.generic_string(), line, std::move(message)});
  };

  const std::string opening = include_name(file) + " -- ";
  if (lines.empty() || lines[0].find(opening) == std::string::npos) {
    complain(1, "does not begin with \"// " + opening + "what it is\"");
  }
  const std::string layer = read_layer(lines);
  if (layer.empty()) complain(2, "has no line \"// Layer: ...\"");
  if (file.extension() == ".def") return;

  const auto code = std::find_if(lines.begin(), lines.end(),
                                 [](const std::string& line) { return line.starts_with("#"); });
  for (const std::string word : {"Model", "Threads", "Ownership", "Errors", "Cost", "Example"}) {
    const std::regex answered(R"(^\s*(?://|\*)\s*)" + word + R"(\s+\S.*)");
    const auto found = std::find_if(lines.begin(), code, [&](const std::string& line) {
      return std::regex_match(line, answered);
    });
    if (found == code) {
      complain(1, "its contract has no line \"" + word + "\" before the code");
    } else if (word == "Example") {
      for (const std::string& path : missing_paths(root, *found)) {
        complain(static_cast<std::size_t>(found - lines.begin()) + 1,
                 "its example " + path + " does not exist");
      }
    }
  }
}

// Spelt in pieces, so that this file does not find itself.
const std::array<std::string, 3> kNotes{std::string("TO") + "DO", std::string("FIX") + "ME",
                                        std::string("XX") + "X"};

}  // namespace

Report check_layers(const fs::path& root) { return LayerCheck(root).run(); }

Report check_contracts(const fs::path& root) {
  Report report;
  for (const char* folder : {"include/busway", "testing/include/busway"}) {
    for (const fs::path& file : files_under(root, folder, {".hpp", ".h", ".def"})) {
      check_contract(root, file, report);
    }
  }
  return report;
}

Report check_leftovers(const fs::path& root) {
  const std::regex note("(^|[^A-Za-z0-9_])(" + kNotes[0] + "|" + kNotes[1] + "|" + kNotes[2] +
                        ")($|[^A-Za-z0-9_])");
  std::vector<fs::path> files = files_under(root, ".",
                                            {".hpp", ".h", ".cpp", ".c", ".def", ".in", ".md",
                                             ".cmake", ".yaml", ".yml", ".json", "CMakeLists.txt"});
  for (const char* scripts : {"script", ".ci"}) {
    for (fs::path& file : files_under(root, scripts, {})) files.push_back(std::move(file));
  }

  Report report;
  for (const fs::path& file : files) {
    ++report.files;
    const std::vector<std::string> lines = read_lines(root / file);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      std::smatch match;
      if (std::regex_search(lines[i], match, note)) {
        report.findings.push_back({file.lexically_normal().generic_string(), i + 1,
                                   "has a note \"" + match[2].str() + "\" of unfinished work"});
      }
    }
  }
  return report;
}

std::string to_string(const Report& report) {
  std::string text;
  for (const Finding& finding : report.findings) {
    text += finding.file + ":" + std::to_string(finding.line) + ": " + finding.message + "\n";
  }
  return text;
}

}  // namespace busway::structure
