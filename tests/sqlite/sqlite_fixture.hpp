// sqlite_fixture.hpp -- a folder for a store, and what the tests of the store share.
#pragma once

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <chrono>
#include <cstdint>
#include <expect_error.hpp>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <temporary_folder.hpp>
#include <vector>

#include "busway/error.hpp"
#include "busway/sqlite.hpp"
#include "busway/testing/manual_clock.hpp"

namespace busway {

struct SqliteFolder : ::testing::Test {
  TemporaryFolder folder;
  std::string path = folder.file("events.db");
  std::mutex log_mutex;
  std::vector<std::string> log_lines;

  StoreOptions options(StoreOptions made = {}) {
    made.log = [this](LogLevel, std::string_view text, std::span<const LogField>) {
      const std::lock_guard lock(log_mutex);
      log_lines.emplace_back(text);
    };
    return made;
  }
  std::shared_ptr<Store> open(StoreOptions with = {}) {
    return open_sqlite_store(path, options(std::move(with)));
  }
  bool logged(const std::string& part) {
    const std::lock_guard lock(log_mutex);
    for (const std::string& line : log_lines) {
      if (line.find(part) != std::string::npos) return true;
    }
    return false;
  }
  /// As another program would, without the gate.
  void run_sql(const std::string& sql) const {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &database), SQLITE_OK);
    char* why = nullptr;
    EXPECT_EQ(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, &why), SQLITE_OK)
        << (why != nullptr ? why : "");
    sqlite3_free(why);
    sqlite3_close(database);
  }
};

inline Event numbered(std::uint64_t n, const std::string& topic = "number.made") {
  return Event(topic, bytes(std::to_string(n)),
               {.id = EventId{1, n}, .time = WallTime(std::chrono::milliseconds(n))});
}

inline std::string text_of(const Event& event) {
  const auto data = event.bytes();
  return {reinterpret_cast<const char*>(data.data()), data.size()};
}

}  // namespace busway
