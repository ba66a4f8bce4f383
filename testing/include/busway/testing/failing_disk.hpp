// busway/testing/failing_disk.hpp -- a disk that fails at its n-th call, under a program of a test.
// Layer: testing
//
// Model      run() starts a program with the shared object busway::failing_disk loaded before libc
//            (LD_PRELOAD). That counts the program's calls that write or sync a file of one folder,
//            lets the n-th fail, and all others through. Run n = 1, 2, 3, ..., each in a folder of
//            its own, until a run is clean(): then each call has failed once. What the program has
//            said by its output must be true after each of them.
// Threads    run() is [any-thread]; syncs() and has_failed_here() are [any-thread], in the program.
// Ownership  A value; nothing is left of a run but the folder, which is the caller's.
// Errors     run() throws std::system_error where the program cannot be started, and
//            std::runtime_error where it has ended with 0 and nothing was counted: its library is
//            not there, or the program is static. Why tells ld.so on its standard error.
// Cost       A call costs the program some microseconds more.
// Example    tests/testing/failing_disk_test.cpp
#pragma once

#include <cerrno>
#include <string>
#include <vector>

namespace busway::testing {

/// The calls that it sees are those of the program and its libraries: write, writev, pwrite,
/// pwritev, ftruncate, fallocate and posix_fallocate; fsync and fdatasync. Not those that libc
/// makes for itself (stdio), nor what goes by mmap or io_uring.
///
/// A program that is started in another way, such as a server, gets environment():
///
///   LD_PRELOAD           the path of the library
///   BUSWAY_DISK_FOLDER   files whose path begins so
///   BUSWAY_DISK_FAILS    n, from 1; 0: none fails
///   BUSWAY_DISK_ERROR    the number of the error
///   BUSWAY_DISK_CALLS    write, sync or any
///   BUSWAY_DISK_COUNT    a file that is told at exit() how many such calls there were
struct FailingDisk {
  enum class Calls : unsigned char { any, write, sync };

  struct Run {
    std::vector<std::string> lines;  ///< of its standard output
    int exit_code = 0;               ///< as Process::wait()
    long calls = -1;                 ///< that could have failed; -1: it did not end by exit()
    long n = 0;
    /// It has ended before there was an n-th call.
    [[nodiscard]] bool clean() const noexcept { return calls >= 0 && calls < n; }
  };

  std::string library;  ///< $<TARGET_FILE:busway::failing_disk>
  Calls calls = Calls::any;
  int error = EIO;

  /// `folder`: the absolute path, without links, where the program has its files.
  [[nodiscard]] Run run(const std::vector<std::string>& words, const std::string& folder,
                        long n) const;

  [[nodiscard]] std::vector<std::string> environment(const std::string& folder, long n,
                                                     const std::string& count_file = {}) const;

  /// In the program that runs under it: how many syncs of the folder there were, failed or not. 0
  /// in one that does not.
  [[nodiscard]] static long syncs();
  /// There as well: whether this thread has had a call fail on a file (a sync of a folder does not
  /// count) since it asked last.
  [[nodiscard]] static bool has_failed_here();
};

}  // namespace busway::testing
