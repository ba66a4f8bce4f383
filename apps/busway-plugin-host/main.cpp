// busway-plugin-host: the process of a plugin with isolation process, and the one in which a
// library is tried out before the host opens it.
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "busway/version.hpp"
#include "plugin/isolation/process/child_host.hpp"

namespace {

namespace host = busway::plugin_host_detail;

constexpr int kUsage = 2;

constexpr std::string_view kHelp =
    "usage: busway-plugin-host --probe [--descriptor N] [--words N] FILE\n"
    "       busway-plugin-host --version\n"
    "\n"
    "Tries a plugin's library out: opens it and looks at its table. 0: it can be loaded; 1: it\n"
    "cannot, and why; 2: the arguments make no sense; 3: it speaks another ABI; ended by\n"
    "a signal: that is what it does to whoever opens it. With --descriptor the library is read\n"
    "from there, and FILE is only its name; with --words the reason is written there in place of\n"
    "standard error, or \"good\".\n"
    "\n"
    "Without arguments it is the process of a plugin and is started by a host, never by hand.\n";

int usage(std::string_view problem) {
  std::fprintf(stderr, "busway-plugin-host: %.*s\n\n%.*s", static_cast<int>(problem.size()),
               problem.data(), static_cast<int>(kHelp.size()), kHelp.data());
  return kUsage;
}

/// 0 or more; -1: it is no number.
int read_descriptor(std::string_view text) {
  int number = -1;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  return read.ec == std::errc() && read.ptr == text.data() + text.size() ? number : -1;
}

int probe(const std::vector<std::string_view>& arguments) {
  int library = -1;
  int words = STDERR_FILENO;
  std::size_t at = 1;
  while (at + 2 < arguments.size()) {
    const bool is_library = arguments[at] == "--descriptor";
    if (!is_library && arguments[at] != "--words") break;
    const int number = read_descriptor(arguments[at + 1]);
    if (number < 0) {
      return usage("\"" + std::string(arguments[at + 1]) + "\" is no number of a descriptor");
    }
    (is_library ? library : words) = number;
    at += 2;
  }
  if (arguments.size() != at + 1) return usage("--probe takes one FILE");
  const auto problem = host::probe_library(std::string(arguments[at]), library);
  if (!problem) {
    if (words != STDERR_FILENO) (void)::dprintf(words, "%s", host::kProbedGood.data());
    return 0;
  }
  const std::string prefix = words == STDERR_FILENO ? "busway-plugin-host: " : "";
  (void)::dprintf(words, "%s%s%s", prefix.c_str(), problem->what(), prefix.empty() ? "" : "\n");
  return problem->code() == busway::ErrorCode::plugin_abi ? host::kProbedOtherAbi
                                                          : host::kProbedBadFile;
}

int run(const std::vector<std::string_view>& arguments) {
  if (arguments.empty()) {
    const int code = host::run_plugin_process();
    if (code == 0) return 0;
    return usage("it is started by a host, with a connection to that");
  }
  if (arguments.front() == "--probe") return probe(arguments);
  if (arguments.front() == "--help") {
    std::fwrite(kHelp.data(), 1, kHelp.size(), stdout);
    return 0;
  }
  if (arguments.front() == "--version") {
    std::printf("busway-plugin-host %.*s\n", static_cast<int>(busway::kVersion.size()),
                busway::kVersion.data());
    return 0;
  }
  return usage("\"" + std::string(arguments.front()) + "\" is none of its arguments");
}

}  // namespace

int main(int count, char** arguments) {
  try {
    return run({arguments + 1, arguments + count});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "busway-plugin-host: %s\n", error.what());
    return 1;
  }
}
