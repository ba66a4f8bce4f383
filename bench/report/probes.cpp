#include "report/probes.hpp"

#include <unistd.h>

#include <algorithm>
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

Figures time_processes(const std::string& mode, const std::string& folder) {
  return ask({beside_me("bench_store"), mode, folder});
}

namespace {

std::vector<std::string> compiler_call(const std::vector<std::string>& options,
                                       const std::string& file) {
  std::vector<std::string> call = {BUSWAY_BENCH_COMPILER, "-std=c++20", "-O2",
                                   "-I" BUSWAY_BENCH_SOURCE_DIR "/include",
                                   "-I" BUSWAY_BENCH_BINARY_DIR "/include"};
  call.insert(call.end(), options.begin(), options.end());
  call.push_back(BUSWAY_BENCH_SOURCE_DIR "/bench/compile/" + file + ".cpp");
  return call;
}

/// How many headers of Asio, or that define what JSON does, the file includes.
std::optional<double> forbidden_headers(const std::string& file) {
  const ChildResult child = run_child(compiler_call({"-M"}, file));
  if (child.status != 0) return std::nullopt;
  std::istringstream words(child.output);
  double count = 0;
  for (std::string word; words >> word;) {
    const bool asio = word.find("/boost/asio") != std::string::npos;
    const bool json = word.ends_with("/nlohmann/json.hpp");
    if (asio || json) ++count;
  }
  return count;
}

}  // namespace

Figures time_compilations() {
  constexpr int kRounds = 3;
  const std::vector<std::string> files = {"busway", "signals2", "json", "std"};
  std::map<std::string, std::vector<double>> seconds;
  Figures figures;
  for (int round = 0; round < kRounds; ++round) {
    for (const std::string& file : files) {
      const ChildResult child = run_child(compiler_call({"-c", "-o", "/dev/null"}, file));
      if (child.status == 0) {
        seconds[file].push_back(child.seconds);
      } else {
        figures.why = "compiling " + file + ".cpp failed: " + child.output;
      }
    }
  }
  std::vector<double> ratios;
  for (std::size_t i = 0; i < std::min(seconds["busway"].size(), seconds["signals2"].size()); ++i) {
    ratios.push_back(seconds["busway"][i] / seconds["signals2"][i]);
  }
  if (const auto ratio = median(ratios)) figures.values["busway/signals2"] = *ratio;
  for (const auto& [file, values] : seconds) {
    if (const auto middle = median(values)) figures.values[file] = *middle;
  }
  if (const auto count = forbidden_headers("busway")) figures.values["forbidden"] = *count;
  return figures;
}

}  // namespace busway::bench
