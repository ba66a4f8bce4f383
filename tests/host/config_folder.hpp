// A folder with a configuration file in it, gone at the end of the test.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include <temporary_folder.hpp>

namespace busway {

class ConfigFolder {
 public:
  explicit ConfigFolder(const std::string& text = {}) {
    if (!text.empty()) write(text);
  }

  void write(const std::string& text, const std::string& name = "busway.yaml") const {
    std::ofstream(file(name), std::ios::binary) << text;
    std::filesystem::permissions(file(name), std::filesystem::perms(0600));
  }

  [[nodiscard]] std::string file(const std::string& name = "busway.yaml") const {
    return folder_.file(name);
  }
  [[nodiscard]] const std::filesystem::path& path() const { return folder_.path(); }

 private:
  TemporaryFolder folder_;
};

}  // namespace busway
