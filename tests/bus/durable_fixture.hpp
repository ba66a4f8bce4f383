// durable_fixture.hpp -- what the tests of durable subscriptions share: stores that outlive buses,
// and one that fails.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <temporary_folder.hpp>
#include <utility>
#include <vector>

#include "bus_fixture.hpp"
#include "busway/store_provider.hpp"
#include "still_bus.hpp"

namespace busway {

inline RetryPolicy retries(unsigned max, std::chrono::nanoseconds delay = std::chrono::seconds(1)) {
  RetryPolicy policy;
  policy.max_retries = max;
  policy.initial_delay = delay;
  return policy;
}

/// A store that outlives buses, with time that stands still.
struct Durable : ::testing::TestWithParam<const char*> {
  std::shared_ptr<testing::ManualClock> clock = std::make_shared<testing::ManualClock>();
  TemporaryFolder folder;
  std::shared_ptr<Store> store = open(clock);

  [[nodiscard]] std::string address() const {
    return GetParam() + (std::string(GetParam()) == "sqlite:" ? folder.file("events.db") : "");
  }
  [[nodiscard]] std::shared_ptr<Store> open(std::shared_ptr<Clock> with) const {
    return open_store(address(), {.clock = std::move(with)});
  }

  BusOptions options() {
    BusOptions made;
    made.clock = clock;
    made.opened_store = store;
    return made;
  }
  void pass(Pumped& pumped, std::chrono::nanoseconds time) {
    for (std::chrono::nanoseconds step = std::chrono::milliseconds(10); time > time.zero();
         time -= step) {
      clock->advance(step);
      (void)pumped.bus.poll();
    }
  }
  DurableInfo info(const std::string& name) {
    for (DurableInfo& one : store->durables()) {
      if (one.name == name) return one;
    }
    ADD_FAILURE() << "no durable subscription " << name;
    return {};
  }
};

/// A store in front of another, that fails where a test says so.
class Behind : public Store {
 public:
  explicit Behind(std::shared_ptr<Store> store) : real(std::move(store)) {}
  [[nodiscard]] StoreInfo info() const override { return real->info(); }
  [[nodiscard]] StoreFeatures features() const noexcept override { return real->features(); }
  [[nodiscard]] StoreStats stats() override { return real->stats(); }
  [[nodiscard]] StoreCensus census() override { return real->census(); }
  [[nodiscard]] std::uint64_t writer() const noexcept override { return real->writer(); }
  void append(AppendRequest& request) noexcept override { real->append(request); }
  void append(std::span<const Event> events, std::span<AppendResult> results) noexcept override {
    real->append(events, results);
    if (!answers_unknown.exchange(false)) return;
    if (meanwhile) meanwhile();
    for (AppendResult& one : results) one.answer = Appended::unknown;
  }
  using Store::append;
  [[nodiscard]] StorePage read(const StoreQuery& query) override {
    ++reads;
    return real->read(query);
  }
  [[nodiscard]] std::optional<StoredEvent> find(const EventId& id) override {
    return real->find(id);
  }
  [[nodiscard]] std::optional<StoredStatus> status(const EventId& id) override {
    return real->status(id);
  }
  [[nodiscard]] Watch watch(std::function<void(StoreNews)> news) override {
    return real->watch(news);
  }
  bool remove(std::string_view durable) override { return real->remove(durable); }
  [[nodiscard]] std::vector<DurableInfo> durables() override { return real->durables(); }
  std::size_t replay(std::string_view durable, std::span<const std::uint64_t> sequences) override {
    return real->replay(durable, sequences);
  }
  [[nodiscard]] std::vector<StoredLetter> dead_letters(const StoredLetterQuery& query) override {
    return real->dead_letters(query);
  }
  std::size_t redrive(const StoredLetterQuery& query) override { return real->redrive(query); }
  std::size_t purge(const StoredLetterQuery& query) override { return real->purge(query); }
  TrimResult trim(const Retention& retention) override { return real->trim(retention); }
  [[nodiscard]] std::vector<std::string> check() override { return real->check(); }
  void backup(const std::string& path) override { real->backup(path); }
  void vacuum() override { real->vacuum(); }
  void close() noexcept override { real->close(); }

  struct Consumer final : StoreConsumer {
    Consumer(Behind& of, std::unique_ptr<StoreConsumer> made) : store(of), real(std::move(made)) {}
    FetchResult fetch(std::size_t max) override { return real->fetch(max); }
    SettleResult settle(std::span<const Settlement> settlements) override {
      if (store.settle_fails) throw Error(ErrorCode::store_unavailable, "the cable is out");
      SettleResult result = real->settle(settlements);
      store.settled += settlements.size();
      store.stale += result.stale;
      return result;
    }
    bool renew() override { return real->renew(); }
    void keep_note(std::string_view note) override {
      if (store.note_fails > 0) {
        --store.note_fails;
        throw Error(ErrorCode::store_unavailable, "the cable is out");
      }
      real->keep_note(note);
    }
    [[nodiscard]] std::string note() override { return real->note(); }
    void close() noexcept override { real->close(); }
    Behind& store;
    std::unique_ptr<StoreConsumer> real;
  };
  [[nodiscard]] std::unique_ptr<StoreConsumer> open(const DurableSpec& spec) override {
    return std::make_unique<Consumer>(*this, real->open(spec));
  }

  std::shared_ptr<Store> real;
  std::atomic<bool> answers_unknown{false};
  std::function<void()> meanwhile;
  std::atomic<bool> settle_fails{false};
  std::atomic<int> note_fails{0};
  std::atomic<std::size_t> settled{0};
  std::atomic<std::size_t> stale{0};
  std::atomic<std::size_t> reads{0};
};

}  // namespace busway
