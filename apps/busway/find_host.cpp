#include "find_host.hpp"

#include <algorithm>
#include <string_view>

#include "base/escape.hpp"
#include "busway/error.hpp"

namespace busway::app {
namespace {

using Hosts = std::vector<host_detail::ControlHost>;

std::string listed(const Hosts& hosts) {
  std::string list;
  for (const host_detail::ControlHost& host : hosts) {
    list += (list.empty() ? "" : ", ") + std::to_string(host.process_id) + " (" + quote(host.path) +
            ')';
  }
  return list;
}

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

std::string find_by_process(const std::string& id, const Hosts& running) {
  const auto found = std::find_if(running.begin(), running.end(), [&](const auto& host) {
    return std::to_string(host.process_id) == id;
  });
  if (found != running.end()) return found->path;
  throw Error(ErrorCode::not_found,
              "no host of this user with process id " + id +
                  " has its control socket where busway "
                  "run puts it; " +
                  (running.empty() ? "none runs; name the socket with --host PATH"
                                   : "these run: " + listed(running)));
}

}  // namespace

std::string find_host(const std::string& named, const RunningHosts& hosts) {
  const bool is_path = !named.empty() && !is_number(named);
  if (is_path) return named;
  const Hosts running = hosts();
  if (!named.empty()) return find_by_process(named, running);
  if (running.size() == 1) return running.front().path;
  if (running.empty()) {
    throw Error(ErrorCode::not_found,
                "no host of this user runs; start one with busway run CONFIG, or name the socket "
                "of one with --host PATH");
  }
  throw Error(ErrorCode::invalid_argument, std::to_string(running.size()) +
                                               " hosts of this user run; name one of them with "
                                               "--host PID: " +
                                               listed(running));
}

}  // namespace busway::app
