// tests/store/shared_store.hpp -- several openings of one memory store that outlives them, so that
// the suite's cases of shared and persistent stores are run without a server.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <utility>
#include <vector>

#include "busway/error.hpp"
#include "busway/memory_store.hpp"
#include "busway/testing/store_conformance.hpp"
#include "forwarding_store.hpp"

namespace busway::testing {

struct SharedOpening;

/// What stays when all are closed.
struct SharedPlace {
  std::shared_ptr<Store> store;
  std::mutex mutex;
  std::map<std::uint64_t, std::uint64_t> writers;  // of each sequence
  std::uint64_t last_writer = 0;
  std::vector<std::shared_ptr<StoreConsumer>> dead;  // of killed processes: they close nothing
  bool gives_back = true;
  std::vector<std::weak_ptr<SharedOpening>> openings;
};

/// What an opening and its consumers share.
struct SharedOpening {
  std::atomic<bool> closed{false};
  std::atomic<int> unavailable{0};  // so many calls fail, because the server was restarted

  void check() {
    if (closed) throw Error(ErrorCode::stopped, "the shared store is closed");
    if (is_unavailable()) throw Error(ErrorCode::store_unavailable, "the server is restarted");
  }
  bool is_unavailable() {
    int left = unavailable;
    while (left > 0 && !unavailable.compare_exchange_weak(left, left - 1)) continue;
    return left > 0;
  }
};

class SharedConsumer final : public ForwardingConsumer {
 public:
  SharedConsumer(std::shared_ptr<StoreConsumer> real, std::shared_ptr<SharedOpening> opening)
      : ForwardingConsumer(std::move(real)), opening_(std::move(opening)) {}

  FetchResult fetch(std::size_t max) override {
    check_open();
    return real_->fetch(max);
  }
  SettleResult settle(std::span<const Settlement> settlements) override {
    check_open();
    return real_->settle(settlements);
  }
  bool renew() override {
    check_open();
    return real_->renew();
  }
  void keep_note(std::string_view note) override {
    check_open();
    real_->keep_note(note);
  }
  std::string note() override {
    check_open();
    return real_->note();
  }

 private:
  void check_open() const { opening_->check(); }

  const std::shared_ptr<SharedOpening> opening_;
};

class SharedStore final : public ForwardingStore {
 public:
  explicit SharedStore(std::shared_ptr<SharedPlace> place)
      : ForwardingStore(place->store), place_(std::move(place)) {
    const std::lock_guard lock(place_->mutex);
    writer_ = ++place_->last_writer;
    place_->openings.push_back(opening_);
  }
  ~SharedStore() override { SharedStore::close(); }

  StoreInfo info() const override {
    StoreInfo info = real_->info();
    info.durability = Durability::process_crash;
    return info;
  }
  StoreFeatures features() const noexcept override {
    StoreFeatures features = real_->features();
    features.persistent = true;
    features.shared = true;
    return features;
  }
  std::uint64_t writer() const noexcept override { return writer_; }
  using Store::append;
  void append(AppendRequest& request) noexcept override {
    if (opening_->closed) {
      for (AppendResult& result : request.results()) {
        result.answer = Appended::not_stored;
        result.error = "the shared store is closed";
      }
      return request.done();
    }
    const bool is_lost = opening_->is_unavailable();
    {
      const std::lock_guard lock(place_->mutex);
      InnerRequest inner(request);
      real_->append(inner);
      for (const AppendResult& result : request.results()) {
        if (result.ok()) place_->writers.try_emplace(result.sequence, writer_);
      }
    }
    for (AppendResult& result : request.results()) {
      if (is_lost) result = {.error = "the server is restarted, and the answer is lost"};
    }
    request.done();
  }
  StorePage read(const StoreQuery& query) override {
    check_open();
    StoreQuery of_all = query;
    of_all.not_by.reset();
    StorePage page = real_->read(of_all);
    const std::lock_guard lock(place_->mutex);
    for (StoredEvent& one : page.events) name_writer(one);
    std::erase_if(page.events, [&](const StoredEvent& one) { return query.not_by == one.writer; });
    return page;
  }
  std::optional<StoredEvent> find(const EventId& id) override {
    check_open();
    std::optional<StoredEvent> found = real_->find(id);
    const std::lock_guard lock(place_->mutex);
    if (found) name_writer(*found);
    return found;
  }
  std::optional<StoredStatus> status(const EventId& id) override {
    check_open();
    return real_->status(id);
  }
  std::unique_ptr<StoreConsumer> open(const DurableSpec& spec) override {
    check_open();
    std::shared_ptr<StoreConsumer> real = real_->open(spec);
    const std::lock_guard lock(place_->mutex);
    consumers_.push_back(real);
    return std::make_unique<SharedConsumer>(std::move(real), opening_);
  }
  bool remove(std::string_view durable) override {
    check_open();
    return real_->remove(durable);
  }
  std::vector<DurableInfo> durables() override {
    check_open();
    return real_->durables();
  }
  std::size_t replay(std::string_view durable, std::span<const std::uint64_t> sequences) override {
    check_open();
    return real_->replay(durable, sequences);
  }
  StoreStats stats() override {
    check_open();
    return real_->stats();
  }
  Watch watch(std::function<void(StoreNews)> news) override {
    check_open();
    return real_->watch(std::move(news));
  }
  TrimResult trim(const Retention& retention) override {
    check_open();
    return real_->trim(retention);
  }
  std::vector<std::string> check() override {
    check_open();
    return real_->check();
  }
  void backup(const std::string& path) override {
    check_open();
    real_->backup(path);
  }
  void vacuum() override {
    check_open();
    real_->vacuum();
  }
  StoreCensus census() override {
    check_open();
    return real_->census();
  }
  std::vector<StoredLetter> dead_letters(const StoredLetterQuery& query) override {
    check_open();
    return real_->dead_letters(query);
  }
  std::size_t redrive(const StoredLetterQuery& query) override {
    check_open();
    return real_->redrive(query);
  }
  std::size_t purge(const StoredLetterQuery& query) override {
    check_open();
    return real_->purge(query);
  }
  void close() noexcept override {
    if (opening_->closed.exchange(true)) return;
    const std::lock_guard lock(place_->mutex);
    if (!place_->gives_back) return;
    for (const std::weak_ptr<StoreConsumer>& one : consumers_) {
      if (const auto open = one.lock()) open->close();
    }
  }

 private:
  void check_open() const { opening_->check(); }
  void name_writer(StoredEvent& one) const {
    const auto known = place_->writers.find(one.sequence);
    if (known != place_->writers.end()) one.writer = known->second;
  }

  const std::shared_ptr<SharedPlace> place_;
  const std::shared_ptr<SharedOpening> opening_ = std::make_shared<SharedOpening>();
  std::uint64_t writer_ = 0;
  std::vector<std::weak_ptr<StoreConsumer>> consumers_;  // guarded by the place's mutex
};

class SharedHarness final : public StoreHarness {
 public:
  std::string_view name() const override { return "shared"; }
  void fresh() override { place_ = nullptr; }
  std::shared_ptr<Store> open(const StoreOptions& options) override {
    if (!place_) {
      StoreOptions with_clock = options;
      with_clock.clock = clock_;
      place_ = std::make_shared<SharedPlace>();
      place_->store = make_memory_store(with_clock);
      place_->gives_back = gives_back;
    }
    return std::make_shared<SharedStore>(place_);
  }
  void restart() override {
    if (!place_) return;
    const std::lock_guard lock(place_->mutex);
    for (const std::weak_ptr<SharedOpening>& one : place_->openings) {
      if (const auto opening = one.lock()) opening->unavailable = 2;
    }
  }
  bool can_kill() const override { return true; }
  void kill_holder(const DurableSpec& spec, std::size_t count) override {
    std::shared_ptr<StoreConsumer> consumer = place_->store->open(spec);
    while (count > 0) {
      const std::size_t got = consumer->fetch(count).deliveries.size();
      if (got == 0) throw std::runtime_error("there are not so many to be held");
      count -= got;
    }
    place_->dead.push_back(std::move(consumer));
  }
  std::shared_ptr<ManualClock> clock() const override { return clock_; }
  double scale() const override { return 0.2; }

  bool gives_back = true;  ///< what is leased, when an opening is closed

 private:
  const std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>();
  std::shared_ptr<SharedPlace> place_;
};

}  // namespace busway::testing
