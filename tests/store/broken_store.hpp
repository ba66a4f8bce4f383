// tests/store/broken_store.hpp -- a memory store that breaks one promise, for tests of the suite.
#pragma once

#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "busway/event_record.hpp"
#include "busway/memory_store.hpp"
#include "busway/testing/store_conformance.hpp"

namespace busway::testing {

enum class Defect : unsigned char {
  none,
  no_dedupe,
  forgets_metadata,
  gives_twice,
  counts_no_attempts,
  takes_the_stale,
  forgets_to_remove,
  pages_overlap,
  stays_open
};

class BrokenConsumer final : public StoreConsumer {
 public:
  BrokenConsumer(std::unique_ptr<StoreConsumer> real, Defect defect)
      : real_(std::move(real)), defect_(defect) {}

  FetchResult fetch(std::size_t max) override {
    FetchResult result = real_->fetch(max);
    for (Leased& one : result.deliveries) {
      if (defect_ == Defect::counts_no_attempts) one.attempt = 1;
      if (defect_ == Defect::gives_twice) last_ = one;
      if (defect_ == Defect::forgets_metadata) {
        RecordScratch scratch;
        EventRecord record = record_of(one.event, scratch);
        record.metadata = {};
        one.event = event_of(record);
      }
    }
    if (result.deliveries.empty() && last_ && max > 0) {
      result.deliveries.push_back(*std::exchange(last_, std::nullopt));
    }
    return result;
  }
  SettleResult settle(std::span<const Settlement> settlements) override {
    SettleResult result = real_->settle(settlements);
    if (defect_ == Defect::takes_the_stale) {
      result.accepted += std::exchange(result.stale, 0);
    }
    return result;
  }
  bool renew() override { return real_->renew(); }
  void keep_note(std::string_view note) override { real_->keep_note(note); }
  std::string note() override { return real_->note(); }
  void close() noexcept override { real_->close(); }

 private:
  const std::unique_ptr<StoreConsumer> real_;
  const Defect defect_;
  std::optional<Leased> last_;
};

class BrokenStore final : public Store {
 public:
  BrokenStore(std::shared_ptr<Store> real, Defect defect)
      : real_(std::move(real)), defect_(defect) {}

  StoreInfo info() const override { return real_->info(); }
  StoreFeatures features() const noexcept override { return real_->features(); }
  StoreStats stats() override { return real_->stats(); }
  std::uint64_t writer() const noexcept override { return real_->writer(); }
  using Store::append;
  void append(AppendRequest& request) noexcept override {
    Inner inner(request);
    real_->append(inner);
    if (defect_ == Defect::no_dedupe) {
      for (AppendResult& result : request.results()) {
        if (result.ok()) result.answer = Appended::stored;
      }
    }
    request.done();
  }
  StorePage read(const StoreQuery& query) override {
    StorePage page = real_->read(query);
    if (defect_ == Defect::pages_overlap && page.more && page.events.size() > 1) {
      page.next = page.events[page.events.size() - 2].sequence;
    }
    return page;
  }
  std::optional<StoredEvent> find(const EventId& id) override { return real_->find(id); }
  std::optional<StoredStatus> status(const EventId& id) override { return real_->status(id); }
  Watch watch(std::function<void()> news) override { return real_->watch(std::move(news)); }
  std::unique_ptr<StoreConsumer> open(const DurableSpec& spec) override {
    return std::make_unique<BrokenConsumer>(real_->open(spec), defect_);
  }
  bool remove(std::string_view durable) override {
    if (defect_ == Defect::forgets_to_remove) return true;
    return real_->remove(durable);
  }
  std::vector<DurableInfo> durables() override { return real_->durables(); }
  std::vector<StoredLetter> dead_letters(const StoredLetterQuery& query) override {
    return real_->dead_letters(query);
  }
  std::size_t redrive(const StoredLetterQuery& query) override { return real_->redrive(query); }
  std::size_t purge(const StoredLetterQuery& query) override { return real_->purge(query); }
  TrimResult trim(const Retention& retention) override { return real_->trim(retention); }
  std::vector<std::string> check() override { return real_->check(); }
  void backup(const std::string& path) override { real_->backup(path); }
  void vacuum() override { real_->vacuum(); }
  void close() noexcept override {
    if (defect_ != Defect::stays_open) real_->close();
  }

 private:
  /// Answers into the same results, inside the call, as the memory store does.
  struct Inner final : AppendRequest {
    explicit Inner(const AppendRequest& outer) : AppendRequest(outer.events(), outer.results()) {}
    void done() noexcept override {}
  };

  const std::shared_ptr<Store> real_;
  const Defect defect_;
};

class BrokenHarness final : public StoreHarness {
 public:
  explicit BrokenHarness(Defect defect) : defect_(defect) {}

  std::string_view name() const override { return "broken"; }
  void fresh() override {}
  std::shared_ptr<Store> open(const StoreOptions& options) override {
    StoreOptions with_clock = options;
    with_clock.clock = clock_;
    return std::make_shared<BrokenStore>(make_memory_store(with_clock), defect_);
  }
  std::shared_ptr<ManualClock> clock() const override { return clock_; }
  double scale() const override { return 0.05; }
  std::chrono::nanoseconds short_lease() const override { return std::chrono::milliseconds(100); }
  void use_system_clock() { clock_.reset(); }

 private:
  const Defect defect_;
  std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>();
};

}  // namespace busway::testing
