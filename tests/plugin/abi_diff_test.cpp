// abidiff compares the header of today with the frozen one: members may be appended to a struct,
// and nothing else may happen to what functions can reach. Constants are anonymous enumerations,
// which it does not see; abi_test.cpp has those.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <sstream>
#include <string>
#include <string_view>

#include <temporary_folder.hpp>
#include <test_paths.hpp>

namespace busway {
namespace {

const std::string kRoot = BUSWAY_SOURCE_DIR;

std::string read(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The lines that tell of more than members that were appended, one a line.
///
/// abidiff can be told to suppress appended members. But, as of 2.2, it then suppresses whatever
/// else happened to their struct; so its report is read instead.
std::string broken_promises(const std::string& report) {
  static const std::regex kNothing(
      R"(|(Leaf changes|Changed leaf types|Removed/Changed/Added \w+) summary: .*)"
      R"(|'struct \w+' changed:|  \d+ data member insertions?:)");
  static const std::regex kGrows(R"(  type size changed from (\d+) to (\d+) \(in bits\))");
  static const std::regex kInsertion(R"(    '.*', at offset (\d+) \(in bits\))");
  // Functions and variables are those of every_struct.c; only none of them may be touched.
  static const std::regex kTouched(R"(.* summary: .*[1-9]\d* (Removed|Added).*)");
  std::string broken;
  unsigned long end = 0;
  std::istringstream lines(report);
  for (std::string line; std::getline(lines, line);) {
    std::smatch found;
    bool fine = std::regex_match(line, kNothing) && !std::regex_match(line, kTouched);
    if (line.starts_with("'struct")) end = ~0UL;
    if (std::regex_match(line, found, kGrows)) {
      end = std::stoul(found[1]);
      fine = std::stoul(found[2]) > end;
    } else if (std::regex_match(line, found, kInsertion)) {
      fine = std::stoul(found[1]) >= end;
    }
    if (!fine) broken += line + "\n";
  }
  return broken;
}

class AbiDiff : public ::testing::Test {
 protected:
  /// The library of every_struct.c with this header.
  std::string build(const std::string& header, const std::string& name) {
    const std::string library = folder_.file(name + ".so");
    const std::string command = std::string(BUSWAY_TEST_C_COMPILER) +
                                " -std=c11 -g -O0 -fPIC -shared -include '" + header + "' '" +
                                kRoot + "/tests/plugin/abi/every_struct.c' -o " + library;
    EXPECT_EQ(run(command), 0) << output();
    return library;
  }

  /// The exit code, or -1.
  int run(const std::string& command) {
    const int status = std::system((command + " > " + folder_.file("output") + " 2>&1").c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  std::string output() { return read(folder_.file("output")); }

  /// What a header breaks of the frozen one.
  std::string compare(const std::string& header) {
    const std::string before = build(kRoot + "/tests/plugin/abi/plugin_v1.h", "version_1");
    const std::string after = build(header, "today");
    const int code = run(BUSWAY_TEST_ABIDIFF " --leaf-changes-only --harmless --no-show-locs " +
                         before + " " + after);
    // 1: it failed; 2: it was called wrongly; 4: something changed; 8: and surely breaks.
    constexpr int kChanged = 4;
    EXPECT_TRUE(code == 0 || code == kChanged) << "abidiff ended with " << code << "\n" << output();
    const std::string broken = broken_promises(output());
    EXPECT_TRUE(code == kChanged || broken.empty()) << output();
    return broken;
  }

  /// The same of today's header with one text in place of another.
  std::string compare_with(const std::string& what, const std::string& instead) {
    std::string text = read(kRoot + "/include/busway/plugin.h");
    const std::size_t at = text.find(what);
    EXPECT_NE(at, std::string::npos) << what;
    if (at == std::string::npos) return {};
    text.replace(at, what.size(), instead);
    std::ofstream(folder_.file("plugin.h")) << text;
    return compare(folder_.file("plugin.h"));
  }

  TemporaryFolder folder_;
};

TEST_F(AbiDiff, FindsNothingButMembersThatWereAppendedSinceVersionOne) {
  EXPECT_EQ(compare(kRoot + "/include/busway/plugin.h"), "");
}

TEST_F(AbiDiff, AllowsMembersAppendedToAStructAndToATable) {
  EXPECT_EQ(
      compare_with("} busway_event;", "  busway_view tenant;\n  uint64_t shard;\n} busway_event;"),
      "");
  EXPECT_EQ(compare_with("} busway_host_api;",
                         "  busway_status (*sing)(busway_host* host);\n} busway_host_api;"),
            "");
}

TEST_F(AbiDiff, FindsAMemberInsertedInTheMiddle) {
  const std::string broken =
      compare_with("  busway_view source;\n", "  busway_view tenant;\n  busway_view source;\n");
  EXPECT_NE(broken.find("'busway_view tenant', at offset 576"), std::string::npos) << broken;
  EXPECT_NE(broken.find("'busway_view source' offset changed"), std::string::npos) << broken;
}

TEST_F(AbiDiff, FindsWhatStandsBesideAnAppendedMember) {
  const std::string broken = compare_with(
      "(*write_state)(busway_host* host, busway_view bytes);",
      "(*write_state)(busway_host* host, const busway_view* bytes);\n  void (*sing)(void);");
  EXPECT_NE(broken.find("'busway_host_api::write_state' changed"), std::string::npos) << broken;
  EXPECT_EQ(broken.find("sing"), std::string::npos) << broken;
}

TEST_F(AbiDiff, FindsMembersThatChangePlacesTypesOrNamesOrAreGone) {
  EXPECT_NE(compare_with("  busway_view topic;\n  busway_view source;\n",
                         "  busway_view source;\n  busway_view topic;\n"),
            "");
  EXPECT_NE(compare_with("int64_t time_ns;", "uint64_t time_ns;"), "");
  EXPECT_NE(compare_with("busway_view key;", "busway_view kay;"), "");
  EXPECT_NE(compare_with("  busway_view traceparent;\n} busway_event;", "} busway_event;"), "");
}

TEST_F(AbiDiff, FindsAnEntryFunctionOfAnotherType) {
  EXPECT_NE(compare_with("(*busway_plugin_entry_fn)(uint32_t min_abi, uint32_t max_abi);",
                         "(*busway_plugin_entry_fn)(uint32_t min_abi, uint64_t max_abi);"),
            "");
}

}  // namespace
}  // namespace busway
