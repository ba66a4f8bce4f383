// What failing_disk_test.cpp runs: calls each function that writes or syncs a file, once, and says
// for each what it gave.
//
//   FILE
//
// A line is `NAME ok`, or `NAME ERROR` with the number of the error; then, of its own counts,
// `syncs N`.
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "busway/testing/failing_disk.hpp"

namespace {

using busway::testing::FailingDisk;

void tell(const char* name, int error) {
  if (FailingDisk::has_failed_here() != (error != 0)) std::printf("%s is not told of\n", name);
  if (error == 0) {
    std::printf("%s ok\n", name);
  } else {
    std::printf("%s %d\n", name, error);
  }
}

}  // namespace

int main(int count, char** words) {
  if (count != 2) return 2;
  const int file = open(words[1], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  const int other = open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (file < 0 || other < 0) return 1;
  char byte = 'x';
  const iovec part{&byte, 1};
  if (write(other, &byte, 1) != 1) std::puts("a file elsewhere has failed");
  tell("write", write(file, &byte, 1) == 1 ? 0 : errno);
  tell("writev", writev(file, &part, 1) == 1 ? 0 : errno);
  tell("pwrite", pwrite(file, &byte, 1, 2) == 1 ? 0 : errno);
  tell("pwritev", pwritev(file, &part, 1, 3) == 1 ? 0 : errno);
  tell("ftruncate", ftruncate(file, 8) == 0 ? 0 : errno);
  tell("posix_fallocate", posix_fallocate(file, 0, 16));
  tell("fsync", fsync(file) == 0 ? 0 : errno);
  tell("fdatasync", fdatasync(file) == 0 ? 0 : errno);
  std::printf("syncs %ld\n", FailingDisk::syncs());
  return 0;
}
