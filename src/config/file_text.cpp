#include "config/file_text.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <system_error>

#include "base/escape.hpp"
#include "base/utf8.hpp"
#include "busway/config_error.hpp"
#include "config/limits.hpp"

namespace busway::config {
namespace {

constexpr std::size_t kShownPathBytesMax = 4096;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

[[noreturn]] void refuse(const std::string& file, std::string message, int line = 0) {
  throw ConfigError({{.file = file, .line = line, .message = std::move(message)}});
}

[[noreturn]] void refuse_errno(const std::string& file, std::string_view what, int error) {
  refuse(file, std::string(what) + ": " + std::generic_category().message(error));
}

class Descriptor {
 public:
  // O_NONBLOCK: opening a FIFO that nobody writes to must not hang.
  explicit Descriptor(const std::string& path)
      : value_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  [[nodiscard]] int get() const noexcept { return value_; }

 private:
  int value_;
};

void check_file(const std::string& path, const struct stat& info) {
  if (S_ISDIR(info.st_mode)) refuse(path, "is a directory; name the file itself");
  if (!S_ISREG(info.st_mode)) refuse(path, "is not a regular file; copy its text into one");
  if ((info.st_mode & S_IWOTH) != 0) {
    refuse(path,
           "everyone on this machine may change this file; run: chmod o-w " + shell_word(path));
  }
  if (info.st_size > static_cast<off_t>(kFileBytesMax)) {
    refuse(path, "has " + std::to_string(info.st_size) + " bytes; at most " +
                     std::to_string(kFileBytesMax) + " are read");
  }
}

std::string read_all(const std::string& path, int descriptor) {
  std::string text(kFileBytesMax + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::read(descriptor, text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) refuse_errno(path, "cannot be read", errno);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  text.resize(size);
  return text;
}

int line_of(std::string_view text, std::size_t offset) {
  return 1 + static_cast<int>(std::count(text.begin(),
                                         text.begin() + static_cast<std::ptrdiff_t>(offset), '\n'));
}

std::string hex(std::uint32_t value) {
  char digits[16];
  std::snprintf(digits, sizeof digits, "%02X", value);
  return digits;
}

// What YAML calls not printable, and a byte order mark in the middle. The parser would take U+0004
// for the end of the file and drop what follows.
bool is_refused(std::uint32_t c) noexcept {
  if (c < 0x20U) return c != '\t' && c != '\n' && c != '\r';
  return (c >= 0x7FU && c <= 0x9FU && c != 0x85U) || c == 0xFEFFU || c == 0xFFFEU || c == 0xFFFFU;
}

void check_characters(std::string_view text, const std::string& file) {
  for (std::size_t i = 0; i < text.size();) {
    const Utf8Char c = decode_utf8(text.substr(i));
    if (is_refused(c.code_point)) {
      refuse(file,
             "holds the control character U+00" + hex(c.code_point) +
                 "; remove it, or write it as an escape in double quotes",
             line_of(text, i));
    }
    i += c.size;
  }
}

std::string with_plain_line_ends(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\r') {
      result += text[i];
      continue;
    }
    result += '\n';
    if (i + 1 < text.size() && text[i + 1] == '\n') ++i;
  }
  return result;
}

}  // namespace

std::string shell_word(std::string_view path) {
  constexpr std::string_view kSafe =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+:@%,-";
  std::string shown = escape(path, kShownPathBytesMax);
  if (!shown.empty() && shown.front() != '-' &&
      shown.find_first_not_of(kSafe) == std::string::npos) {
    return shown;
  }
  std::string word = shown.starts_with('-') ? "-- '" : "'";
  for (const char c : shown) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return word + "'";
}

FileText read_file_text(const std::string& path) {
  if (path.empty()) refuse("(no name)", "the name of the configuration file is empty");
  if (path.find('\0') != std::string::npos) refuse(path, "the name of the file holds a NUL byte");
  const Descriptor file(path);
  if (file.get() < 0) {
    if (errno == ENOENT) refuse(path, "there is no such file");
    refuse_errno(path, "cannot be opened", errno);
  }
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) refuse_errno(path, "cannot be examined", errno);
  check_file(path, info);
  FileText result;
  result.text = check_text(read_all(path, file.get()), path);
  if ((info.st_mode & S_IROTH) != 0) result.readable = Readable::by_everyone;
  return result;
}

std::string check_text(std::string_view text, const std::string& file) {
  if (text.size() > kFileBytesMax) {
    refuse(file,
           "has more than " + std::to_string(kFileBytesMax) + " bytes, the most that is read");
  }
  if (text.empty()) {
    refuse(file, "is empty (0 bytes); write at least one section, such as event_broker:");
  }
  if (text.starts_with("\xFE\xFF") || text.starts_with("\xFF\xFE")) {
    refuse(file, "is UTF-16; save it as UTF-8");
  }
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
    refuse(file, "holds a NUL byte; the file is damaged or not text, write it anew",
           line_of(text, nul));
  }
  if (const std::size_t bad = find_invalid_utf8(text); bad != std::string_view::npos) {
    refuse(file,
           "is not UTF-8: byte 0x" + hex(static_cast<unsigned char>(text[bad])) +
               " cannot stand here; save the file as UTF-8",
           line_of(text, bad));
  }
  check_characters(text, file);
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    refuse(file,
           "is empty (nothing but blanks); write at least one section, such as event_broker:");
  }
  return with_plain_line_ends(text);
}

}  // namespace busway::config
