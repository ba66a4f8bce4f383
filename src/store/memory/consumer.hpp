// store/memory/consumer.hpp -- one opening of a durable name of a memory store.
// Layer: store
//
// Model      A token in the state that it shares with the store.
// Threads    [any-thread]
// Ownership  Shares the state: may outlive the store.
// Errors     As StoreConsumer.
// Cost       One lock a call.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>

#include "busway/store_consumer.hpp"
#include "store/memory/state.hpp"

namespace busway::store_detail {

class MemoryConsumer final : public StoreConsumer {
 public:
  MemoryConsumer(std::shared_ptr<MemoryState> state, MemoryState::Name name,
                 MemoryDurable::Token token);
  ~MemoryConsumer() override;

  FetchResult fetch(std::size_t max) override;
  SettleResult settle(std::span<const Settlement> settlements) override;
  FetchResult settle_and_fetch(std::span<const Settlement> settlements, std::size_t max,
                               SettleResult& settled) override;
  bool renew() override;
  void keep_note(std::string_view note) override;
  std::string note() override;
  void close() noexcept override;

 private:
  void check_usable() const;
  [[nodiscard]] SettleResult settle_locked(std::span<const Settlement> settlements);

  const std::shared_ptr<MemoryState> state_;
  const MemoryState::Name name_;
  const MemoryDurable::Token token_;
  bool closed_ = false;  // guarded by the state's mutex
};

}  // namespace busway::store_detail
