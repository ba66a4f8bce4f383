// What may stand in a manifest, and what is said of what may not.
#include "plugin/manifest.hpp"

#include <sys/stat.h>

#include <algorithm>

#include <test_paths.hpp>
#include "busway/config_error.hpp"
#include "busway/plugin.h"
#include "manifest_fixture.hpp"

namespace busway::plugin_host_detail {
namespace {

using Lines = std::vector<std::string>;

constexpr const char* kSum = "0123456789abcdefABCDEF0123456789abcdef0123456789abcdef0123456789";

class ManifestFile : public ManifestTest {
 protected:
  Manifest read(const std::string& text, Wildcards wildcards = Wildcards::glob) {
    put_manifest(text);
    return *read_manifest(file("asking.plugin.yaml"), "asking.so", wildcards);
  }
  /// What is wrong with it, without the folder.
  Lines refused(const std::string& text, Wildcards wildcards = Wildcards::glob) {
    try {
      (void)read(text, wildcards);
    } catch (const ConfigError& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_config);
      Lines lines;
      for (ConfigIssue issue : error.issues()) {
        EXPECT_EQ(issue.file, file("asking.plugin.yaml"));
        issue.file = "f";
        lines.push_back(to_string(issue));
      }
      return lines;
    }
    return {};
  }
};

TEST_F(ManifestFile, HasTheseKeys) {
  const Manifest manifest =
      read(std::string("id: asking\nversion: 1.10\nlibrary: asking.so\nabi: 1\n"
                       "sha256: ") +
           kSum +
           "\nrequires: [scores, {id: users, version: '>=1.2 <2'}]\n"
           "config: {rounds: 3, deep: {a: '1'}}\nisolation: process\n"
           "mailbox: {capacity: 8}\npublish: ['a.*', b]\nsubscribe:\n");
  EXPECT_EQ(manifest.id, "asking");
  EXPECT_EQ(manifest.version, "1.10") << "as written: no number";
  EXPECT_EQ(manifest.library, "asking.so");
  EXPECT_EQ(manifest.abi, 1U);
  EXPECT_EQ(manifest.sha256, "0123456789abcdefabcdef0123456789abcdef0123456789abcdef0123456789");
  ASSERT_EQ(manifest.required.size(), 2U);
  EXPECT_EQ(manifest.required[0].id, "scores");
  EXPECT_FALSE(manifest.required[0].version);
  EXPECT_EQ(manifest.required[1].id, "users");
  ASSERT_TRUE(manifest.required[1].version);
  EXPECT_EQ(manifest.required[1].version->text(), ">=1.2 <2");
  EXPECT_EQ(manifest.config, Json::parse(R"({"rounds":3,"deep":{"a":"1"}})"));
  EXPECT_EQ(manifest.rules.isolation, PluginIsolation::process);
  EXPECT_EQ(manifest.rules.queue_capacity, 8U);
  EXPECT_EQ(manifest.rules.may_publish, (std::vector<std::string>{"a.*", "b"}));
  EXPECT_EQ(manifest.rules.may_subscribe, std::vector<std::string>{}) << "given, and empty";
}

TEST_F(ManifestFile, MayLeaveAllOfThemOut) {
  const Manifest manifest = read("# nothing to say\n");
  EXPECT_EQ(manifest.id + manifest.version + manifest.library + manifest.sha256, "");
  EXPECT_FALSE(manifest.abi);
  EXPECT_TRUE(manifest.required.empty());
  EXPECT_EQ(manifest.config, Json::object());
  EXPECT_FALSE(manifest.rules.may_publish);
  EXPECT_FALSE(manifest.rules.may_subscribe);
}

TEST_F(ManifestFile, RefusesUnknownKeysAndNamesTheNearest) {
  EXPECT_EQ(refused("id: asking\nrequire: []\nmailbox: {capacty: 1}\nhard: 1s\n"),
            (Lines{"f:2: require: unknown key; did you mean requires?",
                   "f:3: mailbox.capacty: unknown key; did you mean capacity?",
                   "f:4: hard: unknown key here; it belongs under deadlines, as deadlines.hard"}));
}

TEST_F(ManifestFile, NamesEachFaultyValueWithItsLine) {
  EXPECT_EQ(
      refused("id: a b\nabi: one\nlibrary: ../other.so\nsha256: abc\nconfig: [1]\n"
              "deadlines: {soft: 2s, hard: 1s}\n"),
      (Lines{"f:1: id: \"a b\" is not an id of letters, digits and _ - .",
             "f:2: abi: \"one\" is not a whole number in decimal digits, 1 to 65535",
             "f:3: library: \"../other.so\" is a path; name a file that stands beside the manifest",
             "f:4: sha256: has 3 digits; a SHA-256 has 64, as sha256sum writes them",
             "f:5: config: expected a map, found a list",
             "f:6: deadlines.soft: soft (2s) is not shorter than hard (1s), so that no call would "
             "ever be reported first"}));
  EXPECT_EQ(refused("sha256: xyz\n"), Lines{"f:1: sha256: \"xyz\" is not hexadecimal digits"});
  EXPECT_EQ(refused("library: ..\n"),
            Lines{"f:1: library: \"..\" is a path; name a file that stands beside the manifest"});
}

TEST_F(ManifestFile, NamesEachFaultyRequirementWithItsLine) {
  EXPECT_EQ(refused("requires:\n  - scores\n  - {version: '1'}\n  - {id: x, version: '>= 1'}\n"
                    "  - scores\n  - [a]\n  - {id: y, vresion: 1}\n"),
            (Lines{"f:3: requires[1]: the key id is missing",
                   "f:4: requires[2].version: \">=\" has no version behind it; write it without a "
                   "space, as in >=1.2",
                   "f:5: requires[3]: \"scores\" is required above already",
                   "f:6: requires[4]: expected an id of letters, digits and _ - ., found a list",
                   "f:7: requires[5].vresion: unknown key; did you mean version?"}));
}

TEST_F(ManifestFile, ReadsItsPatternsAsTheBusDoes) {
  const Lines glob = refused("publish: ['a.*', 're:(']\nsubscribe:\n  - 'a b'\n");
  ASSERT_EQ(glob.size(), 2U);
  EXPECT_TRUE(mentions(glob[0], "f:1: publish[1]: the regex pattern \"re:(\" cannot be used"));
  EXPECT_TRUE(mentions(glob[1], "f:3: subscribe[0]: "));
  EXPECT_EQ(refused("publish: ['a*']\n"), Lines{});
  const Lines segments = refused("publish: ['a*']\n", Wildcards::segments);
  ASSERT_EQ(segments.size(), 1U);
  EXPECT_TRUE(mentions(segments[0], "the * at offset 1 is only a part of its segment"));
}

TEST_F(ManifestFile, IsRefusedWhenItIsNoYamlOrNoMap) {
  EXPECT_TRUE(mentions(refused("id: 'open\n").at(0), "f:1: "));
  EXPECT_TRUE(mentions(refused("- a\n").at(0), "the file must be a map"));
  EXPECT_TRUE(mentions(refused("id: a\nid: b\n").at(0), "f:2: "));
  EXPECT_EQ(refused("").size(), 1U);
  EXPECT_EQ(refused("id: \xff\n").size(), 1U);
}

TEST_F(ManifestFile, IsRefusedWhenEveryoneMayWriteIt) {
  put_manifest("id: asking\n");
  ASSERT_EQ(::chmod(file("asking.plugin.yaml").c_str(), 0666), 0);
  const Error error = error_of(
      [&] { (void)read_manifest(file("asking.plugin.yaml"), "asking.so", Wildcards::glob); });
  EXPECT_TRUE(mentions(error.what(), "asking.plugin.yaml"));
  EXPECT_TRUE(mentions(error.what(), "chmod o-w"));
}

TEST_F(ManifestFile, MustNameTheLibraryItStandsBeside) {
  EXPECT_EQ(
      refused("id: asking\nlibrary: other.so\n"),
      Lines{"f:2: library: is \"other.so\", but the manifest stands beside \"asking.so\"; name "
            "that one, or load the plugin by its manifest"});
}

TEST_F(ManifestFile, StandsBesideTheLibraryUnderItsName) {
  EXPECT_EQ(manifest_path("plugins/trivia.so"), "plugins/trivia.plugin.yaml");
  EXPECT_EQ(manifest_path("trivia.so"), "trivia.plugin.yaml");
  EXPECT_EQ(manifest_path("/a.b/my.trivia.so"), "/a.b/my.trivia.plugin.yaml");
  EXPECT_EQ(find_manifest(file()), "") << "none is there";
  put_manifest("id: asking\n");
  EXPECT_EQ(find_manifest(file()), file("asking.plugin.yaml"));
  EXPECT_EQ(find_manifest("static:asking"), "");
  EXPECT_EQ(find_manifest(file("gone.plugin.yaml")), file("gone.plugin.yaml"));
  std::filesystem::create_symlink("nowhere", file("dangling.plugin.yaml"));
  EXPECT_EQ(find_manifest(file("dangling.so")), file("dangling.plugin.yaml"))
      << "one that cannot be read is no missing one";
}

// -- What busway_add_plugin() writes --------------------------------------------------------------

TEST(WrittenManifest, TellsOfTheLibraryAsItWasLinked) {
  const std::string path = library("gamma");
  const auto files = find_files(path, Wildcards::glob);
  ASSERT_NE(files.manifest, nullptr);
  EXPECT_EQ(files.library, path);
  EXPECT_EQ(files.manifest->id, "gamma");
  EXPECT_EQ(files.manifest->library, "test_gamma.so");
  EXPECT_EQ(files.manifest->abi, BUSWAY_ABI);
  EXPECT_EQ(files.manifest->sha256, sum_of_file(path));
  ASSERT_EQ(files.manifest->required.size(), 2U);
  EXPECT_EQ(files.manifest->required[0].id, "beta");
  EXPECT_EQ(files.manifest->required[1].id, "alpha");
  EXPECT_EQ(find_files(library("counter_2"), Wildcards::glob).manifest->version, "2.0.0");
}

TEST(WrittenManifest, HasWhatItsManifestArgumentAdds) {
  const auto manifest = find_files(library("asking_ruled"), Wildcards::glob).manifest;
  ASSERT_NE(manifest, nullptr);
  EXPECT_EQ(manifest->id, "asking");
  EXPECT_EQ(manifest->rules.queue_capacity, 77U);
  EXPECT_EQ(manifest->rules.may_subscribe, std::vector<std::string>{"ask.*"});
  ASSERT_EQ(manifest->required.size(), 1U);
  EXPECT_EQ(manifest->required[0].id, "alpha");
  EXPECT_EQ(manifest->required[0].version->text(), "^1");
}

TEST(WrittenManifest, StandsBesideEachPluginThatShips) {
  const std::string path = BUSWAY_BINARY_DIR "/plugins/busway_console.so";
  const auto manifest = find_files(path, Wildcards::glob).manifest;
  ASSERT_NE(manifest, nullptr);
  EXPECT_EQ(manifest->sha256, sum_of_file(path));
}

// -- The page -------------------------------------------------------------------------------------

// One row a key: | `path` | type | default | values | meaning |.
TEST(ManifestPage, ListsEveryKeyWithItsTypeDefaultAndValues) {
  const std::string text = bytes_of(BUSWAY_SOURCE_DIR "/docs/plugin_manifest.md");
  ASSERT_FALSE(text.empty());
  for (const config::KeyInfo& key : manifest_section().keys()) {
    if (key.type == "section") continue;
    std::string row = "| `" + key.path + "` | " + key.type + " |";
    for (const std::string& cell : {key.default_text, key.values}) {
      row += cell.empty() ? " |" : ' ' + cell + " |";
    }
    EXPECT_NE(text.find(row), std::string::npos) << row << ' ' << key.doc;
  }
}

}  // namespace
}  // namespace busway::plugin_host_detail
