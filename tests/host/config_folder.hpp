// A folder with a configuration file in it, gone at the end of the test.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>  // NOLINT: mkdtemp

#include <filesystem>
#include <fstream>
#include <string>

namespace busway {

class ConfigFolder {
 public:
  explicit ConfigFolder(const std::string& text = {}) {
    std::string name = (std::filesystem::temp_directory_path() / "busway_host_XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no folder for the test");
    folder_ = std::filesystem::canonical(name);
    if (!text.empty()) write(text);
  }
  ConfigFolder(const ConfigFolder&) = delete;
  ConfigFolder& operator=(const ConfigFolder&) = delete;
  ~ConfigFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  void write(const std::string& text, const std::string& name = "busway.yaml") const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    std::filesystem::permissions(folder_ / name, std::filesystem::perms(0600));
  }

  [[nodiscard]] std::string file(const std::string& name = "busway.yaml") const {
    return (folder_ / name).string();
  }
  [[nodiscard]] const std::filesystem::path& path() const { return folder_; }

 private:
  std::filesystem::path folder_;
};

}  // namespace busway
