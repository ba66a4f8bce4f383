#include "last_line.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <stdexcept>
#include <system_error>

#include "shared/audit_line.hpp"

namespace audit_log {
namespace {

/// [from, from + size) of the file.
std::string read_at(int fd, off_t from, std::size_t size, const std::string& path) {
  std::string bytes(size, '\0');
  for (std::size_t got = 0; got < size;) {
    const ssize_t n = ::pread(fd, bytes.data() + got, size - got, from + static_cast<off_t>(got));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      throw std::system_error(errno, std::generic_category(), "cannot read \"" + path + "\"");
    }
    if (n == 0) throw std::runtime_error("\"" + path + "\" became shorter while it was read");
    got += static_cast<std::size_t>(n);
  }
  return bytes;
}

}  // namespace

FileEnd read_end(int fd, const std::string& path) {
  constexpr off_t kStep = 1 << 16;
  struct stat status {};
  if (::fstat(fd, &status) != 0) {
    throw std::system_error(errno, std::generic_category(), "cannot look at \"" + path + "\"");
  }
  // Backwards until two newlines are found: the last one, and that before the last line.
  std::string bytes;
  off_t begin = status.st_size;
  for (;;) {
    const std::size_t last = bytes.rfind('\n');
    const bool found =
        last != std::string::npos && last > 0 && bytes.rfind('\n', last - 1) != std::string::npos;
    if (found || begin == 0) break;
    if (bytes.size() > shared::kAuditLineBytesMax) {
      throw std::runtime_error("\"" + path + "\" is no audit log: its last line has no end");
    }
    const off_t step = std::min(kStep + static_cast<off_t>(bytes.size()), begin);
    begin -= step;
    bytes.insert(0, read_at(fd, begin, static_cast<std::size_t>(step), path));
  }
  FileEnd end;
  const std::size_t last = bytes.rfind('\n');
  const std::size_t torn = last == std::string::npos ? 0 : last + 1;
  end.torn = bytes.substr(torn);
  end.torn_at = begin + static_cast<off_t>(torn);
  if (last != std::string::npos) {
    const std::size_t before = last == 0 ? std::string::npos : bytes.rfind('\n', last - 1);
    const std::size_t from = before == std::string::npos ? 0 : before + 1;
    end.line = bytes.substr(from, last - from);
    end.line_at = begin + static_cast<off_t>(from);
  }
  return end;
}

std::vector<std::string> read_last_lines(int fd, const std::string& path, LinesMax max) {
  constexpr std::size_t kStep = 1 << 16;
  struct stat status {};
  if (::fstat(fd, &status) != 0) {
    throw std::system_error(errno, std::generic_category(), "cannot look at \"" + path + "\"");
  }
  // Backwards until there is one newline more than lines: that before the first of them.
  std::string bytes;
  off_t begin = status.st_size;
  std::size_t newlines = 0;
  while (begin > 0 && newlines <= max.count && bytes.size() <= max.bytes) {
    const std::size_t wanted = std::min(kStep + bytes.size(), max.bytes + 1 - bytes.size());
    const off_t step = std::min(static_cast<off_t>(wanted), begin);
    begin -= step;
    const std::string more = read_at(fd, begin, static_cast<std::size_t>(step), path);
    newlines += static_cast<std::size_t>(std::count(more.begin(), more.end(), '\n'));
    bytes.insert(0, more);
  }
  std::vector<std::string> lines;
  std::size_t size = 0;
  for (std::size_t end = bytes.rfind('\n'); end != std::string::npos && lines.size() < max.count;) {
    const std::size_t before = end == 0 ? std::string::npos : bytes.rfind('\n', end - 1);
    if (before == std::string::npos && begin > 0) break;
    const std::size_t from = before == std::string::npos ? 0 : before + 1;
    size += end - from + 1;
    if (size > max.bytes) break;
    lines.push_back(bytes.substr(from, end - from));
    end = before;
  }
  return lines;
}

}  // namespace audit_log
