#include "store/memory/consumer.hpp"

#include <utility>

#include "busway/error.hpp"
#include "busway/limits.hpp"

namespace busway::store_detail {

MemoryConsumer::MemoryConsumer(std::shared_ptr<MemoryState> state, MemoryState::Name name,
                               MemoryDurable::Token token)
    : state_(std::move(state)), name_(std::move(name)), token_(token) {}

MemoryConsumer::~MemoryConsumer() { MemoryConsumer::close(); }

void MemoryConsumer::check_usable() const {
  state_->check_open();
  if (closed_) {
    throw Error(ErrorCode::stopped, "durable " + name_->name() + ": this opening is closed");
  }
  if (name_->removed) {
    throw Error(ErrorCode::not_found, "durable " + name_->name() + ": it was removed");
  }
}

SettleResult MemoryConsumer::settle_locked(std::span<const Settlement> settlements) {
  const SettleResult result = name_->settle(token_, settlements, state_->letters, state_->now());
  state_->counts.settled += result.accepted;
  state_->counts.stale += result.stale;
  return result;
}

FetchResult MemoryConsumer::fetch(std::size_t max) {
  const std::lock_guard lock(state_->mutex);
  check_usable();
  return name_->fetch(token_, max, state_->log, state_->now());
}

SettleResult MemoryConsumer::settle(std::span<const Settlement> settlements) {
  SettleResult result;
  {
    const std::lock_guard lock(state_->mutex);
    check_usable();
    result = settle_locked(settlements);
  }
  if (result.accepted > 0) state_->watches.tell();
  return result;
}

FetchResult MemoryConsumer::settle_and_fetch(std::span<const Settlement> settlements,
                                             std::size_t max, SettleResult& settled) {
  FetchResult result;
  {
    const std::lock_guard lock(state_->mutex);
    check_usable();
    settled = settle_locked(settlements);
    result = name_->fetch(token_, max, state_->log, state_->now());
  }
  if (settled.accepted > 0) state_->watches.tell();
  return result;
}

bool MemoryConsumer::renew() {
  const std::lock_guard lock(state_->mutex);
  check_usable();
  return name_->renew(token_, state_->now());
}

void MemoryConsumer::keep_note(std::string_view note) {
  if (note.size() > limits::kDurableNoteBytesMax) {
    throw Error(ErrorCode::invalid_argument, "durable " + name_->name() + ": a note of " +
                                                 std::to_string(note.size()) + " bytes; at most " +
                                                 std::to_string(limits::kDurableNoteBytesMax) +
                                                 " are kept");
  }
  const std::lock_guard lock(state_->mutex);
  check_usable();
  name_->note = note;
}

std::string MemoryConsumer::note() {
  const std::lock_guard lock(state_->mutex);
  check_usable();
  return name_->note;
}

void MemoryConsumer::close() noexcept {
  {
    const std::lock_guard lock(state_->mutex);
    if (std::exchange(closed_, true)) return;
    name_->leave(token_, state_->now());
  }
  state_->watches.tell();
}

}  // namespace busway::store_detail
