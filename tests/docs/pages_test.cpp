// Do the pages speak of what exists? Links, paths, names of tests, tags.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <regex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <test_paths.hpp>
#include "markdown.hpp"

namespace busway::docs {
namespace {

namespace fs = std::filesystem;

const fs::path kRoot = BUSWAY_SOURCE_DIR;

/// All pages, relative to the root.
std::vector<fs::path> all_pages() {
  std::vector<fs::path> pages;
  for (const auto& entry : fs::directory_iterator(kRoot)) {
    if (entry.path().extension() == ".md") pages.push_back(entry.path().filename());
  }
  for (const char* folder : {"docs", "bench", "plugins", "examples"}) {
    if (!fs::is_directory(kRoot / folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder)) {
      if (entry.path().extension() == ".md") pages.push_back(fs::relative(entry.path(), kRoot));
    }
  }
  return pages;
}

std::vector<std::string> dead_links(const fs::path& root, const fs::path& page) {
  std::vector<std::string> dead;
  for (const std::string& link : read_page(read_text(root / page)).links) {
    if (link.starts_with("http") || link.starts_with("#")) continue;
    const fs::path target = root / page.parent_path() / link.substr(0, link.find('#'));
    if (!fs::exists(target)) dead.push_back(page.string() + ": " + link);
  }
  return dead;
}

/// Paths in `spans` of a page that are not there.
std::vector<std::string> dead_paths(const fs::path& root, const Page& page) {
  std::vector<std::string> dead;
  for (const std::string& span : page.code) {
    if (is_path(root, span) && !fs::exists(root / span)) dead.push_back(span);
  }
  return dead;
}

/// The tests of a file, written Suite.Name.
std::set<std::string> tests_of(const std::string& source) {
  static const std::regex kTest(R"(\b(?:TEST|TEST_F|TEST_P|RC_GTEST_PROP)\(\s*(\w+),\s*(\w+))");
  std::set<std::string> names;
  for (std::sregex_iterator at(source.begin(), source.end(), kTest), end; at != end; ++at) {
    names.insert((*at)[1].str() + "." + (*at)[2].str());
  }
  return names;
}

/// Thread tags such as [any-thread] in a text.
std::set<std::string> tags_of(const std::string& text) {
  static const std::regex kTag(R"(\[[a-z]{2,}(?:-[a-z]{2,})+\])");
  std::set<std::string> tags;
  for (std::sregex_iterator at(text.begin(), text.end(), kTag), end; at != end; ++at)
    tags.insert(at->str());
  return tags;
}

std::string joined(const std::vector<std::string>& findings) {
  std::string text;
  for (const std::string& one : findings) text += one + "\n";
  return text;
}

TEST(Pages, HaveNoDeadLink) {
  const std::vector<fs::path> pages = all_pages();
  EXPECT_GE(pages.size(), 12U);
  for (const fs::path& page : pages) EXPECT_EQ(joined(dead_links(kRoot, page)), "");
}

TEST(Pages, NameOnlyPathsThatExist) {
  for (const fs::path& page : all_pages()) {
    if (page == "CONTRIBUTING.md" || page == "CHANGELOG.md")
      continue;  // forms of paths, and things that were
    EXPECT_EQ(joined(dead_paths(kRoot, read_page(read_text(kRoot / page)))), "") << page;
  }
}

TEST(Features, EachHasAHeaderAnExampleAndATestThatExist) {
  const Page page = read_page(read_text(kRoot / "docs/features.md"));
  EXPECT_GE(page.rows.size(), 25U);
  for (const Row& row : page.rows) {
    ASSERT_EQ(row.cells.size(), 4U) << "docs/features.md:" << row.line;
    for (std::size_t i = 1; i < 4; ++i) {
      const std::vector<std::string> spans = code_spans(row.cells[i]);
      EXPECT_FALSE(spans.empty()) << "docs/features.md:" << row.line << " has an empty cell";
      for (const std::string& span : spans) {
        EXPECT_TRUE(fs::exists(kRoot / span)) << "docs/features.md:" << row.line << ": " << span;
      }
    }
  }
}

TEST(Guarantees, EachNamesATestThatExists) {
  const Page page = read_page(read_text(kRoot / "docs/guarantees.md"));
  EXPECT_GE(page.rows.size(), 40U);
  for (const Row& row : page.rows) {
    const std::string place = "docs/guarantees.md:" + std::to_string(row.line);
    ASSERT_EQ(row.cells.size(), 2U) << place;
    const std::vector<std::string> spans = code_spans(row.cells[1]);
    ASSERT_FALSE(spans.empty()) << place << " names no test";
    std::set<std::string> tests;
    for (const std::string& span : spans) {
      if (span.find('/') != std::string::npos) {
        ASSERT_TRUE(fs::exists(kRoot / span)) << place << ": " << span;
        tests = tests_of(read_text(kRoot / span));
      } else {
        EXPECT_TRUE(tests.contains(span)) << place << ": there is no test " << span;
      }
    }
  }
}

TEST(ThreadTags, OfTheHeadersAreAllDefinedAndAllDefinedAreUsed) {
  std::set<std::string> used;
  for (const auto& entry : fs::recursive_directory_iterator(kRoot / "include/busway")) {
    if (entry.is_regular_file()) used.merge(tags_of(read_text(entry.path())));
  }
  std::set<std::string> defined;
  for (const Row& row : read_page(read_text(kRoot / "docs/threads.md")).rows) {
    if (!row.cells.empty()) defined.merge(tags_of(row.cells.front()));
  }
  EXPECT_GE(used.size(), 3U);
  EXPECT_EQ(used, defined);
}

// The checks themselves.

TEST(MarkdownReader, TellsTablesLinksSpansAndBlocksApart) {
  const Page page = read_page(
      "# T\n\nsee [a](b.md#c) and `x/y`\n\n| h | i |\n|---|---|\n| `p` | q "
      "|\n\n```cpp\n[n](no)\n```\n");
  ASSERT_EQ(page.rows.size(), 1U);
  EXPECT_EQ(page.rows[0].cells, (std::vector<std::string>{"`p`", "q"}));
  EXPECT_EQ(page.links, std::vector<std::string>{"b.md#c"});
  EXPECT_EQ(page.code, (std::vector<std::string>{"x/y", "p"}));
  ASSERT_EQ(page.blocks.size(), 1U);
  EXPECT_EQ(page.blocks[0].text, "[n](no)\n");
}

TEST(PathCheck, FindsWhatIsNotThereAndLeavesOtherTextAlone) {
  EXPECT_EQ(
      dead_paths(kRoot, read_page("`tests/docs/gone.cpp` `docs` `and/or` `src/<layer>/` `-lm`\n")),
      std::vector<std::string>{"tests/docs/gone.cpp"});
}

TEST(TestNames, AreReadFromAFile) {
  EXPECT_EQ(tests_of("TEST(A, B) {}\nTEST_F(C,\n       D) {}\n// TESTING(E, F)\n"),
            (std::set<std::string>{"A.B", "C.D"}));
}

TEST(TagReader, TakesNoArrayForATag) {
  EXPECT_EQ(tags_of("reset() [any-thread]; a[i - 1], [a-z], [nodiscard]"),
            std::set<std::string>{"[any-thread]"});
}

}  // namespace
}  // namespace busway::docs
