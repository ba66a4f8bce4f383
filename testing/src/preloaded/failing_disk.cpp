// Loaded before libc: the n-th call that writes or syncs a file of a folder fails. How it is told
// which is in busway/testing/failing_disk.hpp; this file is a library of its own, of C functions.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

std::atomic<long> calls{0};
std::atomic<long> syncs{0};
thread_local bool has_failed = false;

const char* setting(const char* name) {
  const char* const value = std::getenv(name);
  return value != nullptr ? value : "";
}

bool is_ours(int file) {
  const std::string link = "/proc/self/fd/" + std::to_string(file);
  char path[4096];
  const ssize_t size = readlink(link.c_str(), path, sizeof path - 1);
  if (size <= 0) return false;
  path[size] = 0;
  const char* const folder = setting("BUSWAY_DISK_FOLDER");
  return *folder != 0 && std::strncmp(path, folder, std::strlen(folder)) == 0;
}

/// Whether this call is to fail.
bool fails(int file, const char* kind) {
  if (!is_ours(file)) return false;
  if (std::strcmp(kind, "sync") == 0) ++syncs;
  const std::string wanted = setting("BUSWAY_DISK_CALLS");
  if (!wanted.empty() && wanted != "any" && wanted != kind) return false;
  if (calls.fetch_add(1) + 1 != std::atol(setting("BUSWAY_DISK_FAILS"))) return false;
  const int error = std::atoi(setting("BUSWAY_DISK_ERROR"));
  // SQLite syncs the folder beside its log and does not mind; the store has done so itself.
  struct stat found {};
  has_failed = has_failed || fstat(file, &found) != 0 || !S_ISDIR(found.st_mode);
  errno = error != 0 ? error : EIO;
  return true;
}

template <class F>
F next(const char* name) {
  return reinterpret_cast<F>(dlsym(RTLD_NEXT, name));
}

struct TellAtEnd {
  ~TellAtEnd() {
    const char* const path = setting("BUSWAY_DISK_COUNT");
    if (*path == 0) return;
    if (std::FILE* const file = std::fopen(path, "w")) {
      std::fprintf(file, "%ld\n", calls.load());
      std::fclose(file);
    }
  }
} const tell_at_end;

}  // namespace

extern "C" {

long busway_disk_syncs() { return syncs; }
int busway_disk_failed() {
  const bool failed = has_failed;
  has_failed = false;
  return failed ? 1 : 0;
}

ssize_t write(int file, const void* data, size_t size) {
  static const auto real = next<ssize_t (*)(int, const void*, size_t)>("write");
  return fails(file, "write") ? -1 : real(file, data, size);
}
ssize_t writev(int file, const iovec* parts, int count) {
  static const auto real = next<ssize_t (*)(int, const iovec*, int)>("writev");
  return fails(file, "write") ? -1 : real(file, parts, count);
}
ssize_t pwrite(int file, const void* data, size_t size, off_t at) {
  static const auto real = next<ssize_t (*)(int, const void*, size_t, off_t)>("pwrite");
  return fails(file, "write") ? -1 : real(file, data, size, at);
}
ssize_t pwrite64(int file, const void* data, size_t size, off64_t at) {
  static const auto real = next<ssize_t (*)(int, const void*, size_t, off64_t)>("pwrite64");
  return fails(file, "write") ? -1 : real(file, data, size, at);
}
ssize_t pwritev(int file, const iovec* parts, int count, off_t at) {
  static const auto real = next<ssize_t (*)(int, const iovec*, int, off_t)>("pwritev");
  return fails(file, "write") ? -1 : real(file, parts, count, at);
}
ssize_t pwritev64(int file, const iovec* parts, int count, off64_t at) {
  static const auto real = next<ssize_t (*)(int, const iovec*, int, off64_t)>("pwritev64");
  return fails(file, "write") ? -1 : real(file, parts, count, at);
}
int ftruncate(int file, off_t size) noexcept {
  static const auto real = next<int (*)(int, off_t)>("ftruncate");
  return fails(file, "write") ? -1 : real(file, size);
}
int ftruncate64(int file, off64_t size) noexcept {
  static const auto real = next<int (*)(int, off64_t)>("ftruncate64");
  return fails(file, "write") ? -1 : real(file, size);
}
int fallocate(int file, int mode, off_t at, off_t size) {
  static const auto real = next<int (*)(int, int, off_t, off_t)>("fallocate");
  return fails(file, "write") ? -1 : real(file, mode, at, size);
}
int fallocate64(int file, int mode, off64_t at, off64_t size) {
  static const auto real = next<int (*)(int, int, off64_t, off64_t)>("fallocate64");
  return fails(file, "write") ? -1 : real(file, mode, at, size);
}
// These two give the error and leave errno alone.
int posix_fallocate(int file, off_t at, off_t size) {
  static const auto real = next<int (*)(int, off_t, off_t)>("posix_fallocate");
  return fails(file, "write") ? errno : real(file, at, size);
}
int posix_fallocate64(int file, off64_t at, off64_t size) {
  static const auto real = next<int (*)(int, off64_t, off64_t)>("posix_fallocate64");
  return fails(file, "write") ? errno : real(file, at, size);
}
int fsync(int file) {
  static const auto real = next<int (*)(int)>("fsync");
  return fails(file, "sync") ? -1 : real(file);
}
int fdatasync(int file) {
  static const auto real = next<int (*)(int)>("fdatasync");
  return fails(file, "sync") ? -1 : real(file);
}
}
