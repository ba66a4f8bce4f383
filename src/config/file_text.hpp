// config/file_text.hpp -- the text of a file, after checks of the file and of its bytes.
// Layer: config
//
// Threads    [any-thread]
// Errors     Throws ConfigError: what is wrong with the file, and the command that mends it where
//            there is one.
// Cost       Reads at most kFileBytesMax + 1 bytes.
#pragma once

#include <string>
#include <string_view>

namespace busway::config {

/// Who besides the owner may read a file.
enum class Readable : unsigned char { by_some, by_everyone };

struct FileText {
  std::string text;
  Readable readable = Readable::by_some;
};

/// Refuses what is missing, no regular file, writable by everyone, empty or too large, then
/// check_text().
[[nodiscard]] FileText read_file_text(const std::string& path);

/// Refuses text that is empty, too large, not UTF-8, or holds NUL or control characters; returns it
/// without a byte order mark and with '\n' as the only line end.
[[nodiscard]] std::string check_text(std::string_view text, const std::string& file);

/// The path as one word of a shell command.
[[nodiscard]] std::string shell_word(std::string_view path);

}  // namespace busway::config
