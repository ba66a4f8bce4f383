#include "snippets.hpp"
#include <test_paths.hpp>

#include <gtest/gtest.h>

#include <map>
#include <stdexcept>
#include <string>

namespace busway::docs {
namespace {

const std::filesystem::path kRoot = BUSWAY_SOURCE_DIR;

std::string joined(const std::vector<std::string>& findings) {
  std::string text;
  for (const std::string& one : findings) text += one + "\n";
  return text;
}

TEST(BestPractices, ShowsOnlyCodeThatIsCompiledAndAllOfIt) {
  const Page page = read_page(read_text(kRoot / "docs/best_practices.md"));
  const auto regions = regions_of(read_text(kRoot / "tests/docs/best_practices.cpp"));
  EXPECT_GE(regions.size(), 26U);
  EXPECT_EQ(joined(compare_with_regions(page, regions)), "");
}

TEST(BestPractices, HaveAGoodAndABadSnippetForEachPoint) {
  const Page page = read_page(read_text(kRoot / "docs/best_practices.md"));
  std::size_t points = 0;
  std::size_t from = 0;
  std::vector<std::size_t> heads;
  for (std::size_t i = 0; i < page.lines.size(); ++i) {
    if (page.lines[i].starts_with("## ")) heads.push_back(i + 1);
  }
  heads.push_back(page.lines.size() + 1);
  for (std::size_t i = 0; i + 1 < heads.size(); ++i) {
    bool good = false;
    bool bad = false;
    for (const Block& block : page.blocks) {
      if (block.line < heads[i] || block.line >= heads[i + 1]) continue;
      good = good || block.marker.ends_with("_good");
      bad = bad || block.marker.ends_with("_bad");
    }
    EXPECT_TRUE(good && bad) << page.lines[heads[i] - 1];
    ++points;
    from = heads[i];
  }
  EXPECT_GE(points, 13U) << "last seen at line " << from;
}

TEST(PhasesPage, ShowsOnlyCodeThatIsCompiledAndAllOfIt) {
  const Page page = read_page(read_text(kRoot / "docs/phases.md"));
  const auto regions = regions_of(read_text(kRoot / "tests/docs/phases.cpp"));
  EXPECT_GE(regions.size(), 6U);
  EXPECT_EQ(joined(compare_with_regions(page, regions)), "");
}

TEST(WritingAStorePage, ShowsOnlyCodeThatIsCompiledAndAllOfIt) {
  std::map<std::string, std::string> regions =
      regions_of(read_text(kRoot / "tests/store/memory_store_test.cpp"));
  regions.merge(regions_of(read_text(kRoot / "tests/store/store_conformance_test.cpp")));
  regions.merge(regions_of(read_text(kRoot / "tests/consumers/store_faults.cpp")));
  EXPECT_EQ(regions.size(), 5U);
  const Page page = read_page(read_text(kRoot / "docs/writing_a_store.md"));
  EXPECT_EQ(joined(compare_with_regions(page, regions)), "");
}

TEST(WritingAPluginPage, ShowsOnlyCodeThatIsCompiledAndAllOfIt) {
  std::map<std::string, std::string> regions;
  for (const char* file : {"chatty", "patient", "points", "writing_a_plugin"}) {
    regions.merge(regions_of(read_text(kRoot / "tests/docs" / (std::string(file) + ".cpp"))));
  }
  // The project that it begins with is built and run whole, by consumers.first_plugins.
  const std::filesystem::path first = kRoot / "tests/consumers/first_plugins";
  for (const char* file : {"CMakeLists.txt", "hello.cpp", "tally.c", "program.cpp"}) {
    regions.merge(regions_of(read_text(first / file)));
  }
  regions["first_output"] = read_text(first / "expected_output.txt");
  EXPECT_GE(regions.size(), 9U);
  const Page page = read_page(read_text(kRoot / "docs/writing_a_plugin.md"));
  EXPECT_EQ(joined(compare_with_regions(page, regions)), "");
}

TEST(Readme, ShowsLinesOfTheFirstExampleWithinItsFirst25Lines) {
  const Page page = read_page(read_text(kRoot / "README.md"));
  std::size_t excerpts = 0;
  for (const Block& block : page.blocks) {
    if (block.language != "cpp") continue;
    ASSERT_TRUE(block.marker.starts_with("examples/")) << "README.md:" << block.line;
    EXPECT_EQ(find_misfit(block.text, read_text(kRoot / block.marker)), "")
        << "README.md:" << block.line;
    ++excerpts;
  }
  ASSERT_GE(excerpts, 1U);
  EXPECT_EQ(page.blocks.front().language, "cpp");
  EXPECT_LT(page.blocks.front().line, 25U);
}

TEST(Readme, ShowsLinesOfTheFirstExamplesOutput) {
  const Page page = read_page(read_text(kRoot / "README.md"));
  bool seen = false;
  for (const Block& block : page.blocks) {
    if (block.marker != "examples/01_hello/expected_output.txt") continue;
    seen = true;
    EXPECT_EQ(find_misfit(block.text, read_text(kRoot / block.marker)), "");
  }
  EXPECT_TRUE(seen);
}

// The checks themselves.

TEST(Regions, LoseTheIndentationTheyShare) {
  const auto regions =
      regions_of("  // begin: a\n  if (x) {\n\n    y();\n  }\n  // end: a\nz();\n");
  ASSERT_EQ(regions.size(), 1U);
  EXPECT_EQ(regions.at("a"), "if (x) {\n\n  y();\n}\n");
}

TEST(Regions, AreMarkedInTheCommentsOfCMakeToo) {
  EXPECT_EQ(regions_of("# begin: a\nx()\n# end: a\n").at("a"), "x()\n");
  EXPECT_TRUE(regions_of("begin: a\n#begin: b\n#include <c>\n").empty());
}

TEST(Regions, MustEndAndHaveANameOfTheirOwn) {
  EXPECT_THROW((void)regions_of("// begin: a\nx();\n"), std::runtime_error);
  EXPECT_THROW((void)regions_of("// begin: a\n// end: b\n"), std::runtime_error);
  EXPECT_THROW((void)regions_of("// begin: a\n// end: a\n// begin: a\n// end: a\n"),
               std::runtime_error);
}

TEST(RegionCheck, FindsABlockThatDiffersIsUnknownOrUnmarkedAndARegionNotShown) {
  const std::map<std::string, std::string> regions{{"a", "x();\n"}, {"b", "y();\n"}};
  const auto findings = [&](std::string_view text) {
    return joined(compare_with_regions(read_page(text), regions));
  };
  const std::string b = "<!-- snippet: b -->\n```cpp\ny();\n```\n";
  EXPECT_EQ(findings("<!-- snippet: a -->\n```cpp\nx();\n```\n" + b), "");
  EXPECT_EQ(findings("<!-- snippet: a -->\n```cpp\nx(1);\n```\n" + b),
            "line 2: differs from the compiled region a\n");
  EXPECT_EQ(findings("<!-- snippet: c -->\n```cpp\nx();\n```\n" + b),
            "line 2: there is no compiled region c\nthe compiled region a is not shown\n");
  EXPECT_EQ(findings("```cpp\nx();\n```\n" + b),
            "line 1: the block has no snippet marker\nthe compiled region a is not shown\n");
  EXPECT_EQ(findings("```c\nx();\n```\n" + b),
            "line 1: the block has no snippet marker\nthe compiled region a is not shown\n");
  EXPECT_EQ(findings("```cmake\nz()\n```\n<!-- snippet: a -->\n```cmake\nx()\n```\n" + b),
            "line 5: differs from the compiled region a\n");
}

TEST(Excerpts, AreRunsOfWholeLinesInTheirOrder) {
  const std::string source = "a\nb\nc\nd\n";
  EXPECT_EQ(find_misfit("b\nc\n", source), "");
  EXPECT_EQ(find_misfit("a\n  // ...\nd\n", source), "");
  EXPECT_EQ(find_misfit("a\nc\n", source), "a");
  EXPECT_EQ(find_misfit("c\n// ...\na\n", source), "a");
  EXPECT_EQ(find_misfit("e\n", source), "e");
}

}  // namespace
}  // namespace busway::docs
