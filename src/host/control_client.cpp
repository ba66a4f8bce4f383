#include "host/control_client.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/deadline.hpp"
#include "base/escape.hpp"
#include "busway/error.hpp"
#include "event/json_guard.hpp"
#include "host/control_reply.hpp"
#include "platform/local_socket.hpp"

namespace busway::host_detail {
namespace {

constexpr std::size_t kReplyBytesMax = std::size_t{64} << 20U;

platform_detail::Descriptor connect_to(const std::string& path) {
  try {
    return platform_detail::connect_locally(path);
  } catch (const std::system_error& error) {
    const int code = error.code().value();
    const std::string socket = "the control socket " + quote(path);
    switch (code) {
      case ENOENT: throw Error(ErrorCode::not_found, "there is no control socket " + quote(path));
      case ECONNREFUSED: throw Error(ErrorCode::not_found, socket + " is of a host that has ended");
      case EACCES: throw Error(ErrorCode::denied, socket + " is another user's");
      case EAGAIN: throw Error(ErrorCode::timed_out, socket + " has too many waiting; try again");
      default:
        throw Error(ErrorCode::io_error, socket + ": " + std::system_category().message(code));
    }
  }
}

[[noreturn]] void deny(const std::string& path, const std::string& why) {
  throw Error(ErrorCode::denied,
              "the control socket " + quote(path) + ' ' + why + "; its answers are not trusted");
}

/// Anyone could listen in a folder that is open to all, or that is theirs.
void check_server(const std::string& path, uid_t server) {
  const uid_t user = ::geteuid();
  if (server == user || server == 0) return;
  const std::string who = "is served by another user, " + std::to_string(server);
  if (user != 0) deny(path, who);
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::canonical(path, error).parent_path();
  struct stat facts {};
  if (error || ::stat(folder.c_str(), &facts) != 0) deny(path, who + ", and its folder is gone");
  const std::string where = who + ", in the folder " + quote(folder.native());
  if (facts.st_uid != server && facts.st_uid != 0)
    deny(path, where + " of user " + std::to_string(facts.st_uid));
  if ((facts.st_mode & (S_IWGRP | S_IWOTH)) != 0) deny(path, where + " that others may write to");
}

}  // namespace

ControlClient::ControlClient(std::string path)
    : path_(std::move(path)), connection_(connect_to(path_)) {
  check_server(path_, platform_detail::peer_of(connection_.get()).user);
}

Json ControlClient::ask(const Json& request, std::chrono::nanoseconds patience) {
  const Time deadline = deadline_after(patience);
  send(to_line(request) + '\n', deadline);
  const std::string line = read_line(deadline);
  Json reply;
  try {
    reply = detail::parse_json(line);
  } catch (const Error& error) {
    refuse_answer(error.what());
  }
  if (!reply.is_object()) refuse_answer("it is no object");
  return reply;
}

void ControlClient::refuse_answer(const std::string& why) const {
  throw Error(ErrorCode::io_error,
              "the host at " + quote(path_) + " has given an answer that cannot be used: " + why);
}

void ControlClient::send(std::string_view line, Time deadline) {
  while (!line.empty()) {
    const ssize_t sent = ::send(connection_.get(), line.data(), line.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      line.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      wait_for(POLLOUT, deadline);
    } else if (errno != EINTR) {
      return;  // it may have said why before it hung up
    }
  }
}

std::string ControlClient::read_line(Time deadline) {
  std::size_t looked_at = 0;
  for (;;) {
    if (const std::size_t end = in_.find('\n', looked_at); end != std::string::npos) {
      std::string line = in_.substr(0, end);
      in_.erase(0, end + 1);
      return line;
    }
    looked_at = in_.size();
    if (in_.size() > kReplyBytesMax) refuse_answer("it has too many bytes");
    std::array<char, 65'536> buffer;
    const ssize_t got = ::recv(connection_.get(), buffer.data(), buffer.size(), 0);
    if (got > 0) {
      in_.append(buffer.data(), static_cast<std::size_t>(got));
    } else if (got < 0 && errno == EAGAIN) {
      wait_for(POLLIN, deadline);
    } else if (got == 0 || errno != EINTR) {
      throw Error(ErrorCode::io_error,
                  "the host at " + quote(path_) + " has hung up; it may have ended");
    }
  }
}

void ControlClient::wait_for(short events, Time deadline) const {
  constexpr std::chrono::milliseconds kLongest = std::chrono::hours(1);
  pollfd one{connection_.get(), events, 0};
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(
      std::min<Time::duration>(deadline - std::chrono::steady_clock::now(), kLongest));
  if (left.count() <= 0) {
    throw Error(ErrorCode::timed_out,
                "the host at " + quote(path_) + " does not answer; it hangs, or is stopped");
  }
  (void)::poll(&one, 1, static_cast<int>(left.count()));
}

}  // namespace busway::host_detail
