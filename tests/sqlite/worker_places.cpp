// Places that cannot be written: a mount that is read-only, files and folders of another mind.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>

#include "worker.hpp"

namespace busway::worker {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kNobody = 65'534;

std::shared_ptr<Store> open_in(const std::string& folder, const char* name = "events.db") {
  return open_quietly("sqlite:" + folder + '/' + name);
}

void tell_opening(const char* what, const std::string& folder, const char* name = "events.db") {
  try {
    const std::shared_ptr<Store> store = open_in(folder, name);
    std::printf("%s: opened, %s\n", what,
                std::string(to_string(store->append(event_of(9, EventId{1, 9})).answer)).c_str());
  } catch (const Error& error) {
    std::printf("%s: %s %s\n", what, std::string(to_string(error.code())).c_str(), error.what());
  }
}

void begin_in(const std::string& folder) {
  const std::shared_ptr<Store> store = open_in(folder);
  for (std::uint64_t n = 1; n <= 3; ++n) (void)store->append(event_of(n, EventId{1, n}));
}

void tell_events(const std::string& folder) {
  const std::shared_ptr<Store> store = open_in(folder);
  std::printf("events %llu faults %zu\n", static_cast<unsigned long long>(store->stats().events),
              store->check().size());
}

}  // namespace

bool make_small_disk(const char* folder) {
  const bool alone =
      unshare(CLONE_NEWNS) == 0 || (unshare(CLONE_NEWUSER) == 0 && unshare(CLONE_NEWNS) == 0);
  return alone && mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         mount("tmpfs", folder, "tmpfs", 0, "size=4m") == 0;
}

int read_only(const std::string& folder) {
  if (!make_small_disk(folder.c_str())) {
    std::printf("no disk: %s\n", std::strerror(errno));
    return 0;
  }
  begin_in(folder);
  const auto remount = [&](unsigned long how) {
    return mount("tmpfs", folder.c_str(), "tmpfs", MS_REMOUNT | how, "size=4m") == 0;
  };
  if (!remount(MS_RDONLY)) return 1;
  tell_opening("there", folder);
  tell_opening("new", folder, "other.db");
  if (!remount(0)) return 1;
  tell_events(folder);
  return 0;
}

int run_on_read_only(const std::string& file, const std::string& state, char** program) {
  const std::string folder = fs::path(file).parent_path().string();
  if (!make_small_disk(folder.c_str())) return kNoDisk;
  const pid_t child = fork();
  if (child == 0) {
    const std::shared_ptr<Store> store = open_quietly("sqlite:" + file);
    for (std::uint64_t n = 1; n <= 3; ++n) (void)store->append(event_of(n, EventId{1, n}));
    if (state == "closed") store->close();
    _exit(0);  // as if killed: nothing is folded in
  }
  if (waitpid(child, nullptr, 0) != child) return 1;
  if (state == "without-shm") fs::remove(file + "-shm");
  if (mount("tmpfs", folder.c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, "size=4m") != 0) return 1;
  execv(program[0], program);
  return 1;
}

int unwritable(const std::string& folder) {
  if (geteuid() == 0) {
    // Root may write anything.
    if (chown(folder.c_str(), kNobody, kNobody) != 0 || setgid(kNobody) != 0 ||
        setuid(kNobody) != 0) {
      std::printf("no other user: %s\n", std::strerror(errno));
      return 0;
    }
  }
  begin_in(folder);
  const std::string file = folder + "/events.db";
  fs::permissions(file, fs::perms::owner_read);
  tell_opening("file", folder);
  fs::permissions(file, fs::perms::owner_read | fs::perms::owner_write);
  for (const char* const side : {"-wal", "-shm", "-gate"}) {
    fs::permissions(file + side, fs::perms::owner_read);
    tell_opening(side, folder);
    fs::permissions(file + side, fs::perms::owner_read | fs::perms::owner_write);
  }
  fs::permissions(folder, fs::perms::owner_read | fs::perms::owner_exec);
  tell_opening("new", folder, "other.db");
  fs::permissions(folder, fs::perms::owner_all);
  tell_events(folder);
  return 0;
}

}  // namespace busway::worker
