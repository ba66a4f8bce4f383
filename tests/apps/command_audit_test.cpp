#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include <temporary_folder.hpp>
#include "process.hpp"
#include "shared/audit_line.hpp"

namespace busway::app {
namespace {

using nlohmann::json;

class AuditVerify : public ::testing::Test {
 protected:
  /// Lines first to last of one chain, as the plugin writes them.
  AuditVerify() {
    shared::AuditLink last;
    for (int i = 1; i <= 9; ++i) {
      std::string hash;
      lines_.push_back(
          shared::make_audit_line(last, "{\"topic\":\"t" + std::to_string(i) + "\"}", hash));
      last = {.seq = last.seq + 1, .hash = hash};
      hashes_.push_back(hash);
    }
  }

  [[nodiscard]] std::string line(int number) const {
    return lines_.at(static_cast<std::size_t>(number - 1));
  }
  std::string write(const std::string& name, const std::vector<std::string>& lines,
                    const std::string& behind = "") const {
    const std::string path = folder_.file(name);
    std::ofstream out(path, std::ios::binary);
    for (const std::string& one : lines) out << one << '\n';
    out << behind;
    return path;
  }
  [[nodiscard]] std::vector<std::string> some(const std::vector<int>& numbers) const {
    std::vector<std::string> chosen;
    for (const int number : numbers) chosen.push_back(line(number));
    return chosen;
  }
  /// What is said of these lines, without the folder and the summary.
  std::vector<std::string> problems(const std::vector<std::string>& lines,
                                    const std::string& behind = "") const {
    const std::string path = write("log", lines, behind);
    const Ended ended = busway({"audit", "verify", "--json", path});
    std::vector<std::string> found;
    const json report = json::parse(ended.out);
    for (const json& one : report.at("problems")) {
      EXPECT_EQ(one.at("file"), path);
      found.push_back(one.at("line").dump() + ": " + one.at("problem").get<std::string>());
    }
    EXPECT_EQ(ended.code, found.empty() ? 0 : 1);
    return found;
  }

  TemporaryFolder folder_;
  std::vector<std::string> lines_;
  std::vector<std::string> hashes_;
};

using Problems = std::vector<std::string>;

TEST_F(AuditVerify, SaysThatAWholeChainIsWhole) {
  const std::string path = write("audit.jsonl", some({1, 2, 3}));
  const Ended ended = busway({"audit", "verify", path});
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_EQ(ended.out, path + ": 3 lines, 1 to 3\nwhole: 3 lines, head " + hashes_[2] + "\n");
  EXPECT_EQ(ended.err, "");
}

TEST_F(AuditVerify, FollowsTheChainOverFilesInWhateverOrderTheyAreGiven) {
  const std::string third = write("audit.jsonl", some({6, 7}));
  const std::string first = write("audit.jsonl.000001", some({1, 2, 3}));
  const std::string second = write("audit.jsonl.000002", some({4, 5}));
  EXPECT_EQ(busway({"audit", "verify", third, first, second}).code, 0);
  EXPECT_EQ(busway({"audit", "verify", first, third, second}).code, 0);
  // Older files may be gone, but none in between.
  EXPECT_EQ(busway({"audit", "verify", "--partial", second, third}).code, 0);
  const Ended gap = busway({"audit", "verify", first, third});
  EXPECT_EQ(gap.code, 1);
  EXPECT_EQ(gap.out.substr(0, gap.out.find('\n')), third + ":1: lines are missing: 4 to 5");
  // A file that was just begun has no line yet.
  const std::string empty = write("empty", {});
  EXPECT_EQ(busway({"audit", "verify", empty, first}).code, 0);
}

TEST_F(AuditVerify, FindsThatTheFirstLinesAreGoneUnlessToldThatTheyMayBe) {
  const std::string path = write("later", some({4, 5, 6}));
  const Ended cut = busway({"audit", "verify", path});
  EXPECT_EQ(cut.code, 1);
  EXPECT_EQ(cut.out.substr(0, cut.out.find('\n')),
            path + ":1: the chain begins at 4; 1 to 3 are not here");
  EXPECT_EQ(problems(some({2, 3})), Problems{"1: the chain begins at 2; 1 is not here"});
  const Ended known = busway({"audit", "verify", "--from", "4", path});
  EXPECT_EQ(known.code, 0) << known.out;
  EXPECT_TRUE(has(known.out, "whole: 3 lines from 4, head " + hashes_[5])) << known.out;
  EXPECT_EQ(busway({"audit", "verify", "--partial", path}).code, 0);
  const Ended more = busway({"audit", "verify", "--from", "3", path});
  EXPECT_EQ(more.code, 1);
  EXPECT_TRUE(has(more.out, "the chain begins at 4; 3 is not here")) << more.out;
  EXPECT_EQ(busway({"audit", "verify", "--from", "5", path}).code, 1);
  EXPECT_EQ(busway({"audit", "verify", "--from", "0", path}).code, 2);
  EXPECT_EQ(busway({"audit", "verify", "--from", "4", "--partial", path}).code, 2);
}

TEST_F(AuditVerify, NothingIsNotWhole) {
  const std::string empty = write("empty", {});
  for (const std::string option : {"--json", "--partial"}) {
    const Ended ended = busway({"audit", "verify", option, empty});
    EXPECT_EQ(ended.code, 1);
    EXPECT_TRUE(has(ended.out, "there is no line")) << ended.out;
  }
}

TEST_F(AuditVerify, FindsEachByteThatWasChanged) {
  const std::vector<std::string> good = some({1, 2, 3});
  for (std::size_t i = 0; i < good[1].size(); i += 7) {
    std::vector<std::string> bad = good;
    bad[1][i] = bad[1][i] == 'x' ? 'y' : 'x';
    const Problems found = problems(bad);
    ASSERT_FALSE(found.empty()) << "byte " << i;
    EXPECT_TRUE(found[0].starts_with("2: ")) << found[0];
  }
  std::vector<std::string> bad = good;
  bad[2].replace(bad[2].find("t3"), 2, "t4");
  ASSERT_EQ(problems(bad).size(), 1U);
  EXPECT_TRUE(problems(bad)[0].starts_with("3: the line was changed: its hash is " + hashes_[2]));
}

TEST_F(AuditVerify, FindsALineThatWasWrittenAnewWithAHashOfItsOwn) {
  std::string hash;
  std::vector<std::string> lines = some({1, 2, 3});
  lines[1] = shared::make_audit_line({.seq = 1, .hash = hashes_[0]}, R"({"topic":"other"})", hash);
  EXPECT_EQ(problems(lines),
            Problems{"3: the line does not follow the one before, which is another than when it "
                     "was written"});
}

TEST_F(AuditVerify, FindsLinesThatWereRemoved) {
  EXPECT_EQ(problems(some({1, 3})), Problems{"2: lines are missing: 2"});
  EXPECT_EQ(problems(some({1, 2, 6, 7})), Problems{"3: lines are missing: 3 to 5"});
}

TEST_F(AuditVerify, FindsLinesThatWereMovedOrRepeated) {
  EXPECT_EQ(problems(some({1, 3, 2, 4})),
            (Problems{"2: lines are missing: 2", "3: the line is out of order: 2 after 3",
                      "4: lines are missing: 3"}));
  EXPECT_EQ(problems(some({1, 2, 2})), Problems{"3: the line is out of order: 2 after 2"});
}

TEST_F(AuditVerify, FindsWhatIsNoLineOfIt) {
  EXPECT_EQ(problems({"hello"}), Problems{"1: this is no line of an audit log"});
  EXPECT_EQ(problems({line(1), "", line(2)}), Problems{"2: this is no line of an audit log"});
  EXPECT_EQ(problems({}, "hello"), Problems{"1: this is no line of an audit log"});
  EXPECT_EQ(problems(some({1}), "hello"), Problems{"2: this is no line of an audit log"});
  EXPECT_EQ(problems(some({1}), line(2).substr(0, 40)),
            Problems{"2: the line is unfinished; the plugin cuts it off when it starts again"});
}

TEST_F(AuditVerify, FindsThatTheEndWasRemovedWhenItIsToldAHashThatWasThere) {
  const std::string path = write("log", some({1, 2, 3}));
  EXPECT_EQ(busway({"audit", "verify", "--head", hashes_[2], path}).code, 0);
  EXPECT_EQ(busway({"audit", "verify", "--head", hashes_[1], path}).code, 0);
  const Ended cut = busway({"audit", "verify", "--head", hashes_[4], path});
  EXPECT_EQ(cut.code, 1);
  EXPECT_TRUE(has(cut.out, "no line has the hash " + hashes_[4])) << cut.out;
  EXPECT_TRUE(has(cut.out, "not whole: 1 problem\n")) << cut.out;
  const Ended wrong = busway({"audit", "verify", "--head", "abc", path});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_TRUE(has(wrong.err, "64 digits")) << wrong.err;
}

TEST_F(AuditVerify, ShowsSomeProblemsAndCountsTheRest) {
  std::vector<std::string> lines(150, "x");
  lines.insert(lines.begin() + 70, line(1));
  const Ended ended = busway({"audit", "verify", write("log", lines)});
  EXPECT_EQ(ended.code, 1);
  EXPECT_TRUE(has(ended.out, "\nand 50 more problems\n"));
  EXPECT_TRUE(has(ended.out, "not whole: 150 problems\n"));
}

TEST_F(AuditVerify, SaysOnceThatAFileIsNoAuditLog) {
  const std::string other = write("notes.txt", std::vector<std::string>(150, "x"), "y");
  const Ended ended = busway({"audit", "verify", other});
  EXPECT_EQ(ended.code, 1);
  EXPECT_EQ(ended.out, other +
                           ":1: this is no audit log: none of its 151 lines is a line of one\n" +
                           other + ": 151 lines\nnot whole: 1 problem\n");
  // It hides nothing of the others.
  const std::string log = write("log", some({1, 3}));
  const Ended both = busway({"audit", "verify", other, log});
  EXPECT_EQ(both.code, 1);
  EXPECT_TRUE(has(both.out, log + ":2: lines are missing: 2\n")) << both.out;
  EXPECT_TRUE(has(both.out, "not whole: 2 problems\n")) << both.out;
  // A log of which each line was changed is one.
  std::vector<std::string> changed = some({1, 2, 3});
  for (std::string& one : changed) one.replace(one.find("\"t"), 2, "\"u");
  EXPECT_EQ(problems(changed).size(), 3U);
}

TEST_F(AuditVerify, NamesAFileThatCannotBeRead) {
  const Ended ended = busway({"audit", "verify", folder_.file("none")});
  EXPECT_EQ(ended.code, 4);
  EXPECT_EQ(ended.out, "");
  EXPECT_TRUE(has(ended.err, folder_.file("none"))) << ended.err;
  EXPECT_EQ(busway({"audit", "verify", folder_.path().string()}).code, 4);
  EXPECT_EQ(busway({"audit", "verify"}).code, 2);
  EXPECT_EQ(busway({"audit"}).code, 2);
}

}  // namespace
}  // namespace busway::app
