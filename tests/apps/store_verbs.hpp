// store_verbs.hpp -- a store for the verbs that look into one, and what their tests share.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <temporary_folder.hpp>
#include <vector>

#include "busway/store_provider.hpp"
#include "process.hpp"

namespace busway::app {

using nlohmann::json;

struct StoreVerbs : ::testing::Test {
  TemporaryFolder folder;
  std::string store = "sqlite:" + folder.file("events.db");

  std::string file(const std::string& text) const {
    const std::string path = folder.file("lines.ndjson");
    std::ofstream(path) << text;
    return path;
  }
  void fill(int count, const std::string& topic = "order.made") const {
    std::string text;
    for (int i = 1; i <= count; ++i) text += "{\"n\":" + std::to_string(i) + "}\n";
    const Ended ended =
        busway({"pub", "--store", store, "--topic", topic, "--source", "shop", file(text)});
    EXPECT_EQ(ended.code, 0) << ended.err;
    EXPECT_EQ(ended.out, "stored=" + std::to_string(count) + " duplicates=0 failed=0\n");
  }
  /// For what no verb does: to let a delivery fail.
  std::shared_ptr<Store> opened() const { return open_store(store, {.create = false}); }
  /// The verb with the store of this folder.
  Ended run(std::vector<std::string> words) const {
    words.insert(words.end(), {"--store", store});
    return busway(words);
  }
  /// From here on the store is a copy in which the event with this word is damaged.
  void damage(const std::string& word) {
    // A copy has all in its one file.
    const std::string path = folder.file("damaged.db");
    EXPECT_EQ(run({"store", "backup", path}).code, 0);
    store = "sqlite:" + path;
    std::fstream db(path, std::ios::in | std::ios::out | std::ios::binary);
    const std::string all((std::istreambuf_iterator<char>(db)), {});
    const std::size_t at = all.find(word);
    ASSERT_NE(at, std::string::npos);
    db.seekp(static_cast<std::streamoff>(at)).put('#');
  }
  /// As an instance of a durable name, until nothing is left.
  Ended drain(const std::string& name, const std::string& pattern = "*") const {
    return run(
        {"sub", "--durable", name, "--from", "beginning", "--json", pattern, "--until-idle"});
  }
};

inline std::vector<json> lines_of(const std::string& text) {
  std::vector<json> out;
  std::size_t begin = 0;
  for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
    out.push_back(json::parse(text.substr(begin, end - begin)));
    begin = end + 1;
  }
  return out;
}

}  // namespace busway::app
