// tests/structure/planted_tree.hpp -- a small source tree made by a test, to show that a check
// finds what it is there to find.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include <test_paths.hpp>

namespace busway::structure {

class PlantedTree {
 public:
  PlantedTree() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    root_ = std::filesystem::path(BUSWAY_BINARY_DIR) / "tests" / "planted" /
            (std::string(test->test_suite_name()) + "." + test->name());
    std::filesystem::remove_all(root_);
    std::filesystem::create_directories(root_);
  }
  ~PlantedTree() {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }
  PlantedTree(const PlantedTree&) = delete;
  PlantedTree& operator=(const PlantedTree&) = delete;

  void plant(const std::string& file, std::string_view text) const {
    std::filesystem::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file, std::ios::binary) << text;
  }

  /// A public header of the layer with a whole contract, then the text.
  void plant_header(const std::string& name, const std::string& layer,
                    const std::string& text = "") const {
    plant("include/busway/" + name, "// busway/" + name + " -- a header.\n// Layer: " + layer +
                                        "\n//\n// Model      M\n// Threads    T\n// Ownership  O\n"
                                        "// Errors     E\n// Cost       C\n// Example    X\n"
                                        "#pragma once\n" +
                                        text);
  }

  [[nodiscard]] const std::filesystem::path& root() const { return root_; }

 private:
  std::filesystem::path root_;
};

}  // namespace busway::structure
