#include "log_tail.hpp"

#include <array>
#include <cstddef>
#include <fstream>
#include <span>
#include <vector>

namespace busway::sqlite {
namespace {

// https://www.sqlite.org/fileformat2.html#the_write_ahead_log and walformat.html
constexpr std::size_t kHeaderBytes = 32;
constexpr std::size_t kFrameHeaderBytes = 24;
constexpr std::uint64_t kPageBytesMax = 65'536;
constexpr std::uint32_t kMagicLittle = 0x377f0682;  // + 1: sums of words with the high byte first
constexpr std::size_t kLastFrameAt = 16;            // in the index, as the machine writes numbers
constexpr int kIndexBytes = 32'768;                 // of its first part

using Bytes = std::span<const unsigned char>;

std::uint32_t big(Bytes bytes, std::size_t at) {
  return std::uint32_t{bytes[at]} << 24U | std::uint32_t{bytes[at + 1]} << 16U |
         std::uint32_t{bytes[at + 2]} << 8U | std::uint32_t{bytes[at + 3]};
}

std::uint32_t little(Bytes bytes, std::size_t at) {
  return std::uint32_t{bytes[at + 3]} << 24U | std::uint32_t{bytes[at + 2]} << 16U |
         std::uint32_t{bytes[at + 1]} << 8U | std::uint32_t{bytes[at]};
}

struct Sum {
  std::uint32_t first = 0;
  std::uint32_t second = 0;
  bool operator==(const Sum&) const = default;
};

Sum sum_at(Bytes bytes, std::size_t at) { return {big(bytes, at), big(bytes, at + 4)}; }

Sum sum_of(Bytes bytes, bool big_first, Sum sum) {
  for (std::size_t at = 0; at + 8 <= bytes.size(); at += 8) {
    sum.first += (big_first ? big(bytes, at) : little(bytes, at)) + sum.second;
    sum.second += (big_first ? big(bytes, at + 4) : little(bytes, at + 4)) + sum.first;
  }
  return sum;
}

bool read_at(std::ifstream& file, std::uint64_t at, std::span<unsigned char> into) {
  file.clear();
  file.seekg(static_cast<std::streamoff>(at));
  file.read(reinterpret_cast<char*>(into.data()), static_cast<std::streamsize>(into.size()));
  return file.gcount() == static_cast<std::streamsize>(into.size());
}

/// What SQLite has found to be the last frame: from its own mapping of the index, for whoever opens
/// and closes that file takes away the locks that this process holds on it.
std::uint32_t last_frame(Database& database) {
  sqlite3_file* file = nullptr;
  if (sqlite3_file_control(database.handle(), "main", SQLITE_FCNTL_FILE_POINTER, &file) !=
          SQLITE_OK ||
      file == nullptr || file->pMethods == nullptr || file->pMethods->iVersion < 2) {
    return 0;
  }
  volatile void* index = nullptr;
  if (file->pMethods->xShmMap(file, 0, kIndexBytes, 0, &index) != SQLITE_OK || index == nullptr) {
    return 0;
  }
  return static_cast<volatile std::uint32_t*>(index)[kLastFrameAt / sizeof(std::uint32_t)];
}

}  // namespace

std::uint64_t unreadable_commits(Database& database, const std::string& path) {
  std::ifstream log(path + "-wal", std::ios::binary);
  std::array<unsigned char, kHeaderBytes> header{};
  if (!read_at(log, 0, header)) return 0;
  const bool big_first = (big(header, 0) & 1U) != 0;
  const bool header_is_sound = (big(header, 0) | 1U) == (kMagicLittle | 1U) &&
                               sum_of(Bytes(header).first(24), big_first, {}) == sum_at(header, 24);
  // Of a header that is damaged nothing is to be believed.
  std::uint64_t page = header_is_sound ? big(header, 8) : 4'096;
  if (page == 1) page = kPageBytesMax;
  if (page < 512 || page > kPageBytesMax) return 0;
  const std::uint64_t size = kFrameHeaderBytes + page;
  std::vector<unsigned char> frame(size);
  const auto read_frame = [&](std::uint64_t number) {
    return read_at(log, kHeaderBytes + (number - 1) * size, frame);
  };
  std::uint64_t number = header_is_sound ? last_frame(database) : 0;
  Sum sum = sum_at(header, 24);
  if (number != 0) {
    if (!read_frame(number)) return 0;
    sum = sum_at(frame, 16);
  }
  Sum salts = sum_at(header, 16);
  bool readable = header_is_sound;
  std::uint64_t commits = 0;
  for (int others = 0; others < 2 && read_frame(++number);) {
    if (!header_is_sound && number == 1) salts = sum_at(frame, 8);
    // Of an older log both are others; one bit spoils one of them.
    const Sum found = sum_at(frame, 8);
    const bool of_this_log = found.first == salts.first || found.second == salts.second;
    others = of_this_log ? 0 : others + 1;
    if (readable) {
      const Sum head = sum_of(Bytes(frame).first(8), big_first, sum);
      sum = sum_of(Bytes(frame).subspan(kFrameHeaderBytes), big_first, head);
      // Frames of a commit that failed, or of somebody who is about to commit, are whole.
      readable = found == salts && sum == sum_at(frame, 16);
    }
    if (readable) continue;
    if (of_this_log && big(frame, 4) != 0) ++commits;
  }
  return commits;
}

}  // namespace busway::sqlite
