#include "plugin/isolation/process/child_host.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <memory>
#include <thread>

#include "plugin/isolation/channel.hpp"
#include "plugin/isolation/process/plugin_process.hpp"
#include "plugin/isolation/wire.hpp"
#include "plugin/plugin_image.hpp"

namespace busway::plugin_host_detail {

using platform_detail::Descriptor;

namespace {

/// What a plugin that does not come back gets when the host is gone.
constexpr std::chrono::seconds kAfterHost(2);

/// Ends the process some time after the host has gone, whatever the plugin does.
void follow_host() {
  std::thread([] {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
    pollfd host{wire::kSocket, 0, 0};
    while (::poll(&host, 1, -1) <= 0 || (host.revents & (POLLHUP | POLLERR | POLLNVAL)) == 0) {
    }
    std::this_thread::sleep_for(kAfterHost);
    leave();
  }).detach();
}

[[nodiscard]] bool is_open(int descriptor) { return ::fcntl(descriptor, F_GETFD) >= 0; }

}  // namespace

int run_plugin_process() {
  for (const int one : {wire::kSocket, wire::kDoor, wire::kProgress, wire::kLibrary}) {
    if (!is_open(one)) return 1;
    (void)::fcntl(one, F_SETFD, FD_CLOEXEC);
  }
  // They are meant for the host, which then stops this one in its turn. The terminal is the host's,
  // too: who reads from it here is told so (EIO), in place of being stopped.
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGTTIN, SIGTTOU})
    (void)::signal(signal, SIG_IGN);
  void* const shared = ::mmap(nullptr, sizeof(wire::Progress), PROT_READ | PROT_WRITE, MAP_SHARED,
                              wire::kProgress, 0);
  if (shared == MAP_FAILED) return 1;
  follow_host();
  Channel channel(Descriptor(wire::kSocket), wire::kFrameBytesMax);
  PluginProcess mine(channel, *static_cast<wire::Progress*>(shared));
  return mine.run();
}

std::optional<Error> probe_library(const std::string& path, int descriptor) {
  try {
    const auto image = [&] {
      if (descriptor < 0) return std::make_unique<PluginImage>(path, platform_detail::PathRules{});
      const wire::Opening opening{
          .path = path,
          .library_path = {},
          .image_name = "busway-probed-" + std::to_string(::getpid()) + ".so"};
      return std::make_unique<PluginImage>(Descriptor(descriptor), opening);
    }();
    image->open();
    (void)image->close();
  } catch (const Error& error) {
    return error;
  }
  return std::nullopt;
}

}  // namespace busway::plugin_host_detail
