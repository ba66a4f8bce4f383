#include "host/control_socket.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/escape.hpp"
#include "busway/error.hpp"
#include "host/control_folder.hpp"
#include "platform/local_socket.hpp"

namespace busway::host_detail {
namespace {

namespace fs = std::filesystem;
using platform_detail::Descriptor;

constexpr std::string_view kSocketEnding = ".sock";

std::string words_of(int code) { return std::system_category().message(code); }

std::string absolute_path(const std::string& path) {
  std::error_code error;
  fs::path whole = fs::absolute(path, error).lexically_normal();
  if (error) refuse_control_socket(ErrorCode::io_error, path, error.message());
  if (!whole.has_filename())
    refuse_control_socket(ErrorCode::invalid_option, path, "it is a folder; name a file in it");
  if (whole.native().size() > platform_detail::kLocalPathBytesMax) {
    refuse_control_socket(ErrorCode::invalid_option, path,
                          "as an absolute path it has " + std::to_string(whole.native().size()) +
                              " bytes, and a socket takes at most " +
                              std::to_string(platform_detail::kLocalPathBytesMax));
  }
  return whole.native();
}

/// With the folder locked: removes what a dead host has left, and nothing else.
void clear_away(const std::string& path) {
  struct stat facts {};
  if (::lstat(path.c_str(), &facts) != 0) {
    if (errno == ENOENT) return;
    refuse_control_socket(ErrorCode::io_error, path, words_of(errno));
  }
  if (!S_ISSOCK(facts.st_mode)) {
    refuse_control_socket(ErrorCode::already_exists, path,
                          "a file that is no socket lies there; remove it, or name another path");
  }
  std::string who = "a program";
  try {
    const Descriptor connection = platform_detail::connect_locally(path);
    const pid_t process = platform_detail::peer_of(connection.get()).process;
    if (process != 0) who = "the process " + std::to_string(process);
  } catch (const std::system_error& error) {
    switch (error.code().value()) {
      case ECONNREFUSED:
        if (::unlink(path.c_str()) != 0)
          refuse_control_socket(ErrorCode::io_error, path, words_of(errno));
        return;
      case ENOENT: return;
      case EAGAIN: break;  // more wait there than fit
      default: refuse_control_socket(ErrorCode::io_error, path, error.code().message());
    }
  }
  refuse_control_socket(ErrorCode::already_exists, path,
                        who + " listens there already; end it, or name another path");
}

/// PID.sock, as hosts have it that were not told another name.
bool is_usual_name(const fs::path& file) {
  const std::string stem = file.stem().native();
  return file.extension() == kSocketEnding &&
         stem.find_first_not_of("0123456789") == std::string::npos;
}

/// With the folder locked: those that were killed could not clear up after themselves, and no later
/// host has their name.
void sweep(const fs::path& folder) {
  std::vector<std::string> dead;
  std::error_code error;
  for (fs::directory_iterator file(folder, error), end; !error && file != end;
       file.increment(error)) {
    if (!is_usual_name(file->path())) continue;
    try {
      (void)platform_detail::connect_locally(file->path().native());
    } catch (const std::system_error& refused) {
      if (refused.code().value() == ECONNREFUSED) dead.push_back(file->path().native());
    }
  }
  for (const std::string& path : dead) {
    struct stat facts {};
    if (::lstat(path.c_str(), &facts) == 0 && S_ISSOCK(facts.st_mode)) ::unlink(path.c_str());
  }
}

bool is_own_folder(const std::string& path) noexcept {
  struct stat facts {};
  return ::stat(path.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode) && facts.st_uid == ::geteuid();
}

bool is_trusted(uid_t user) noexcept { return user == ::geteuid() || user == 0; }

bool is_own_socket(const fs::path& file) noexcept {
  struct stat facts {};
  return ::lstat(file.c_str(), &facts) == 0 && S_ISSOCK(facts.st_mode) && is_trusted(facts.st_uid);
}

/// Where hosts of this user may have their sockets, the place for a new one first.
std::vector<std::string> control_folders() {
  const char* const told = std::getenv("BUSWAY_CONTROL_DIR");
  if (told != nullptr && *told != '\0') return {told};
  std::vector<std::string> folders;
  const char* const runtime = std::getenv("XDG_RUNTIME_DIR");
  if (runtime != nullptr && *runtime == '/' && is_own_folder(runtime))
    folders.push_back((fs::path(runtime) / "busway").lexically_normal().native());
  const std::string user = std::to_string(::geteuid());
  for (const std::string& usual : {"/tmp/busway-" + user, "/run/user/" + user + "/busway"}) {
    if (folders.empty() || folders.front() != usual) folders.push_back(usual);
  }
  return folders;
}

}  // namespace

ControlSocket ControlSocket::open(const std::string& path,
                                  std::chrono::milliseconds lock_patience) {
  const std::string whole = absolute_path(path);
  const Descriptor locked = lock_control_folder(whole, lock_patience);
  clear_away(whole);
  if (is_usual_name(whole)) sweep(fs::path(whole).parent_path());
  try {
    return {whole, platform_detail::listen_locally(whole)};
  } catch (const std::system_error& error) {
    refuse_control_socket(ErrorCode::io_error, whole, error.code().message());
  }
}

ControlSocket::ControlSocket(std::string path, Descriptor fd)
    : path_(std::move(path)), fd_(std::move(fd)) {
  struct stat facts {};
  if (::lstat(path_.c_str(), &facts) != 0) return;
  device_ = facts.st_dev;
  node_ = facts.st_ino;
}

void ControlSocket::close() noexcept {
  if (!fd_.valid()) return;
  struct stat facts {};
  const bool mine =
      ::lstat(path_.c_str(), &facts) == 0 && facts.st_dev == device_ && facts.st_ino == node_;
  if (mine) ::unlink(path_.c_str());
  fd_ = Descriptor();
}

// -- Default paths --------------------------------------------------------------------------------

std::string default_control_path() {
  const std::string name = std::to_string(::getpid()) + std::string(kSocketEnding);
  return (fs::path(control_folders().front()) / name).native();
}

std::vector<ControlHost> running_hosts() {
  std::vector<ControlHost> hosts;
  for (const std::string& folder : control_folders()) {
    if (!is_control_folder(folder)) continue;
    std::error_code error;
    for (fs::directory_iterator file(folder, error), end; !error && file != end;
         file.increment(error)) {
      if (!is_usual_name(file->path()) || !is_own_socket(file->path())) continue;
      try {
        const Descriptor connection = platform_detail::connect_locally(file->path().native());
        const platform_detail::LocalPeer host = platform_detail::peer_of(connection.get());
        if (is_trusted(host.user)) hosts.push_back({host.process, file->path().native()});
      } catch (const std::system_error&) {
        // Left by a host that is gone.
      }
    }
  }
  std::sort(hosts.begin(), hosts.end(),
            [](const ControlHost& a, const ControlHost& b) { return a.process_id < b.process_id; });
  return hosts;
}

}  // namespace busway::host_detail
