// The binary interface does not change by accident: each size, place and number of version 1 is
// pinned in abi/abi_table.def, and every compiler must see it so.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <test_paths.hpp>
#include "abi/abi_facts.h"
#include "busway/plugin.h"

extern "C" {
#define BUSWAY_ABI_BUILD(name) extern const busway_abi_facts name;
BUSWAY_ABI_BUILDS
BUSWAY_ABI_BUILD(busway_abi_frozen)
#undef BUSWAY_ABI_BUILD
}

namespace busway {
namespace {

static_assert(sizeof(void*) == 8, "the numbers of abi_table.def are those of 64 bits");

using Fact = busway_abi_fact;
using Facts = std::span<const Fact>;
using Findings = std::vector<std::string>;

constexpr Fact kPinned[] = {
#define BUSWAY_ABI_STRUCT(type, bytes) {#type, "", 0, bytes, 0, 1},
#define BUSWAY_ABI_MEMBER(type, member, at, bytes) {#type, #member, at, bytes, 0, 1},
#define BUSWAY_ABI_CONSTANT(name, number) {"", #name, 0, 0, number, 1},
#define BUSWAY_ABI_APPENDED(type, member, at, bytes) {#type, #member, at, bytes, 0, 0},
#define BUSWAY_ABI_APPENDED_CONSTANT(name, number) {"", #name, 0, 0, number, 0},
#include "abi/abi_table.def"
};

std::vector<busway_abi_facts> builds() {
  return {
#define BUSWAY_ABI_BUILD(name) name,
      BUSWAY_ABI_BUILDS
#undef BUSWAY_ABI_BUILD
  };
}

Facts facts_of(const busway_abi_facts& facts) { return {facts.all, facts.count}; }
Facts table() { return kPinned; }

bool is_constant(const Fact& fact) { return *fact.type == '\0'; }
bool is_struct(const Fact& fact) { return *fact.name == '\0'; }
bool is_of_version_1(const Fact& fact) { return fact.first_version == 1; }

std::string name_of(const Fact& fact) {
  if (is_constant(fact)) return fact.name;
  return is_struct(fact) ? fact.type : std::string(fact.type) + "." + fact.name;
}

std::string words_of(const Fact& fact) {
  if (is_constant(fact)) return "is " + std::to_string(fact.value);
  const std::string bytes = std::to_string(fact.size) + " bytes";
  if (is_struct(fact)) return "has " + bytes;
  return "lies at " + std::to_string(fact.place) + " with " + bytes;
}

bool agree(const Fact& a, const Fact& b) { return words_of(a) == words_of(b); }

/// Only what says its size may be longer for one side than for the other.
bool may_grow(Facts pinned, const Fact& of_struct) {
  return std::ranges::any_of(pinned, [&](const Fact& fact) {
    return name_of(fact) == std::string(of_struct.type) + ".size" && fact.place == 0;
  });
}

/// Where what a compiler sees is not what is pinned, row by row.
Findings differences(Facts pinned, Facts seen) {
  Findings findings;
  for (std::size_t i = 0; i < std::min(pinned.size(), seen.size()); ++i) {
    if (agree(pinned[i], seen[i])) continue;
    const bool has_grown = is_struct(pinned[i]) && !is_constant(pinned[i]) &&
                           seen[i].size > pinned[i].size && may_grow(pinned, pinned[i]);
    if (!has_grown) {
      findings.push_back(name_of(pinned[i]) + " " + words_of(seen[i]) + ", pinned " +
                         words_of(pinned[i]));
    }
  }
  if (pinned.size() != seen.size()) findings.emplace_back("they are not of one table");
  return findings;
}

/// Rows that are not where they may be: members follow each other without a gap, what was appended
/// after the end of version 1, and together they are the struct that the compiler sees.
Findings misplaced(Facts rows, Facts seen) {
  Findings findings;
  std::size_t end = 0;
  std::size_t size_of_version_1 = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Fact& row = rows[i];
    if (is_constant(row)) continue;
    if (is_struct(row)) {
      end = 0;
      size_of_version_1 = row.size;
      for (std::size_t j = i + 1; j < rows.size() && !is_struct(rows[j]); ++j) {
        if (!is_constant(rows[j])) end = rows[j].place + rows[j].size;
      }
      if (end != seen[i].size) {
        findings.push_back(name_of(row) + " has " + std::to_string(seen[i].size) +
                           " bytes, its rows " + std::to_string(end) + ": a member has no row");
      }
      end = 0;
      continue;
    }
    if (row.place != end) {
      findings.push_back(name_of(row) + " lies at " + std::to_string(row.place) +
                         ", what is before it ends at " + std::to_string(end));
    }
    end = row.place + row.size;
    if (is_of_version_1(row) != (end <= size_of_version_1)) {
      findings.push_back(name_of(row) + (is_of_version_1(row)
                                             ? " is not of version 1: it was appended"
                                             : " lies within version 1: it was not appended"));
    }
  }
  return findings;
}

std::string joined(const Findings& findings) {
  std::string text;
  for (const std::string& one : findings) text += one + "\n";
  return text;
}

std::vector<Fact> of_version_1() {
  std::vector<Fact> rows;
  std::ranges::copy_if(table(), std::back_inserter(rows), is_of_version_1);
  return rows;
}

/// The constants that a header defines.
std::set<std::string> constants_of(const char* header) {
  std::ifstream file(std::string(BUSWAY_SOURCE_DIR) + "/" + header);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  static const std::regex kConstant(R"((BUSWAY_[A-Z0-9_]+)\s*=\s*\d+|#define (BUSWAY_ABI) \d+u)");
  std::set<std::string> names;
  for (std::sregex_iterator at(text.begin(), text.end(), kConstant), end; at != end; ++at) {
    names.insert((*at)[1].matched ? (*at)[1] : (*at)[2]);
  }
  return names;
}

std::set<std::string> constants_in(Facts rows) {
  std::set<std::string> names;
  for (const Fact& row : rows) {
    if (is_constant(row)) names.insert(row.name);
  }
  return names;
}

TEST(PluginAbi, IsThatOfVersionOneForEveryCompiler) {
  ASSERT_GE(builds().size(), 6U);
  for (const busway_abi_facts& build : builds()) {
    EXPECT_EQ(joined(differences(table(), facts_of(build))), "") << build.compiler;
  }
}

TEST(PluginAbi, HasARowForEveryMemberAndNoGap) {
  for (const busway_abi_facts& build : builds()) {
    EXPECT_EQ(joined(misplaced(table(), facts_of(build))), "") << build.compiler;
  }
}

TEST(PluginAbi, HasARowForEveryConstant) {
  EXPECT_GE(constants_in(table()).size(), 60U);
  EXPECT_EQ(constants_of("include/busway/plugin.h"), constants_in(table()));
}

TEST(PluginAbi, HasTheRowsOfTheFrozenHeaderSoThatNoneWasEdited) {
  const std::vector<Fact> rows = of_version_1();
  const Facts frozen = facts_of(busway_abi_frozen);
  EXPECT_EQ(joined(differences(rows, frozen)), "") << "neither may be edited";
  for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(rows[i].size, frozen[i].size);
  EXPECT_EQ(joined(misplaced(rows, frozen)), "");
  EXPECT_EQ(constants_of("tests/plugin/abi/plugin_v1.h"), constants_in(rows));
}

// The checks themselves.

constexpr Fact kSmall[] = {{"busway_s", "", 0, 16, 0, 1},
                           {"busway_s", "size", 0, 4, 0, 1},
                           {"busway_s", "kind", 4, 4, 0, 1},
                           {"busway_s", "text", 8, 8, 0, 1},
                           {"", "BUSWAY_C", 0, 0, 3, 1}};

std::vector<Fact> small() { return {std::begin(kSmall), std::end(kSmall)}; }

TEST(AbiChecks, NameTheMemberThatMovedShrankOrChangedItsNumber) {
  std::vector<Fact> seen = small();
  EXPECT_EQ(joined(differences(small(), seen)), "");
  seen[2].place = 8;
  seen[3].size = 4;
  seen[4].value = 4;
  EXPECT_EQ(joined(differences(small(), seen)),
            "busway_s.kind lies at 8 with 4 bytes, pinned lies at 4 with 4 bytes\n"
            "busway_s.text lies at 8 with 4 bytes, pinned lies at 8 with 8 bytes\n"
            "BUSWAY_C is 4, pinned is 3\n");
}

TEST(AbiChecks, LetAStructGrowOnlyIfItSaysItsSize) {
  std::vector<Fact> pinned = small();
  std::vector<Fact> seen = small();
  seen[0].size = 24;
  EXPECT_EQ(joined(differences(pinned, seen)), "");
  seen[0].size = 8;
  EXPECT_EQ(joined(differences(pinned, seen)), "busway_s has 8 bytes, pinned has 16 bytes\n");
  seen[0].size = 24;
  pinned[1].name = "data";
  EXPECT_EQ(joined(differences(pinned, seen)), "busway_s has 24 bytes, pinned has 16 bytes\n");
}

TEST(AbiChecks, FindAMemberWithoutARowAndAGap) {
  std::vector<Fact> seen = small();
  seen[0].size = 24;
  EXPECT_EQ(joined(misplaced(small(), seen)),
            "busway_s has 24 bytes, its rows 16: a member has no row\n");
  std::vector<Fact> rows = small();
  rows.erase(rows.begin() + 2);
  EXPECT_EQ(joined(misplaced(rows, rows)),
            "busway_s.text lies at 8, what is before it ends at 4\n");
}

TEST(AbiChecks, TellWhatWasAppendedFromWhatWasInserted) {
  std::vector<Fact> rows = small();
  std::vector<Fact> seen = small();
  seen[0].size = 24;
  rows.insert(rows.begin() + 4, {"busway_s", "more", 16, 8, 0, 0});
  EXPECT_EQ(joined(misplaced(rows, seen)), "");
  rows[4].first_version = 1;
  EXPECT_EQ(joined(misplaced(rows, seen)), "busway_s.more is not of version 1: it was appended\n");
  rows[4].first_version = rows[3].first_version = 0;
  EXPECT_EQ(joined(misplaced(rows, seen)),
            "busway_s.text lies within version 1: it was not appended\n");
}

TEST(PluginAbi, HasSaysNoToAMemberBeyondTheSize) {
  busway_plugin_api table{};
  table.stop = [](busway_plugin*) -> busway_status { return BUSWAY_OK; };
  table.size = sizeof table;
  EXPECT_TRUE(BUSWAY_HAS(busway_plugin_api, &table, stop));
  EXPECT_FALSE(BUSWAY_HAS(busway_plugin_api, &table, start));
  table.size = offsetof(busway_plugin_api, stop) + 1;
  EXPECT_FALSE(BUSWAY_HAS(busway_plugin_api, &table, stop));
}

}  // namespace
}  // namespace busway
