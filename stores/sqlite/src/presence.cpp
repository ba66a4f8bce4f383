#include "presence.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <random>
#include <span>
#include <system_error>

#include "busway/event_record.hpp"

namespace busway::sqlite {
namespace {

int open_file(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor < 0) throw std::system_error(errno, std::generic_category(), path);
  return descriptor;
}

constexpr unsigned kPlaceBits = 32;
constexpr unsigned kFileBits = 16;

/// As long as somebody has it open no other file gets its inode; of two that have the same number
/// all the same, one in 65536, the one counts as if it were the other.
std::uint16_t number_of(int descriptor) noexcept {
  struct stat found {};
  if (fstat(descriptor, &found) != 0) return 0;
  // The number of a device may be another one after the next start of the machine.
  const std::uint64_t inode = found.st_ino;
  return static_cast<std::uint16_t>(checksum(std::as_bytes(std::span(&inode, 1))));
}

struct flock byte_at(std::int64_t place) noexcept {
  struct flock range {};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;
  range.l_start = place;
  range.l_len = 1;
  return range;
}

}  // namespace

Presence::Presence(const std::string& path)
    : holds_(open_file(path)), asks_(open_file(path)), file_(number_of(holds_.get())), next_(1) {
  std::random_device device;
  for (int tries = 0; tries < 8 && place_ == 0; ++tries) {
    const std::int64_t place = device() >> 1U | 1U;
    struct flock range = byte_at(place);
    if (fcntl(holds_.get(), F_OFD_SETLK, &range) == 0) place_ = place;
  }
  next_ = static_cast<std::uint16_t>(device());
}

Token Presence::new_token() noexcept {
  std::uint16_t number = 0;
  while (number == 0) number = next_.fetch_add(1, std::memory_order_relaxed);
  return static_cast<Token>(static_cast<std::uint64_t>(place_) << kPlaceBits |
                            static_cast<std::uint64_t>(file_) << kFileBits | number);
}

bool Presence::is_there(Token token) const noexcept {
  const std::int64_t place = token >> kPlaceBits;
  if (place <= 0 || place == place_) return true;
  if (static_cast<std::uint16_t>(token >> kFileBits) != file_) return true;
  struct flock range = byte_at(place);
  return fcntl(asks_.get(), F_OFD_GETLK, &range) != 0 || range.l_type != F_UNLCK;
}

}  // namespace busway::sqlite
