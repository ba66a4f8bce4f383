// A copy of the store beside its use: made under another name, and given its own when it is whole.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <functional>
#include <string>
#include <system_error>

#include "base/escape.hpp"
#include "busway/error.hpp"
#include "opening.hpp"
#include "platform/random.hpp"
#include "sqlite_store.hpp"

namespace busway::sqlite {
namespace {

namespace fs = std::filesystem;

/// Steps of SQLite between two words about how far it is.
constexpr int kStepsEvery = 1'000;

std::error_code last_error() { return {errno, std::generic_category()}; }

std::string name_of_part(const std::string& path) {
  std::array<char, 17> number{};
  (void)std::snprintf(number.data(), number.size(), "%016llx",
                      static_cast<unsigned long long>(platform_detail::system_random()));
  return path + ".part-" + number.data();
}

[[noreturn]] void refuse_there(const std::string& path) {
  throw Error(ErrorCode::already_exists, "backup: " + escape(path) + " exists already");
}

void require_free_place(const std::string& path) {
  if (path.empty()) {
    throw Error(ErrorCode::invalid_argument, "backup: takes the path of the copy; it is empty");
  }
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) {
    throw Error(ErrorCode::already_exists,
                "backup: " + escape(path) + " is a folder; name a file in it");
  }
  const fs::path folder = fs::path(path).parent_path();
  if (!folder.empty() && !fs::is_directory(folder, ignored)) {
    throw Error(ErrorCode::io_error, "backup: " + escape(path) +
                                         " is in a folder that does not exist; make " +
                                         escape(folder.string()) + " first");
  }
  struct stat there {};
  if (lstat(path.c_str(), &there) == 0) refuse_there(path);
  // SQLite would take them for what is still to be done to the copy.
  for (const char* const side : {"-journal", "-wal"}) {
    if (lstat((path + side).c_str(), &there) != 0) continue;
    throw Error(ErrorCode::already_exists, "backup: beside " + escape(path) + " stands " +
                                               escape(path) + side +
                                               " of another database; remove it, or name another "
                                               "file");
  }
}

/// The file that a copy becomes. Whatever ends the process before keep(), nothing has its name; the
/// part, and what SQLite makes beside it, goes with this object.
class NewFile {
 public:
  NewFile(const std::string& path, mode_t mode)
      : path_(path),
        part_(name_of_part(path)),
        descriptor_(::open(part_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode)) {
    if (descriptor_ < 0) fail("cannot be made", last_error());
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;
  ~NewFile() {
    if (!named_) (void)unlink(part_.c_str());
    (void)unlink((part_ + "-journal").c_str());
    // Whole as it is, but nobody was told that it is there.
    if (named_ && !kept_) (void)unlink(path_.c_str());
    ::close(descriptor_);
  }

  [[nodiscard]] const std::string& part() const noexcept { return part_; }

  void keep() {
    if (fsync(descriptor_) != 0) fail("cannot be synced", last_error());
    take_name();
    if (const std::error_code failed = sync_folder(path_)) {
      throw Error(ErrorCode::io_error, "backup: the folder of " + escape(path_) +
                                           " cannot be synced: " + words_of(failed));
    }
    kept_ = true;
  }

 private:
  void take_name() {
    if (renameat2(AT_FDCWD, part_.c_str(), AT_FDCWD, path_.c_str(), RENAME_NOREPLACE) == 0) {
      named_ = true;
      return;
    }
    if (errno == EEXIST) refuse_there(path_);
    // Not each file system knows that.
    if (link(part_.c_str(), path_.c_str()) != 0) {
      if (errno == EEXIST) refuse_there(path_);
      fail("cannot be given its name", last_error());
    }
    (void)unlink(part_.c_str());
    named_ = true;
  }
  [[noreturn]] void fail(const char* what, const std::error_code& why) const {
    throw Error(ErrorCode::io_error,
                "backup: " + escape(path_) + ' ' + what + ": " + words_of(why));
  }

  const std::string path_;
  const std::string part_;
  const int descriptor_;
  bool named_ = false;
  bool kept_ = false;
};

/// How far a copy is, as the size of its file tells.
struct Copying {
  const std::function<void(const StoreProgress&)>& progress;
  const std::string& path;
  std::uint64_t whole = 0;
  std::exception_ptr ended{};  // by whoever is told

  static int told(void* self) noexcept {
    Copying& copying = *static_cast<Copying*>(self);
    struct stat made {};
    if (stat(copying.path.c_str(), &made) != 0) return 0;
    const auto size = static_cast<std::uint64_t>(std::max<off_t>(0, made.st_size));
    try {
      copying.progress({std::min(size, copying.whole), copying.whole});
    } catch (...) {
      copying.ended = std::current_exception();
      return 1;
    }
    return 0;
  }
};

}  // namespace

void SqliteStore::backup(const std::string& path) {
  require_free_place(path);
  core_->require_open();
  struct stat original {};
  const bool known = stat(core_->path.c_str(), &original) == 0;
  // A copy is for whoever may read the original, and for nobody else.
  NewFile file(path, known ? original.st_mode & 0777U : S_IRUSR | S_IWUSR);
  core_->asking([&] {
    // A connection of its own: it writes another file.
    Database database(core_->path, core_->access);
    database.run("PRAGMA wal_autocheckpoint=0");
    Copying copying{core_->options.progress, file.part(), database.bytes()};
    if (copying.progress) {
      sqlite3_progress_handler(database.handle(), kStepsEvery, &Copying::told, &copying);
    }
    Statement copy(database, "VACUUM INTO ?");
    try {
      copy.run(std::string_view(file.part()));
    } catch (const Fault&) {
      if (copying.ended) std::rethrow_exception(copying.ended);
      throw;
    }
    core_->tell_progress(copying.whole, copying.whole);
    return true;
  });
  file.keep();
}

}  // namespace busway::sqlite
