// What every store must do, on a file: with time that is moved by hand, and in real time.
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <temporary_folder.hpp>

#include "busway/sqlite.hpp"
#include "busway/testing/process.hpp"
#include "busway/testing/store_conformance_gtest.hpp"

namespace busway {
namespace {

using testing::Process;

class SqliteHarness final : public testing::StoreHarness {
 public:
  enum class Time : unsigned char { by_hand, real };
  SqliteHarness(Time time, Durability durability) : durability_(durability) {
    if (time == Time::by_hand) clock_ = std::make_shared<testing::ManualClock>();
  }
  [[nodiscard]] std::string_view name() const override { return "sqlite"; }
  void fresh() override { path_ = folder_.file(std::to_string(++places_) + ".db"); }
  [[nodiscard]] std::shared_ptr<Store> open(const StoreOptions& options) override {
    StoreOptions with = options;
    if (with.clock == nullptr) with.clock = clock_;
    if (!with.durability) with.durability = durability_;
    with.timeout = patience();
    if (!with.log) with.log = [](LogLevel, std::string_view, std::span<const LogField>) {};
    return open_sqlite_store(path_, with);
  }
  [[nodiscard]] std::shared_ptr<testing::ManualClock> clock() const override { return clock_; }
  [[nodiscard]] bool can_kill() const override { return true; }
  void kill_holder(const DurableSpec& spec, std::size_t count) override {
    const std::int64_t now = clock_ ? clock_->wall().time_since_epoch().count() : 0;
    Process process({BUSWAY_SQLITE_WORKER, "grasp", "sqlite:" + path_, spec.name,
                     to_string(spec.patterns.at(0)), std::string(to_string(spec.order)),
                     std::to_string(spec.lease.count()), std::to_string(count),
                     std::to_string(now)});
    const std::string said = process.read_line();
    if (said != "took " + std::to_string(count)) throw std::runtime_error("worker: " + said);
    process.kill_now();
  }
  [[nodiscard]] std::string free_backup_path() override {
    return folder_.file("backup" + std::to_string(++places_) + ".db");
  }
  [[nodiscard]] std::shared_ptr<Store> open_backup(const std::string& path) override {
    return open_sqlite_store(path, {.clock = clock_});
  }
  // Others may keep the disk busy for long.
  [[nodiscard]] std::chrono::nanoseconds patience() const override {
    return std::chrono::minutes(1);
  }
  [[nodiscard]] double scale() const override {
    const char* const wanted = std::getenv("BUSWAY_TEST_STORE_SCALE");
    if (wanted != nullptr) return std::atof(wanted);
    return clock_ ? 0.1 : 0.02;
  }

 private:
  const Durability durability_;
  TemporaryFolder folder_;
  std::shared_ptr<testing::ManualClock> clock_;
  std::string path_;
  int places_ = 0;
};

using Time = SqliteHarness::Time;

testing::HarnessMaker harness(Time time, Durability durability) {
  return [=] { return std::make_unique<SqliteHarness>(time, durability); };
}

// All of it with commits that wait for no disk, and with those that do, as they do by themselves.
const bool registered_at_normal = testing::register_store_conformance(
    "SqliteStore", harness(Time::by_hand, Durability::process_crash));
const bool registered_at_full = testing::register_store_conformance(
    "SqliteStoreAtFull", harness(Time::by_hand, Durability::power_loss));
const bool registered_in_real_time = testing::register_store_conformance(
    "SqliteStoreInRealTime", harness(Time::real, Durability::process_crash));

}  // namespace
}  // namespace busway
