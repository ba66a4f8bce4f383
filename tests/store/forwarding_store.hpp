// tests/store/forwarding_store.hpp -- a store that hands each call on, for those that change some.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "busway/store.hpp"

namespace busway::testing {

class ForwardingConsumer : public StoreConsumer {
 public:
  explicit ForwardingConsumer(std::shared_ptr<StoreConsumer> real) : real_(std::move(real)) {}

  FetchResult fetch(std::size_t max) override { return real_->fetch(max); }
  SettleResult settle(std::span<const Settlement> settlements) override {
    return real_->settle(settlements);
  }
  bool renew() override { return real_->renew(); }
  void keep_note(std::string_view note) override { real_->keep_note(note); }
  std::string note() override { return real_->note(); }
  void close() noexcept override { real_->close(); }

 protected:
  const std::shared_ptr<StoreConsumer> real_;
};

class ForwardingStore : public Store {
 public:
  explicit ForwardingStore(std::shared_ptr<Store> real) : real_(std::move(real)) {}

  StoreInfo info() const override { return real_->info(); }
  StoreFeatures features() const noexcept override { return real_->features(); }
  StoreStats stats() override { return real_->stats(); }
  StoreCensus census() override { return real_->census(); }
  std::uint64_t writer() const noexcept override { return real_->writer(); }
  using Store::append;
  void append(AppendRequest& request) noexcept override { real_->append(request); }
  StorePage read(const StoreQuery& query) override { return real_->read(query); }
  std::optional<StoredEvent> find(const EventId& id) override { return real_->find(id); }
  std::optional<StoredStatus> status(const EventId& id) override { return real_->status(id); }
  Watch watch(std::function<void(StoreNews)> news) override {
    return real_->watch(std::move(news));
  }
  std::unique_ptr<StoreConsumer> open(const DurableSpec& spec) override {
    return real_->open(spec);
  }
  bool remove(std::string_view durable) override { return real_->remove(durable); }
  std::vector<DurableInfo> durables() override { return real_->durables(); }
  std::size_t replay(std::string_view durable, std::span<const std::uint64_t> sequences) override {
    return real_->replay(durable, sequences);
  }
  std::vector<StoredLetter> dead_letters(const StoredLetterQuery& query) override {
    return real_->dead_letters(query);
  }
  std::size_t redrive(const StoredLetterQuery& query) override { return real_->redrive(query); }
  std::size_t purge(const StoredLetterQuery& query) override { return real_->purge(query); }
  TrimResult trim(const Retention& retention) override { return real_->trim(retention); }
  std::vector<std::string> check() override { return real_->check(); }
  void backup(const std::string& path) override { real_->backup(path); }
  void vacuum() override { real_->vacuum(); }
  void close() noexcept override { real_->close(); }

 protected:
  const std::shared_ptr<Store> real_;
};

/// Into the results of another request, inside the call, as the memory store answers.
struct InnerRequest final : AppendRequest {
  explicit InnerRequest(const AppendRequest& outer)
      : AppendRequest(outer.events(), outer.results()) {}
  void done() noexcept override {}
};

}  // namespace busway::testing
