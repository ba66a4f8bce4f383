#include "plugin/isolation/probe.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstdlib>
#include <system_error>

namespace busway::plugin_host_detail {

using platform_detail::ChildProcess;
using platform_detail::Descriptor;

namespace {

constexpr std::size_t kWordsBytesMax = 2000;

/// What the process writes until it ends, as far as it is of interest.
std::string read_words(int from, int process, std::chrono::steady_clock::time_point deadline) {
  std::string words;
  for (;;) {
    std::array<pollfd, 2> ready{pollfd{from, POLLIN, 0}, pollfd{process, POLLIN, 0}};
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return words;
    const int wait = static_cast<int>(std::min<std::int64_t>(left.count(), 60'000));
    if (::poll(ready.data(), ready.size(), wait) < 0 && errno != EINTR) return words;
    if (ready[0].revents != 0) {
      std::array<char, 1024> some{};
      const ssize_t got = ::read(from, some.data(), some.size());
      if (got <= 0) return words;
      if (words.size() < kWordsBytesMax) words.append(some.data(), static_cast<std::size_t>(got));
    } else if (ready[1].revents != 0) {
      return words;
    }
  }
}

std::string folder_of_this_program() {
  std::array<char, PATH_MAX> path{};
  const ssize_t size = ::readlink("/proc/self/exe", path.data(), path.size());
  if (size <= 0) return {};
  const std::string whole(path.data(), static_cast<std::size_t>(size));
  return whole.substr(0, whole.rfind('/') + 1);
}

[[nodiscard]] bool can_be_run(const std::string& path) { return ::access(path.c_str(), X_OK) == 0; }

}  // namespace

ProbeResult probe_in_process(const std::string& program, const std::string& path, int library,
                             std::chrono::steady_clock::time_point deadline) {
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    throw std::system_error(errno, std::system_category(), "pipe2");
  }
  const Descriptor from(ends[0]);
  Descriptor to(ends[1]);
  constexpr int kLibrary = 3;
  constexpr int kWords = 4;
  ChildProcess process = ChildProcess::start(program,
                                             {"--probe", "--descriptor", std::to_string(kLibrary),
                                              "--words", std::to_string(kWords), path},
                                             {{library, kLibrary}, {to.get(), kWords}});
  to = Descriptor();
  ProbeResult result;
  result.words = read_words(from.get(), process.descriptor(), deadline);
  result.end = process.wait(deadline);
  return result;
}

std::string find_plugin_host(const std::string& given) {
  if (!given.empty()) return given;
  if (const char* const named = std::getenv("BUSWAY_PLUGIN_HOST");
      named != nullptr && *named != '\0') {
    return named;
  }
  const std::string here = folder_of_this_program();
  for (const std::string& folder :
       {here, here + "../libexec/busway/", std::string(BUSWAY_LIBEXEC_DIR "/busway/")}) {
    if (std::string place = folder + "busway-plugin-host"; can_be_run(place)) return place;
  }
  return {};
}

}  // namespace busway::plugin_host_detail
