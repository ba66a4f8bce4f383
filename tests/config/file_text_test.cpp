#include "config/file_text.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include <temporary_folder.hpp>

#include "config/document.hpp"
#include "config/limits.hpp"
#include "problems.hpp"

namespace busway::config {
namespace {

namespace fs = std::filesystem;

class ConfigFile : public ::testing::Test {
 protected:
  std::string path(const std::string& name) const { return folder_.file(name); }

  std::string write(const std::string& name, const std::string& text, mode_t mode = 0600) const {
    std::ofstream(path(name), std::ios::binary) << text;
    EXPECT_EQ(::chmod(path(name).c_str(), mode), 0);
    return path(name);
  }

  static Lines errors(const std::string& file) {
    return errors_of([&] { (void)load_config(file, with_variables({})); });
  }

 private:
  TemporaryFolder folder_;
};

TEST_F(ConfigFile, IsReadFromDisk) {
  const Loaded<Config> loaded = load_config(write("f.yaml", "history: {size: 7}\n"));
  EXPECT_EQ(loaded.value.history.size, 7U);
  EXPECT_EQ(loaded.document.file, path("f.yaml"));
  EXPECT_TRUE(loaded.warnings.empty());
}

TEST_F(ConfigFile, ThatIsMissingIsNamed) {
  EXPECT_EQ(errors(path("no.yaml")), Lines{path("no.yaml") + ": there is no such file"});
}

TEST_F(ConfigFile, WithAnEmptyNameIsRefused) {
  EXPECT_EQ(errors(""), Lines{"(no name): the name of the configuration file is empty"});
}

TEST_F(ConfigFile, ThatIsADirectoryIsRefused) {
  EXPECT_EQ(errors(path(".")), Lines{path(".") + ": is a directory; name the file itself"});
}

TEST_F(ConfigFile, ThatIsAPipeIsRefusedWithoutWaitingForAWriter) {
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(errors(path("pipe")),
            Lines{path("pipe") + ": is not a regular file; copy its text into one"});
}

TEST_F(ConfigFile, BehindALoopOfLinksIsRefusedWithTheSystemsWords) {
  fs::create_symlink("loop", path("loop"));
  const Lines found = errors(path("loop"));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].rfind(path("loop") + ": cannot be opened: ", 0), 0U) << found[0];
}

TEST_F(ConfigFile, OfNoBytesIsRefused) {
  const std::string file = write("f.yaml", "");
  EXPECT_EQ(
      errors(file),
      Lines{file + ": is empty (0 bytes); write at least one section, such as event_broker:"});
}

TEST_F(ConfigFile, OfBlanksIsRefused) {
  const std::string file = write("f.yaml", " \n\t\n");
  EXPECT_EQ(errors(file), Lines{file + ": is empty (nothing but blanks); write at least one "
                                       "section, such as event_broker:"});
}

TEST_F(ConfigFile, ThatEveryoneMayWriteIsRefusedWithTheCommandThatMendsIt) {
  const std::string file = write("f.yaml", "history: {size: 7}\n", 0666);
  EXPECT_EQ(
      errors(file),
      Lines{file + ": everyone on this machine may change this file; run: chmod o-w " + file});
  ASSERT_EQ(::chmod(file.c_str(), 0664), 0);
  EXPECT_EQ(errors(file), Lines{});
}

TEST_F(ConfigFile, ReachedByALinkIsJudgedByItsTarget) {
  const std::string file = write("f.yaml", "history: {size: 7}\n", 0602);
  fs::create_symlink(file, path("link"));
  ASSERT_EQ(errors(path("link")).size(), 1U);
  EXPECT_NE(errors(path("link"))[0].find("chmod o-w " + path("link")), std::string::npos);
}

TEST_F(ConfigFile, BeyondTheLimitIsRefusedAndOneOfExactlyTheLimitIsRead) {
  const std::string head = "history: {size: 7}\n#";
  const std::string file = write("f.yaml", head + std::string(kFileBytesMax - head.size(), 'x'));
  EXPECT_EQ(errors(file), Lines{});
  std::ofstream(file, std::ios::app) << "x";
  EXPECT_EQ(errors(file), Lines{file + ": has 1048577 bytes; at most 1048576 are read"});
}

TEST_F(ConfigFile, WithASecretThatEveryoneMayReadGetsAWarningAndAFix) {
  const std::string text =
      "event_broker:\n  redis:\n    password: hunter2\n    user: ${WHO:-me}\nplugins:\n"
      "  - path: a.so\n    config: {api_key: \"${KEY}\", nested: [{token: t0}]}\n";
  const std::string file = write("f.yaml", text, 0644);
  const Lines found = shown(load_config(file, with_variables({{"KEY", "k"}})).warnings,
                            ConfigIssue::Severity::warning);
  const std::string message =
      "a secret stands in a file that everyone on this machine may read; take it from a variable, "
      "${NAME}, or run: chmod o-r " +
      file;
  EXPECT_EQ(found, (Lines{file + ":3: event_broker.redis.password: " + message,
                          file + ":7: plugins[0].config.nested[0].token: " + message}));
  ASSERT_EQ(::chmod(file.c_str(), 0640), 0);
  EXPECT_TRUE(load_config(file, with_variables({{"KEY", "k"}})).warnings.empty());
}

TEST(CheckText, RefusesANulByteWithItsLine) {
  EXPECT_EQ(errors_in(std::string_view("a: 1\nb: \0\n", 10)),
            Lines{"f.yaml:2: holds a NUL byte; the file is damaged or not text, write it anew"});
}

TEST(CheckText, RefusesWhatIsNotUtf8WithItsLine) {
  EXPECT_EQ(errors_in("a: 1\n\nb: \xff\n"),
            Lines{"f.yaml:3: is not UTF-8: byte 0xFF cannot stand here; save the file as UTF-8"});
}

TEST(CheckText, NamesUtf16) {
  EXPECT_EQ(errors_in(std::string_view("\xFF\xFE"
                                       "a\0:\0",
                                       6)),
            Lines{"f.yaml: is UTF-16; save it as UTF-8"});
}

TEST(CheckText, RefusesTheControlCharacterAtWhichTheParserWouldStopReading) {
  EXPECT_EQ(errors_in("history: {}\n# \x04\nnonsense: 1\n"),
            Lines{"f.yaml:2: holds the control character U+0004; remove it, or write it as an "
                  "escape in double quotes"});
  EXPECT_EQ(errors_in("history: {}\n# \x1b[31m\n").size(), 1U);
  EXPECT_EQ(errors_in("history: {}\n# \x7f\n").size(), 1U);
}

TEST(CheckText, TakesAByteOrderMarkAndAnyLineEnd) {
  EXPECT_EQ(check_text("\xEF\xBB\xBF"
                       "a: 1\r\nb: 2\rc: 3\n",
                       "f"),
            "a: 1\nb: 2\nc: 3\n");
}

TEST(ShellWord, QuotesWhatAShellWouldRead) {
  EXPECT_EQ(shell_word("/etc/busway.yaml"), "/etc/busway.yaml");
  EXPECT_EQ(shell_word("my file"), "'my file'");
  EXPECT_EQ(shell_word("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_word("-rf"), "-- '-rf'");
}

}  // namespace
}  // namespace busway::config
