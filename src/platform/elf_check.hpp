// platform/elf_check.hpp -- whether a file is a whole library for this machine, before it is
// opened.
//
// Model      The dynamic linker trusts what it maps: a truncated library kills the process with
//            SIGBUS, a damaged one with SIGSEGV. So all that it would follow blindly is looked at
//            first: the headers, that each segment lies within the file, the dynamic table and what
//            it points to, and the symbol that will be asked for.
// Threads    [any-thread]
// Errors     Values: `problem` is a sentence without a subject ("is truncated: ..."), for example
//            to follow the file's name. Names out of the file are not escaped.
// Cost       Reads headers and symbols; independent of the size of the code.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace busway::platform_detail {

struct ElfReport {
  std::string problem;  ///< empty: the library may be opened
  /// What was wrong with the symbol alone: the file is a library, but without it.
  bool lacks_symbol = false;
  std::vector<std::string> exported;        ///< names that it defines for others
  std::vector<std::string> unique_symbols;  ///< those that would keep it mapped for ever
  std::string library_path;                 ///< DT_RUNPATH or DT_RPATH
};

/// Checks the bytes of a file; `symbol` is the function that the library must define.
[[nodiscard]] ElfReport check_library(std::span<const std::byte> file, std::string_view symbol);

/// "x86-64", "AArch64"; for others the number of e_machine.
[[nodiscard]] std::string machine_name(std::uint16_t e_machine);

/// The machine this program was built for, as e_machine.
[[nodiscard]] std::uint16_t own_machine() noexcept;

}  // namespace busway::platform_detail
