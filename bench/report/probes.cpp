#include "report/probes.hpp"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "probe/iterations.hpp"
#include "report/child.hpp"
#include "report/turns.hpp"

namespace busway::bench {
namespace {

namespace fs = std::filesystem;

/// A folder for callgrind's dumps that goes with its object.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (fs::temp_directory_path() / "busway-bench-XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) path_ = name;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  [[nodiscard]] const fs::path& path() const noexcept { return path_; }

 private:
  fs::path path_;
};

/// What follows the mark in a line that begins with it; empty when the line does not.
std::string after(const std::string& line, const std::string& mark) {
  return line.starts_with(mark) ? line.substr(mark.size()) : std::string();
}

void read_dump(const fs::path& file, std::map<std::string, double>& values) {
  std::ifstream in(file);
  std::string name;
  double total = 0;
  for (std::string line; std::getline(in, line);) {
    if (const auto text = after(line, "desc: Trigger: Client Request: "); !text.empty())
      name = text;
    if (const auto text = after(line, "totals: "); !text.empty()) total = std::stod(text);
  }
  if (!name.empty()) values[name] = total / kProbeIterations;
}

/// Runs a program that prints "name<tab>figure" lines.
Figures ask(const std::vector<std::string>& command) {
  Figures figures;
  const ChildResult child = run_child(command);
  if (child.status != 0) {
    figures.why = fs::path(command.front()).filename().string() + " failed: " + child.output;
    return figures;
  }
  std::istringstream lines(child.output);
  std::string name;
  double value = 0;
  while (lines >> name >> value) figures.values[name] = value;
  return figures;
}

}  // namespace

Figures count_instructions() {
  Figures figures;
  const std::string program = beside_me("bench_instructions");
  if (!fs::exists(program)) {
    figures.why = "no instruction counts: built without valgrind/callgrind.h";
    return figures;
  }
  const TemporaryFolder folder;
  // Under valgrind the processor does not show that its counter is invariant; the path that is
  // counted shall be that of a real run on a machine where it is.
  const ChildResult child =
      run_child({"valgrind", "--tool=callgrind",
                 "--callgrind-out-file=" + (folder.path() / "out").string(), program},
                {"BUSWAY_CLOCK=tsc"});
  if (child.status != 0) {
    figures.why = "no instruction counts: valgrind failed: " + child.output;
    return figures;
  }
  for (const auto& entry : fs::directory_iterator(folder.path())) {
    read_dump(entry.path(), figures.values);
  }
  return figures;
}

Figures count_allocations() { return ask({beside_me("bench_allocations")}); }

Figures count_at_scale(const std::string& mode, int subscriptions,
                       std::vector<std::string>& notes) {
  Figures figures = ask({beside_me("bench_scale"), mode, std::to_string(subscriptions)});
  if (!figures.why.empty()) notes.push_back(figures.why);
  return figures;
}

Figures time_compilations() {
  constexpr int kRounds = 3;
  const std::vector<std::string> files = {"busway", "signals2", "json", "std"};
  std::map<std::string, std::vector<double>> seconds;
  Figures figures;
  for (int round = 0; round < kRounds; ++round) {
    for (const std::string& file : files) {
      const ChildResult child = run_child(
          {BUSWAY_BENCH_COMPILER, "-std=c++20", "-O2", "-I" BUSWAY_BENCH_SOURCE_DIR "/include",
           "-I" BUSWAY_BENCH_BINARY_DIR "/include", "-c", "-o", "/dev/null",
           BUSWAY_BENCH_SOURCE_DIR "/bench/compile/" + file + ".cpp"});
      if (child.status == 0) {
        seconds[file].push_back(child.seconds);
      } else {
        figures.why = "compiling " + file + ".cpp failed: " + child.output;
      }
    }
  }
  for (const auto& [file, values] : seconds) figures.values[file] = *median(values);
  const auto busway = seconds.find("busway");
  const auto signals2 = seconds.find("signals2");
  if (busway != seconds.end() && signals2 != seconds.end() &&
      busway->second.size() == signals2->second.size()) {
    std::vector<double> ratios;
    for (std::size_t i = 0; i < busway->second.size(); ++i) {
      ratios.push_back(busway->second[i] / signals2->second[i]);
    }
    figures.values["busway/signals2"] = *median(ratios);
  }
  return figures;
}

}  // namespace busway::bench
