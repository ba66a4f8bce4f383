// platform/dynamic_library.hpp -- a shared library opened from a copy of its own.
//
// Model      The linker keeps one image a file name and a file: opening a rebuilt library again
//            gives the old code, and a library overwritten in place kills who uses it. So the bytes
//            are copied into memory (memfd) under a fresh name, checked there, and opened from
//            there. A library that looks for others beside itself ($ORIGIN) gets its copy in its
//            own folder while it is opened, under a name that no other host that works there has;
//            what a killed one has left there is removed.
// Threads    [not-concurrent] for one object. Open and close it on threads whose end you can wait
//            for: what the library's initialisers register for a thread keeps it mapped until that
//            ends.
// Ownership  The copy lives as long as the object. An object destroyed while open stays mapped,
//            with its copy: closing runs code of the library, which is for the owner to decide.
// Errors     Values: sentences without a subject, as in elf_check.hpp.
// Cost       A copy of the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "platform/descriptor.hpp"

namespace busway::platform_detail {

/// Which files may be opened as a library.
struct PathRules {
  std::string folder;  ///< the file must lie in it, symbolic links resolved; empty: anywhere
};

class DynamicLibrary {
 public:
  DynamicLibrary() = default;
  DynamicLibrary(const DynamicLibrary&) = delete;
  DynamicLibrary& operator=(const DynamicLibrary&) = delete;
  ~DynamicLibrary();

  /// Copies the file to memory. `name` (letters, digits, dots) becomes part of the image's name.
  /// What is wrong with the path or the file comes back; empty: all is well.
  [[nodiscard]] std::string read(const std::string& path, std::string_view name,
                                 const PathRules& rules);

  /// Takes a copy that another process has made and checked: its descriptor, and where the file
  /// lies.
  [[nodiscard]] std::string adopt(Descriptor copy, std::string real_path, std::string image_name);

  /// What read() copied, or adopt() took.
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }

  /// Opens the copy; `library_path` as check_library() reported it. Runs the library's
  /// initialisers.
  [[nodiscard]] std::string open(std::string_view library_path);

  /// A symbol that the library itself defines; null when it has none.
  [[nodiscard]] void* symbol(const char* name) const noexcept;

  [[nodiscard]] bool is_open() const noexcept { return handle_ != nullptr; }

  /// Runs the library's finalisers and asks for it to be unmapped. Returns whether it was.
  [[nodiscard]] bool close();

  /// Where the file was found, links resolved.
  [[nodiscard]] const std::string& real_path() const noexcept { return real_path_; }
  /// Of the copy; may be handed to another process.
  [[nodiscard]] int descriptor() const noexcept { return copy_.get(); }
  /// By which its mappings can be told, for example in /proc/self/maps; known after open().
  [[nodiscard]] const std::string& image_name() const noexcept { return image_name_; }

 private:
  [[nodiscard]] std::string map_bytes();
  void unmap_bytes() noexcept;

  std::string real_path_;
  std::string image_name_;
  Descriptor copy_;
  std::span<const std::byte> bytes_;
  void* handle_ = nullptr;
};

}  // namespace busway::platform_detail
