#include "platform/dynamic_library.hpp"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <memory>
#include <system_error>
#include <utility>

#include "platform/loaded_images.hpp"

namespace busway::platform_detail {
namespace {

constexpr std::uint64_t kFileBytesMax = std::uint64_t{1} << 30U;

[[nodiscard]] std::string system_words(int error) { return std::system_category().message(error); }

/// Empty when it cannot be resolved; errno says why.
[[nodiscard]] std::string resolve(const std::string& path) {
  const std::unique_ptr<char, void (*)(void*)> found(::realpath(path.c_str(), nullptr), &std::free);
  return found == nullptr ? std::string{} : std::string(found.get());
}

[[nodiscard]] std::string check_place(const std::string& real_path, const PathRules& rules) {
  if (rules.folder.empty()) return {};
  const std::string folder = resolve(rules.folder);
  if (folder.empty()) {
    return "cannot be opened: the folder for plugins, " + rules.folder + ", " + system_words(errno);
  }
  const std::string prefix = folder == "/" ? folder : folder + "/";
  if (real_path.compare(0, prefix.size(), prefix) == 0) return {};
  return "lies outside the folder for plugins: it is " + real_path + ", the folder is " + folder;
}

[[nodiscard]] std::string check_status(const struct stat& status) {
  if (S_ISDIR(status.st_mode)) return "is a directory; name the library in it";
  if (!S_ISREG(status.st_mode)) return "is not a regular file";
  if ((status.st_mode & S_IWOTH) != 0) {
    return "can be written by everyone, so anyone could put code into this program; "
           "take the right away with chmod o-w";
  }
  if (static_cast<std::uint64_t>(status.st_size) > kFileBytesMax) {
    return "has " + std::to_string(status.st_size) + " bytes; at most " +
           std::to_string(kFileBytesMax) + " are read";
  }
  return {};
}

[[nodiscard]] std::string check_folder_of(const std::string& real_path) {
  struct stat status {};
  const std::string folder = real_path.substr(0, real_path.rfind('/') + 1);
  if (::stat(folder.c_str(), &status) != 0) return {};
  if ((status.st_mode & S_IWOTH) != 0 && (status.st_mode & S_ISVTX) == 0) {
    return "lies in a folder that everyone can write to; take the right away with chmod o-w " +
           folder;
  }
  return {};
}

/// Empty, or what went wrong.
[[nodiscard]] std::string copy_all(int from, int to) {
  constexpr std::size_t kChunk = 1U << 16U;
  const auto buffer = std::make_unique<char[]>(kChunk);
  std::uint64_t total = 0;
  for (;;) {
    const ssize_t got = ::read(from, buffer.get(), kChunk);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return "cannot be read: " + system_words(errno);
    if (got == 0) return {};
    total += static_cast<std::uint64_t>(got);
    if (total > kFileBytesMax) return "grows while it is read";
    for (ssize_t done = 0; done < got;) {
      const ssize_t put = ::write(to, buffer.get() + done, static_cast<std::size_t>(got - done));
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return "cannot be copied to memory: " + system_words(errno);
      done += put;
    }
  }
}

[[nodiscard]] Descriptor make_memory_file(const std::string& name) {
  // Kernels from 6.3 on may refuse to execute from memory files that do not say they want it; older
  // ones do not know the flag.
  constexpr unsigned kExecutable = 0x0010U;
  int fd = ::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING | kExecutable);
  if (fd < 0 && errno == EINVAL) {
    fd = ::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING);
  }
  return Descriptor(fd);
}

/// What the copies begin with that lie in the folder of their library for a moment.
constexpr std::string_view kBesidePrefix = ".busway-";

/// Who makes a copy holds its lock as long as it is used: one that can be locked was left behind by
/// a host that was killed.
void remove_left_behind(const std::string& folder) {
  const std::unique_ptr<DIR, int (*)(DIR*)> all(::opendir(folder.c_str()), &::closedir);
  if (all == nullptr) return;
  const int in = ::dirfd(all.get());
  while (const dirent* const entry = ::readdir(all.get())) {
    const std::string_view name(entry->d_name);
    if (!name.starts_with(kBesidePrefix) || !name.ends_with(".so")) continue;
    const Descriptor file(
        ::openat(in, entry->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    struct stat status {};
    if (!file.valid() || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode) ||
        status.st_uid != ::geteuid() || ::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
      continue;
    }
    (void)::unlinkat(in, entry->d_name, 0);
  }
}

/// A file of a name that no other has, also no other host that works in this folder, locked. None:
/// it cannot be made, and errno says why.
[[nodiscard]] Descriptor make_beside(const std::string& folder, const std::string& image_name,
                                     std::string& path) {
  constexpr std::string_view kEnd = ".so";
  constexpr int kTries = 100;
  for (int i = 0; i < kTries; ++i) {
    path = folder + std::string(kBesidePrefix) + image_name.substr(0, image_name.rfind(kEnd)) +
           "-XXXXXX" + std::string(kEnd);
    Descriptor made(::mkostemps(path.data(), static_cast<int>(kEnd.size()), O_CLOEXEC));
    if (!made.valid()) return made;
    // Another host may have taken it for one that was left behind before it was locked. Where the
    // file system knows no locks, that host cannot either.
    const bool taken = ::flock(made.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    struct stat status {};
    if (!taken && ::fstat(made.get(), &status) == 0 && status.st_nlink != 0) {
      (void)::fchmod(made.get(), 0700);
      return made;
    }
    (void)::unlink(path.c_str());
  }
  errno = EEXIST;
  return Descriptor();
}

[[nodiscard]] std::string fresh_name(std::string_view name) {
  static std::atomic<std::uint64_t> count{0};
  return "busway-" + std::string(name.substr(0, 64)) + "-" +
         std::to_string(count.fetch_add(1, std::memory_order_relaxed) + 1) + ".so";
}

}  // namespace

DynamicLibrary::~DynamicLibrary() {
  unmap_bytes();
  // The image's name is /proc/PID/fd/N: while it is mapped no other library may get that name.
  if (handle_ != nullptr) (void)copy_.release();
}

void DynamicLibrary::unmap_bytes() noexcept {
  if (!bytes_.empty()) {
    ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
    bytes_ = {};
  }
}

std::string DynamicLibrary::read(const std::string& path, std::string_view name,
                                 const PathRules& rules) {
  real_path_ = resolve(path);
  if (real_path_.empty()) return "cannot be opened: " + system_words(errno);
  if (std::string problem = check_place(real_path_, rules); !problem.empty()) return problem;

  // Not through the path as given: a link in it could be turned elsewhere after the check.
  const Descriptor file(::open(real_path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file.valid()) return "cannot be opened: " + system_words(errno);
  const std::string opened = resolve("/proc/self/fd/" + std::to_string(file.get()));
  if (!opened.empty() && opened != real_path_) return "changed while it was opened; try again";
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return "cannot be opened: " + system_words(errno);
  if (std::string problem = check_status(status); !problem.empty()) return problem;
  if (std::string problem = check_folder_of(real_path_); !problem.empty()) return problem;

  image_name_ = fresh_name(name);
  copy_ = make_memory_file(image_name_);
  if (!copy_.valid()) return "cannot be copied to memory: " + system_words(errno);
  if (std::string problem = copy_all(file.get(), copy_.get()); !problem.empty()) return problem;
  (void)::fcntl(copy_.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
  return map_bytes();
}

std::string DynamicLibrary::adopt(Descriptor copy, std::string real_path, std::string image_name) {
  copy_ = std::move(copy);
  real_path_ = std::move(real_path);
  image_name_ = std::move(image_name);
  return map_bytes();
}

std::string DynamicLibrary::map_bytes() {
  struct stat status {};
  if (::fstat(copy_.get(), &status) != 0)
    return "cannot be copied to memory: " + system_words(errno);
  if (status.st_size == 0) return {};
  const auto size = static_cast<std::size_t>(status.st_size);
  void* mapped = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, copy_.get(), 0);
  if (mapped == MAP_FAILED) return "cannot be copied to memory: " + system_words(errno);
  bytes_ = {static_cast<const std::byte*>(mapped), size};
  return {};
}

std::string DynamicLibrary::open(std::string_view library_path) {
  // By number, not /proc/self: a debugger reads the name too.
  std::string name = "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(copy_.get());
  std::string beside;
  Descriptor target;
  if (library_path.find("ORIGIN") != std::string_view::npos) {
    const std::string folder = real_path_.substr(0, real_path_.rfind('/') + 1);
    remove_left_behind(folder);
    target = make_beside(folder, image_name_, beside);
    std::string problem = target.valid() ? std::string{} : system_words(errno);
    if (problem.empty() && ::lseek(copy_.get(), 0, SEEK_SET) == 0) {
      problem = copy_all(copy_.get(), target.get());
    }
    if (!problem.empty()) {
      if (target.valid()) (void)::unlink(beside.c_str());
      return "looks for libraries beside itself ($ORIGIN), so it needs a copy in its folder: " +
             problem;
    }
    name = beside;
    image_name_ = beside.substr(folder.size() + 1);
  }
  unmap_bytes();  // so that only the linker's mappings carry the name
  handle_ = ::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  std::string problem;
  if (handle_ == nullptr) {
    const char* words = ::dlerror();
    problem = std::string("cannot be opened: ") + (words == nullptr ? "no reason given" : words);
    if (const auto at = problem.find(name); at != std::string::npos) {
      problem.replace(at, name.size(), real_path_);
    }
  }
  if (!beside.empty()) (void)::unlink(beside.c_str());
  return problem;
}

void* DynamicLibrary::symbol(const char* name) const noexcept {
  if (handle_ == nullptr) return nullptr;
  void* address = ::dlsym(handle_, name);
  if (address == nullptr) return nullptr;
  // dlsym also looks into what the library needs: another plugin's symbol would not do.
  Dl_info info{};
  link_map* found = nullptr;
  link_map* own = nullptr;
  if (::dladdr1(address, &info, reinterpret_cast<void**>(&found), RTLD_DL_LINKMAP) == 0 ||
      ::dlinfo(handle_, RTLD_DI_LINKMAP, &own) != 0 || found != own) {
    return nullptr;
  }
  return address;
}

bool DynamicLibrary::close() {
  if (handle_ == nullptr) return true;
  (void)::dlclose(handle_);
  if (is_mapped(image_name_)) {
    (void)copy_.release();
    handle_ = nullptr;
    return false;
  }
  handle_ = nullptr;
  copy_ = {};
  return true;
}

}  // namespace busway::platform_detail
