#include "file_faults.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace audit_log {
namespace {

std::atomic<int> syncs_to_fail{0};
std::atomic<int> cuts_to_fail{0};
std::atomic<std::size_t> syncs_made{0};
std::atomic<int> writes_to_fail{0};
thread_local bool was_partial = false;

bool is_to_fail(std::atomic<int>& left) {
  int now = left.load();
  while (now > 0 && !left.compare_exchange_weak(now, now - 1)) {
  }
  return now != 0;
}

int refuse() {
  errno = EIO;
  return -1;
}

}  // namespace

FileFaults::FileFaults() { syncs_made = 0; }
FileFaults::~FileFaults() {
  syncs_to_fail = 0;
  cuts_to_fail = 0;
  writes_to_fail = 0;
}
void FileFaults::fail_syncs(int count) { syncs_to_fail = count; }
void FileFaults::fail_writes(int count) { writes_to_fail = count; }
void FileFaults::fail_cuts(int count) { cuts_to_fail = count; }
std::size_t FileFaults::syncs() { return syncs_made; }

}  // namespace audit_log

// In place of those of the C library, in the whole process.
extern "C" __attribute__((visibility("default"))) int fdatasync(int fd) {
  ++audit_log::syncs_made;
  if (audit_log::is_to_fail(audit_log::syncs_to_fail)) return audit_log::refuse();
  return static_cast<int>(::syscall(SYS_fdatasync, fd));
}

extern "C" __attribute__((visibility("default"))) int ftruncate(int fd, off_t size) noexcept {
  if (audit_log::is_to_fail(audit_log::cuts_to_fail)) return audit_log::refuse();
  return static_cast<int>(::syscall(SYS_ftruncate, fd, size));
}

// The first part is written, the rest finds the disk full. Only what is as long as a line.
extern "C" __attribute__((visibility("default"))) ssize_t write(int fd, const void* data,
                                                                std::size_t size) {
  if (audit_log::was_partial) {
    audit_log::was_partial = false;
    errno = ENOSPC;
    return -1;
  }
  if (size > 100 && audit_log::is_to_fail(audit_log::writes_to_fail)) {
    audit_log::was_partial = true;
    size = 40;
  }
  return ::syscall(SYS_write, fd, data, size);
}
