// tests/store/broken_store.hpp -- a memory store that breaks one promise, for tests of the suite.
#pragma once

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "busway/event_record.hpp"
#include "busway/memory_store.hpp"
#include "busway/testing/store_conformance.hpp"
#include "forwarding_store.hpp"

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

class BrokenConsumer final : public ForwardingConsumer {
 public:
  BrokenConsumer(std::unique_ptr<StoreConsumer> real, Defect defect)
      : ForwardingConsumer(std::move(real)), defect_(defect) {}

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
    if (defect_ == Defect::takes_the_stale) result.accepted += std::exchange(result.stale, 0);
    return result;
  }

 private:
  const Defect defect_;
  std::optional<Leased> last_;
};

class BrokenStore final : public ForwardingStore {
 public:
  BrokenStore(std::shared_ptr<Store> real, Defect defect)
      : ForwardingStore(std::move(real)), defect_(defect) {}

  using Store::append;
  void append(AppendRequest& request) noexcept override {
    InnerRequest inner(request);
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
  std::unique_ptr<StoreConsumer> open(const DurableSpec& spec) override {
    return std::make_unique<BrokenConsumer>(real_->open(spec), defect_);
  }
  bool remove(std::string_view durable) override {
    return defect_ == Defect::forgets_to_remove || real_->remove(durable);
  }
  void close() noexcept override {
    if (defect_ != Defect::stays_open) real_->close();
  }

 private:
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
  void use_system_clock() { clock_.reset(); }

 private:
  const Defect defect_;
  std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>();
};

}  // namespace busway::testing
