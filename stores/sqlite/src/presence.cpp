#include "presence.hpp"

#include <fcntl.h>

#include <cerrno>
#include <random>
#include <system_error>

namespace busway::sqlite {
namespace {

int open_file(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor < 0) throw std::system_error(errno, std::generic_category(), path);
  return descriptor;
}

constexpr unsigned kPlaceBits = 32;

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
    : holds_(open_file(path)), asks_(open_file(path)), next_(1) {
  std::random_device device;
  for (int tries = 0; tries < 8 && place_ == 0; ++tries) {
    const std::int64_t place = device() >> 1U | 1U;
    struct flock range = byte_at(place);
    if (fcntl(holds_.get(), F_OFD_SETLK, &range) == 0) place_ = place;
  }
  next_ = device();
}

Token Presence::new_token() noexcept {
  std::uint32_t number = 0;
  while (number == 0) number = next_.fetch_add(1, std::memory_order_relaxed);
  return static_cast<Token>(static_cast<std::uint64_t>(place_) << kPlaceBits | number);
}

bool Presence::is_there(Token token) const noexcept {
  const std::int64_t place = token >> kPlaceBits;
  if (place <= 0 || place == place_) return true;
  struct flock range = byte_at(place);
  return fcntl(asks_.get(), F_OFD_GETLK, &range) != 0 || range.l_type != F_UNLCK;
}

}  // namespace busway::sqlite
