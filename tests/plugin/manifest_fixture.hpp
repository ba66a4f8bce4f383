// A library and its manifest in a folder of their own, as the test writes them.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <temporary_folder.hpp>

#include "base/sha256.hpp"
#include "hanging_fixture.hpp"
#include "plugin_fixture.hpp"

namespace busway {

inline std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline std::string sum_of_file(const std::string& path) {
  const std::string bytes = bytes_of(path);
  return sha256(std::as_bytes(std::span(bytes)));
}

class ManifestTest : public PluginTest {
 protected:
  /// Puts a file there in one moment, as a build does.
  void put(const std::string& name, const std::string& bytes) {
    std::ofstream(folder_.file("made"), std::ios::binary | std::ios::trunc) << bytes;
    std::filesystem::permissions(folder_.file("made"), std::filesystem::perms(0700));
    std::filesystem::rename(folder_.file("made"), folder_.file(name));
  }
  /// The test's library of that name becomes NAME.so, without a manifest.
  void put_library(std::string_view from, const std::string& name = "asking.so") {
    put(name, bytes_of(library(from)));
  }
  void put_manifest(const std::string& text, const std::string& name = "asking.plugin.yaml") {
    put(name, text);
  }

  [[nodiscard]] std::string file(const std::string& name = "asking.so") const {
    return folder_.file(name);
  }

  /// Loads asking.so with this manifest and starts it.
  void run_asking(const std::string& manifest, PluginSpec spec = {}) {
    put_library("asking");
    put_manifest(manifest);
    spec.path = file();
    manager_.load(spec);
    manager_.start("asking");
  }

  /// What the plugin answers: {"status", "answer"} or {"status", "message"}.
  Json ask(Json what) { return bus_.request("ask.do", std::move(what), kGuard).json(); }

  [[nodiscard]] std::size_t capacity_of(std::string_view pattern) {
    for (const SubscriptionInfo& info : bus_.subscriptions("asking")) {
      if (info.patterns.front().ends_with(pattern)) return info.queue_capacity;
    }
    ADD_FAILURE() << "no subscription to " << pattern;
    return 0;
  }

  TemporaryFolder folder_;
};

}  // namespace busway
