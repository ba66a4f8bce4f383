#include "positions.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string_view>
#include <system_error>

namespace tail {
namespace {

using nlohmann::json;

json write_one(const Position& one) {
  json out{{"device", one.identity.device}, {"inode", one.identity.inode}, {"offset", one.offset}};
  if (one.read != one.offset) out["read"] = one.read;
  if (!one.last_sha256.empty()) {
    out["last_bytes"] = one.last_bytes;
    out["last_sha256"] = one.last_sha256;
  }
  return out;
}

Position read_one(const json& one) {
  Position out{.identity = {.device = one.at("device").get<std::uint64_t>(),
                            .inode = one.at("inode").get<std::uint64_t>()},
               .offset = one.at("offset").get<std::int64_t>()};
  out.read = one.value("read", out.offset);
  out.last_bytes = one.value("last_bytes", std::size_t{0});
  out.last_sha256 = one.value("last_sha256", std::string());
  return out;
}

[[noreturn]] void fail_to_write(const std::string& file) {
  throw std::system_error(errno, std::generic_category(), "cannot write \"" + file + "\"");
}

/// Closes a descriptor, also when something fails.
class Closing {
 public:
  explicit Closing(int fd) noexcept : fd_(fd) {}
  Closing(const Closing&) = delete;
  Closing& operator=(const Closing&) = delete;
  ~Closing() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int fd() const noexcept { return fd_; }

 private:
  int fd_;
};

void write_and_sync(const std::string& draft, std::string_view text, const std::string& file) {
  constexpr int kFlags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
  const Closing out(::open(draft.c_str(), kFlags, 0666));
  if (out.fd() < 0) fail_to_write(file);
  while (!text.empty()) {
    const ssize_t written = ::write(out.fd(), text.data(), text.size());
    if (written < 0 && errno != EINTR) fail_to_write(file);
    if (written > 0) text.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fsync(out.fd()) != 0) fail_to_write(file);
}

/// A file that was renamed has its new name after a power failure only when its folder is on the
/// disk.
void sync_folder_of(const std::string& file) {
  const std::filesystem::path parent = std::filesystem::path(file).parent_path();
  const std::string folder = parent.empty() ? "." : parent.string();
  const Closing opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // EINVAL: a file system that cannot sync folders.
  if (opened.fd() < 0 || (::fsync(opened.fd()) != 0 && errno != EINVAL)) fail_to_write(file);
}

}  // namespace

json write_positions(const Positions& positions) {
  json out = json::object();
  for (const auto& [path, one] : positions) {
    json& written = out[path] = write_one(one.current);
    for (const Position& retired : one.retired) {
      written["retired"].push_back(write_one(retired));
    }
  }
  return out;
}

Positions read_positions(const json& positions) {
  Positions out;
  for (const auto& [path, one] : positions.items()) {
    PathPosition& read = out[path];
    read.current = read_one(one);
    for (const json& retired : one.value("retired", json::array())) {
      read.retired.push_back(read_one(retired));
    }
  }
  return out;
}

Positions load_positions(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    if (errno == ENOENT) return {};
    throw std::system_error(errno, std::generic_category(), "cannot read \"" + file + "\"");
  }
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  try {
    return read_positions(nlohmann::json::parse(text));
  } catch (const nlohmann::json::exception&) {
    throw std::runtime_error("\"" + file + "\" holds no positions of files that were followed; " +
                             "remove it, then they are read as `start` says");
  }
}

void store_positions(const std::string& file, const json& positions) {
  const std::string draft = file + ".new";
  write_and_sync(draft, positions.dump() + "\n", file);
  if (std::rename(draft.c_str(), file.c_str()) != 0) fail_to_write(file);
  sync_folder_of(file);
}

}  // namespace tail
