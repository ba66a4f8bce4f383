#include "platform/elf_check.hpp"

#include <elf.h>
#include <link.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <optional>
#include <type_traits>
#include <utility>

namespace busway::platform_detail {
namespace {

using Header = ElfW(Ehdr);
using Segment = ElfW(Phdr);
using Entry = ElfW(Dyn);
using Symbol = ElfW(Sym);
using Address = ElfW(Addr);

constexpr unsigned char kClass = sizeof(Address) == 8 ? ELFCLASS64 : ELFCLASS32;
constexpr unsigned char kData =
    __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;
constexpr std::uint64_t kSegmentsMax = 256;
constexpr std::uint64_t kSymbolsMax = 1U << 22U;
constexpr std::uint64_t kMemoryMax = std::uint64_t{1} << 32U;  // an image of 4 GiB

/// Thrown within this file only, caught by check_library().
struct Problem {
  std::string text;
  bool lacks_symbol = false;
};

[[noreturn]] void fail(std::string text) { throw Problem{std::move(text)}; }

[[nodiscard]] std::string number(std::uint64_t n) { return std::to_string(n); }

/// The bytes of the file, read only after a check that they are there.
class File {
 public:
  explicit File(std::span<const std::byte> bytes) : bytes_(bytes) {}

  [[nodiscard]] std::uint64_t size() const noexcept { return bytes_.size(); }

  [[nodiscard]] bool holds(std::uint64_t offset, std::uint64_t size) const noexcept {
    return offset <= bytes_.size() && size <= bytes_.size() - offset;
  }

  /// Copied, since nothing in a damaged file need be aligned.
  template <class T>
  [[nodiscard]] T read(std::uint64_t offset) const {
    if (!holds(offset, sizeof(T))) fail("is damaged: a table ends outside the file");
    T value;
    std::memcpy(&value, bytes_.data() + offset, sizeof value);
    return value;
  }

  [[nodiscard]] std::span<const std::byte> all() const noexcept { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

void check_identity(const File& file) {
  constexpr std::array<std::byte, 4> magic{std::byte{0x7f}, std::byte{'E'}, std::byte{'L'},
                                           std::byte{'F'}};
  const auto bytes = file.all();
  if (bytes.size() < magic.size() || !std::equal(magic.begin(), magic.end(), bytes.begin())) {
    fail(bytes.empty() ? "is empty; a plugin is a shared library"
                       : "is not a shared library: it does not begin as an ELF file does");
  }
  if (bytes.size() < sizeof(Header)) {
    fail("is truncated: it has " + number(bytes.size()) + " bytes, an ELF header alone has " +
         number(sizeof(Header)));
  }
}

[[nodiscard]] Header read_header(const File& file) {
  check_identity(file);
  const auto header = file.read<Header>(0);
  if (header.e_ident[EI_CLASS] != kClass) {
    fail(std::string("is a library of ") + (kClass == ELFCLASS64 ? "32" : "64") +
         " bits, this program has " + (kClass == ELFCLASS64 ? "64" : "32"));
  }
  if (header.e_ident[EI_DATA] != kData) fail("is built for the other byte order");
  if (header.e_machine != own_machine()) {
    fail("is built for " + machine_name(header.e_machine) + ", this program runs on " +
         machine_name(own_machine()));
  }
  if (header.e_ident[EI_VERSION] != EV_CURRENT || header.e_version != EV_CURRENT) {
    fail("is damaged: unknown ELF version");
  }
  if (header.e_type == ET_REL) fail("is an object file; link it with -shared");
  if (header.e_type == ET_EXEC) fail("is a program, not a shared library");
  if (header.e_type != ET_DYN)
    fail("is not a shared library (ELF type " + number(header.e_type) + "; it would be 3)");
  if (header.e_phnum == 0 || header.e_phnum > kSegmentsMax ||
      header.e_phentsize != sizeof(Segment)) {
    fail("is damaged: its table of segments has " + number(header.e_phnum) + " entries of " +
         number(header.e_phentsize) + " bytes");
  }
  if (!file.holds(header.e_phoff, std::uint64_t{header.e_phnum} * sizeof(Segment))) {
    fail("is truncated: its table of segments ends outside the file");
  }
  // The section table is not loaded, but it stands last, so that it shows a copy that was cut
  // short.
  if (header.e_shoff != 0 &&
      !file.holds(header.e_shoff, std::uint64_t{header.e_shnum} * header.e_shentsize)) {
    fail("is truncated: it should have at least " +
         number(header.e_shoff + std::uint64_t{header.e_shnum} * header.e_shentsize) +
         " bytes and has " + number(file.size()));
  }
  return header;
}

/// The segments of a library, checked, and the way from its addresses to places in the file.
class Image {
 public:
  Image(const File& file, const Header& header) : file_(file) {
    std::optional<Segment> dynamic;
    for (std::uint64_t i = 0; i < header.e_phnum; ++i) {
      const auto segment = file.read<Segment>(header.e_phoff + i * sizeof(Segment));
      if (segment.p_type == PT_LOAD) {
        add(segment, i);
      } else if (segment.p_type == PT_DYNAMIC) {
        if (dynamic) fail("is damaged: it has two dynamic tables");
        dynamic = segment;
      } else if (!file.holds(segment.p_offset, segment.p_filesz)) {
        fail("is truncated: segment " + number(i) + " ends at byte " +
             number(segment.p_offset + segment.p_filesz) + ", the file has " + number(file.size()));
      }
    }
    if (loads_.empty()) fail("is damaged: it has nothing to load");
    if (!dynamic) fail("is not a shared library: it has no dynamic table");
    dynamic_ = dynamic->p_vaddr;
    dynamic_size_ = dynamic->p_memsz;
  }

  /// Where the bytes of an address stand in the file; what names it for the message.
  [[nodiscard]] std::uint64_t offset_of(std::uint64_t address, std::uint64_t size,
                                        std::string_view what) const {
    for (const Segment& load : loads_) {
      if (address >= load.p_vaddr && address - load.p_vaddr <= load.p_filesz &&
          size <= load.p_filesz - (address - load.p_vaddr)) {
        return load.p_offset + (address - load.p_vaddr);
      }
    }
    fail("is damaged: its " + std::string(what) + " lies outside what is loaded from the file");
  }

  [[nodiscard]] bool is_code(std::uint64_t address) const noexcept {
    return std::any_of(loads_.begin(), loads_.end(), [&](const Segment& load) {
      return (load.p_flags & PF_X) != 0 && address >= load.p_vaddr &&
             address - load.p_vaddr < load.p_filesz;
    });
  }

  [[nodiscard]] std::uint64_t dynamic() const noexcept { return dynamic_; }
  [[nodiscard]] std::uint64_t dynamic_size() const noexcept { return dynamic_size_; }
  [[nodiscard]] const File& file() const noexcept { return file_; }

 private:
  void add(const Segment& segment, std::uint64_t index) {
    const std::string name = "segment " + number(index);
    if (!file_.holds(segment.p_offset, segment.p_filesz)) {
      fail("is truncated: " + name + " ends at byte " +
           number(segment.p_offset + segment.p_filesz) + ", the file has " + number(file_.size()));
    }
    if (segment.p_memsz < segment.p_filesz || segment.p_memsz > kMemoryMax ||
        segment.p_vaddr > kMemoryMax) {
      fail("is damaged: " + name + " has an impossible size or address");
    }
    const std::uint64_t align = segment.p_align;
    if (align > 1 &&
        ((align & (align - 1)) != 0 || segment.p_vaddr % align != segment.p_offset % align)) {
      fail("is damaged: " + name + " has an impossible alignment");
    }
    if (!loads_.empty() && segment.p_vaddr < loads_.back().p_vaddr + loads_.back().p_memsz) {
      fail("is damaged: " + name + " overlaps the one before");
    }
    loads_.push_back(segment);
  }

  const File& file_;
  std::vector<Segment> loads_;
  std::uint64_t dynamic_ = 0;
  std::uint64_t dynamic_size_ = 0;
};

/// The entries of the dynamic table that the linker follows.
class Dynamic {
 public:
  explicit Dynamic(const Image& image) : image_(image) {
    const std::uint64_t size = image.dynamic_size() / sizeof(Entry) * sizeof(Entry);
    const std::uint64_t offset = image.offset_of(image.dynamic(), size, "dynamic table");
    for (std::uint64_t at = 0; at < size; at += sizeof(Entry)) {
      const auto entry = image.file().read<Entry>(offset + at);
      if (entry.d_tag == DT_NULL) {
        ended_ = true;
        break;
      }
      entries_.push_back(entry);
    }
    if (!ended_) fail("is damaged: its dynamic table has no end");
    if (((get(DT_FLAGS_1).value_or(0)) & DF_1_PIE) != 0) {
      fail("is a program, not a shared library");
    }
  }

  [[nodiscard]] std::optional<std::uint64_t> get(std::int64_t tag) const noexcept {
    for (const Entry& entry : entries_) {
      if (entry.d_tag == tag) return entry.d_un.d_val;
    }
    return std::nullopt;
  }

  [[nodiscard]] std::uint64_t require(std::int64_t tag, std::string_view what) const {
    const auto value = get(tag);
    if (!value) fail("is damaged: it has no " + std::string(what));
    return *value;
  }

  /// Tables that are walked while the library is opened.
  void check_tables() const {
    check_table(DT_RELA, DT_RELASZ, "relocation table");
    check_table(DT_REL, DT_RELSZ, "relocation table");
    check_table(DT_JMPREL, DT_PLTRELSZ, "table of procedure relocations");
    check_table(DT_INIT_ARRAY, DT_INIT_ARRAYSZ, "table of initialisers");
    check_table(DT_FINI_ARRAY, DT_FINI_ARRAYSZ, "table of finalisers");
    for (const Entry& entry : entries_) {
      if ((entry.d_tag == DT_INIT || entry.d_tag == DT_FINI) && !image_.is_code(entry.d_un.d_ptr)) {
        fail("is damaged: its initialiser or finaliser is no code");
      }
    }
  }

  [[nodiscard]] const std::vector<Entry>& entries() const noexcept { return entries_; }

 private:
  void check_table(std::int64_t address_tag, std::int64_t size_tag, std::string_view what) const {
    const auto address = get(address_tag);
    const std::uint64_t size = get(size_tag).value_or(0);
    if (address && size != 0) (void)image_.offset_of(*address, size, what);
  }

  const Image& image_;
  std::vector<Entry> entries_;
  bool ended_ = false;
};

/// The string table of a library.
class Strings {
 public:
  Strings(const Image& image, const Dynamic& dynamic)
      : file_(image.file()), size_(dynamic.require(DT_STRSZ, "string table")) {
    offset_ = image.offset_of(dynamic.require(DT_STRTAB, "string table"), size_, "string table");
    if (size_ == 0 || file_.read<char>(offset_ + size_ - 1) != '\0') {
      fail("is damaged: its string table has no end");
    }
  }

  [[nodiscard]] std::string_view at(std::uint64_t index) const {
    if (index >= size_) fail("is damaged: a name lies outside its string table");
    return reinterpret_cast<const char*>(file_.all().data() + offset_ + index);
  }

 private:
  const File& file_;
  std::uint64_t offset_ = 0;
  std::uint64_t size_ = 0;
};

/// How many symbols the GNU hash table knows of: it has no count, so the last chain is walked.
[[nodiscard]] std::uint64_t count_by_gnu_hash(const Image& image, std::uint64_t address) {
  constexpr std::string_view what = "hash table";
  const File& file = image.file();
  const std::uint64_t at = image.offset_of(address, 16, what);
  const std::uint64_t buckets = file.read<std::uint32_t>(at);
  const std::uint64_t first = file.read<std::uint32_t>(at + 4);
  const std::uint64_t bloom = file.read<std::uint32_t>(at + 8);
  if (buckets == 0 || bloom == 0 || buckets > kSymbolsMax || bloom > kSymbolsMax) {
    fail("is damaged: its hash table has impossible sizes");
  }
  const std::uint64_t bucket_address = address + 16 + bloom * sizeof(Address);
  const std::uint64_t bucket_at = image.offset_of(bucket_address, buckets * 4, what);
  std::uint64_t last = 0;
  for (std::uint64_t i = 0; i < buckets; ++i) {
    last = std::max<std::uint64_t>(last, file.read<std::uint32_t>(bucket_at + i * 4));
  }
  if (last < first) return first;  // all buckets are empty
  if (last > kSymbolsMax) fail("is damaged: its hash table names an impossible symbol");
  const std::uint64_t chains = bucket_address + buckets * 4;
  for (;; ++last) {
    const std::uint64_t chain = image.offset_of(chains + (last - first) * 4, 4, what);
    if ((file.read<std::uint32_t>(chain) & 1U) != 0) return last + 1;
  }
}

[[nodiscard]] std::uint64_t count_symbols(const Image& image, const Dynamic& dynamic) {
  if (const auto hash = dynamic.get(DT_HASH)) {
    const auto count =
        image.file().read<std::uint32_t>(image.offset_of(*hash, 8, "hash table") + 4);
    if (count > kSymbolsMax) fail("is damaged: it claims " + number(count) + " symbols");
    return count;
  }
  return count_by_gnu_hash(image, dynamic.require(DT_GNU_HASH, "hash table"));
}

[[nodiscard]] bool is_exported(const Symbol& symbol) noexcept {
  const auto bind = symbol.st_info >> 4U;
  const auto visibility = symbol.st_other & 3U;
  return symbol.st_shndx != SHN_UNDEF && bind != STB_LOCAL &&
         (visibility == STV_DEFAULT || visibility == STV_PROTECTED);
}

void read_symbols(const Image& image, const Dynamic& dynamic, const Strings& strings,
                  std::string_view wanted, ElfReport& report) {
  const std::uint64_t count = count_symbols(image, dynamic);
  const std::uint64_t table = image.offset_of(dynamic.require(DT_SYMTAB, "symbol table"),
                                              count * sizeof(Symbol), "symbol table");
  bool found = false;
  bool imported = false;
  for (std::uint64_t i = 1; i < count; ++i) {
    const auto symbol = image.file().read<Symbol>(table + i * sizeof(Symbol));
    const std::string_view name = strings.at(symbol.st_name);
    if (!is_exported(symbol)) {
      imported = imported || name == wanted;
      continue;
    }
    report.exported.emplace_back(name);
    if ((symbol.st_info >> 4U) == STB_GNU_UNIQUE) report.unique_symbols.emplace_back(name);
    if (name != wanted) continue;
    if ((symbol.st_info & 15U) != STT_FUNC || !image.is_code(symbol.st_value)) {
      throw Problem{"has a symbol " + std::string(wanted) + " that is not a function", true};
    }
    found = true;
  }
  if (!found) {
    throw Problem{"is a shared library but no plugin: it " +
                      std::string(imported ? "uses " : "does not export ") + std::string(wanted) +
                      (imported ? " without defining it" : ""),
                  true};
  }
}

void check(const File& file, std::string_view symbol, ElfReport& report) {
  const Header header = read_header(file);
  const Image image(file, header);
  const Dynamic dynamic(image);
  dynamic.check_tables();
  const Strings strings(image, dynamic);
  for (const Entry& entry : dynamic.entries()) {
    if (entry.d_tag == DT_NEEDED || entry.d_tag == DT_SONAME) (void)strings.at(entry.d_un.d_val);
    if (entry.d_tag == DT_RUNPATH || entry.d_tag == DT_RPATH) {
      report.library_path = strings.at(entry.d_un.d_val);
    }
  }
  read_symbols(image, dynamic, strings, symbol, report);
}

}  // namespace

ElfReport check_library(std::span<const std::byte> file, std::string_view symbol) {
  ElfReport report;
  try {
    check(File(file), symbol, report);
  } catch (const Problem& problem) {
    report.problem = problem.text;
    report.lacks_symbol = problem.lacks_symbol;
  }
  return report;
}

std::string machine_name(std::uint16_t e_machine) {
  switch (e_machine) {
    case EM_386: return "32-bit x86";
    case EM_X86_64: return "x86-64";
    case EM_ARM: return "32-bit ARM";
    case EM_AARCH64: return "AArch64";
    case EM_RISCV: return "RISC-V";
    case EM_PPC64: return "PowerPC 64";
    case EM_S390: return "S/390";
    case EM_MIPS: return "MIPS";
    case EM_LOONGARCH: return "LoongArch";
    default: return "machine number " + std::to_string(e_machine);
  }
}

std::uint16_t own_machine() noexcept {
#if defined(__x86_64__)
  return EM_X86_64;
#elif defined(__aarch64__)
  return EM_AARCH64;
#elif defined(__i386__)
  return EM_386;
#elif defined(__arm__)
  return EM_ARM;
#elif defined(__riscv)
  return EM_RISCV;
#elif defined(__powerpc64__)
  return EM_PPC64;
#elif defined(__s390__)
  return EM_S390;
#elif defined(__loongarch__)
  return EM_LOONGARCH;
#else
#error "busway does not know this machine's number in ELF files; add it here"
#endif
}

}  // namespace busway::platform_detail
