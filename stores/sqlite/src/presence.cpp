#include "presence.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace busway::sqlite {
namespace {

int open_file(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor < 0) throw std::system_error(errno, std::generic_category(), path);
  return descriptor;
}

struct flock byte_of(Token token, short kind) noexcept {
  struct flock range {};
  range.l_type = kind;
  range.l_whence = SEEK_SET;
  range.l_start = token;
  range.l_len = 1;
  return range;
}

}  // namespace

Presence::Presence(const std::string& path) : holds_(open_file(path)) {
  try {
    asks_ = open_file(path);
  } catch (...) {
    close(holds_);
    throw;
  }
}

Presence::~Presence() {
  close(holds_);
  close(asks_);
}

void Presence::come(Token token) noexcept {
  struct flock range = byte_of(token, F_WRLCK);
  (void)fcntl(holds_, F_OFD_SETLK, &range);
}

void Presence::go(Token token) noexcept {
  struct flock range = byte_of(token, F_UNLCK);
  (void)fcntl(holds_, F_OFD_SETLK, &range);
}

bool Presence::is_there(Token token) const noexcept {
  struct flock range = byte_of(token, F_WRLCK);
  return fcntl(asks_, F_OFD_GETLK, &range) != 0 || range.l_type != F_UNLCK;
}

}  // namespace busway::sqlite
