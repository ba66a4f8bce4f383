// Files that are no plugin: each is named with what is wrong, and the host lives.
#include <elf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "plugin_fixture.hpp"

namespace busway {
namespace {

namespace fs = std::filesystem;

class BadLibrary : public PluginTest {
 protected:
  void SetUp() override {
    folder_ = fs::path(::testing::TempDir()) / ("busway_bad_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
    // The host goes on: this one runs all the time and is asked at the end.
    run("alpha");
  }
  void TearDown() override {
    EXPECT_EQ(manager_.find("alpha")->state, PluginState::running);
    EXPECT_EQ(manager_.health("alpha").level, PluginHealthInfo::Level::ok);
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  static std::string good() {
    std::ifstream file(library("plain_c"), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::string write(const std::string& bytes, const char* name = "bad.so") {
    const fs::path path = folder_ / name;
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file << bytes;
    file.close();
    fs::permissions(path, fs::perms::owner_all, fs::perm_options::replace);
    return path;
  }

  /// Loading fails with this code, the message names the file and has these words.
  void refuse(const std::string& path, ErrorCode code, std::string_view words) {
    const Error error = error_of([&] { manager_.load(path); });
    const std::string_view message = error.what();
    EXPECT_EQ(error.code(), code) << message;
    EXPECT_NE(message.find(fs::path(path).filename().string()), std::string_view::npos) << message;
    EXPECT_NE(message.find(words), std::string_view::npos) << message;
  }

  template <class T>
  static void patch(std::string& bytes, std::size_t at, T value) {
    ASSERT_LE(at + sizeof value, bytes.size());
    std::memcpy(bytes.data() + at, &value, sizeof value);
  }

  fs::path folder_;
};

TEST_F(BadLibrary, Missing) {
  refuse(folder_ / "missing.so", ErrorCode::bad_plugin_file, "No such file");
  EXPECT_EQ(error_of([&] { manager_.load(""); }).code(), ErrorCode::bad_plugin_file);
}

TEST_F(BadLibrary, Directory) { refuse(folder_, ErrorCode::bad_plugin_file, "is a directory"); }

TEST_F(BadLibrary, Empty) { refuse(write(""), ErrorCode::bad_plugin_file, "is empty"); }

TEST_F(BadLibrary, Text) {
  refuse(write("#!/bin/sh\necho hello\n"), ErrorCode::bad_plugin_file, "is not a shared library");
}

TEST_F(BadLibrary, TruncatedAnywhere) {
  const std::string whole = good();
  for (const std::size_t size : {std::size_t{4}, std::size_t{20}, std::size_t{63}, std::size_t{64},
                                 std::size_t{200}, std::size_t{1000}}) {
    refuse(write(whole.substr(0, size)), ErrorCode::bad_plugin_file, "is truncated");
  }
  for (std::size_t size = 4096; size < whole.size(); size += 4096) {
    refuse(write(whole.substr(0, size)), ErrorCode::bad_plugin_file, "is truncated");
  }
  refuse(write(whole.substr(0, whole.size() - 1)), ErrorCode::bad_plugin_file, "is truncated");
  manager_.load(write(whole));  // and whole it is good: the checks are not simply against all
}

TEST_F(BadLibrary, OfAnotherMachine) {
  std::string bytes = good();
  patch(bytes, offsetof(Elf64_Ehdr, e_machine), Elf64_Half{EM_S390});
  refuse(write(bytes), ErrorCode::bad_plugin_file, "is built for S/390, this program runs on ");
}

TEST_F(BadLibrary, OfOtherBitsOrByteOrder) {
  std::string bytes = good();
  bytes[EI_CLASS] = ELFCLASS32;
  refuse(write(bytes), ErrorCode::bad_plugin_file, "is a library of 32 bits");
  bytes = good();
  bytes[EI_DATA] = ELFDATA2MSB;
  refuse(write(bytes), ErrorCode::bad_plugin_file, "other byte order");
}

TEST_F(BadLibrary, ThatIsAnObjectFileOrAProgram) {
  std::string bytes = good();
  patch(bytes, offsetof(Elf64_Ehdr, e_type), Elf64_Half{ET_REL});
  refuse(write(bytes), ErrorCode::bad_plugin_file, "is an object file");
  refuse("/proc/self/exe", ErrorCode::bad_plugin_file, "is a program, not a shared library");
}

TEST_F(BadLibrary, WithHeadersThatPointOutside) {
  std::string bytes = good();
  patch(bytes, offsetof(Elf64_Ehdr, e_phoff), Elf64_Off{~0ULL - 8});
  refuse(write(bytes), ErrorCode::bad_plugin_file, "table of segments ends outside");
  bytes = good();
  patch(bytes, offsetof(Elf64_Ehdr, e_phnum), Elf64_Half{0});
  refuse(write(bytes), ErrorCode::bad_plugin_file, "is damaged");
  // Each segment in turn: a size beyond the file.
  Elf64_Ehdr header;
  std::memcpy(&header, bytes.data(), sizeof header);
  const std::string whole = good();
  std::memcpy(&header, whole.data(), sizeof header);
  int loads = 0;
  for (std::size_t i = 0; i < header.e_phnum; ++i) {
    const std::size_t at = header.e_phoff + i * sizeof(Elf64_Phdr);
    Elf64_Phdr segment;
    std::memcpy(&segment, whole.data() + at, sizeof segment);
    if (segment.p_type != PT_LOAD) continue;
    ++loads;
    bytes = whole;
    patch(bytes, at + offsetof(Elf64_Phdr, p_filesz), Elf64_Xword{1ULL << 40});
    refuse(write(bytes), ErrorCode::bad_plugin_file, "is truncated");
    bytes = whole;
    patch(bytes, at + offsetof(Elf64_Phdr, p_memsz), Elf64_Xword{0});
    refuse(write(bytes), ErrorCode::bad_plugin_file, "is damaged");
  }
  EXPECT_GT(loads, 1);
}

TEST_F(BadLibrary, WithoutTheEntry) {
  refuse(library("no_entry"), ErrorCode::bad_plugin_file,
         "no plugin: it does not export busway_plugin_entry");
}

TEST_F(BadLibrary, WithAnUndefinedSymbol) {
  refuse(library("undefined"), ErrorCode::bad_plugin_file, "busway_test_nobody_defines_this");
}

TEST_F(BadLibrary, OfAnotherAbi) {
  refuse(library("abi_99"), ErrorCode::plugin_abi, "speaks ABI version 99, this host speaks 1");
  refuse(library("no_table"), ErrorCode::plugin_abi, "speaks none of the ABI versions");
  refuse(library("short"), ErrorCode::plugin_abi, "gives a table of 16 bytes");
  refuse(library("no_create"), ErrorCode::plugin_abi, "without create");
  refuse(library("bad_id"), ErrorCode::plugin_abi, "calls itself \"no/id\"");
}

TEST_F(BadLibrary, TheShortestTableOfThisAbiIsGood) {
  const std::string id = run("minimal");
  EXPECT_EQ(manager_.health(id).level, PluginHealthInfo::Level::ok);
  manager_.unload(id);
  EXPECT_EQ(manager_.find(id)->state, PluginState::unloaded);
}

TEST_F(BadLibrary, ThatEveryoneMayWriteTo) {
  const std::string path = write(good());
  fs::permissions(path, fs::perms::others_write, fs::perm_options::add);
  refuse(path, ErrorCode::bad_plugin_file, "can be written by everyone");
  fs::permissions(path, fs::perms::others_write, fs::perm_options::remove);
  fs::permissions(folder_, fs::perms::others_write, fs::perm_options::add);
  refuse(path, ErrorCode::bad_plugin_file, "lies in a folder that everyone can write to");
}

TEST_F(BadLibrary, OutsideTheFolderByPathOrByLink) {
  PluginManager manager(bus_, {.folder = folder_ / "plugins"});
  fs::create_directories(folder_ / "plugins");
  fs::create_directories(folder_ / "plugins-of-others");
  const std::string outside = write(good(), "plugins-of-others/p.so");
  fs::create_symlink(outside, folder_ / "plugins" / "link.so");
  for (const std::string& path :
       {outside, std::string(folder_ / "plugins" / "link.so"),
        std::string(folder_ / "plugins" / ".." / "plugins-of-others" / "p.so")}) {
    const Error error = error_of([&] { manager.load(path); });
    EXPECT_EQ(error.code(), ErrorCode::bad_plugin_file);
    EXPECT_NE(std::string_view(error.what()).find("lies outside the folder"),
              std::string_view::npos)
        << error.what();
  }
  EXPECT_EQ(manager.load(write(good(), "plugins/inside.so")), "plain_c") << "inside it is good";
}

TEST_F(BadLibrary, IsListedAsFailedAndPublished) {
  Watcher watch(bus_, "plugin.failed");
  refuse(write("text", "broken.so"), ErrorCode::bad_plugin_file, "is not a shared library");
  EXPECT_EQ(manager_.find("broken")->state, PluginState::failed);
  EXPECT_EQ(watch.wait("plugin.failed").json().at("plugin_name"), "broken");
}

}  // namespace
}  // namespace busway
