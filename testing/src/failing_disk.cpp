#include "busway/testing/failing_disk.hpp"

#include <dlfcn.h>
#include <stdlib.h>  // NOLINT: mkstemp
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <system_error>

#include "busway/testing/process.hpp"

namespace busway::testing {
namespace {

std::string_view name_of(FailingDisk::Calls calls) {
  switch (calls) {
    case FailingDisk::Calls::write: return "write";
    case FailingDisk::Calls::sync: return "sync";
    case FailingDisk::Calls::any: break;
  }
  return "any";
}

/// A file in the folder for temporary ones, while it lives.
class CountFile {
 public:
  CountFile() : path_((std::filesystem::temp_directory_path() / "busway-disk-XXXXXX").string()) {
    const int file = mkstemp(path_.data());
    if (file < 0) throw std::system_error(errno, std::generic_category(), path_);
    close(file);
  }
  CountFile(const CountFile&) = delete;
  CountFile& operator=(const CountFile&) = delete;
  ~CountFile() { unlink(path_.c_str()); }

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] long count() const {
    long count = 0;
    return std::ifstream(path_) >> count ? count : -1;
  }

 private:
  std::string path_;
};

}  // namespace

FailingDisk::Run FailingDisk::run(const std::vector<std::string>& words, const std::string& folder,
                                  long n) const {
  const CountFile counted;
  Process program(words, environment(folder, n, counted.path()));
  program.close_input();
  Run out;
  out.n = n;
  std::istringstream text(program.read_all());
  for (std::string line; std::getline(text, line);) out.lines.push_back(line);
  out.exit_code = program.wait();
  out.calls = counted.count();
  if (out.calls < 0 && out.exit_code == 0) {
    throw std::runtime_error("the failing disk counted nothing in " + words.front() +
                             ": its library was not loaded, or the program ended by _exit(0)");
  }
  return out;
}

std::vector<std::string> FailingDisk::environment(const std::string& folder, long n,
                                                  const std::string& count_file) const {
  // The runtime of a sanitizer wants to be the first library, and need not be.
  const char* const asan = std::getenv("ASAN_OPTIONS");
  return {"LD_PRELOAD=" + library,
          std::string("ASAN_OPTIONS=") + (asan != nullptr ? asan : "") +
              ":verify_asan_link_order=0:detect_leaks=0",
          "BUSWAY_DISK_FOLDER=" + folder,
          "BUSWAY_DISK_FAILS=" + std::to_string(n),
          "BUSWAY_DISK_ERROR=" + std::to_string(error),
          "BUSWAY_DISK_CALLS=" + std::string(name_of(calls)),
          "BUSWAY_DISK_COUNT=" + count_file};
}

long FailingDisk::syncs() {
  static const auto ask = reinterpret_cast<long (*)()>(dlsym(RTLD_DEFAULT, "busway_disk_syncs"));
  return ask != nullptr ? ask() : 0;
}

bool FailingDisk::has_failed_here() {
  static const auto ask = reinterpret_cast<int (*)()>(dlsym(RTLD_DEFAULT, "busway_disk_failed"));
  return ask != nullptr && ask() != 0;
}

}  // namespace busway::testing
