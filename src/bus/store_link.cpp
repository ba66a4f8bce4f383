#include "bus/store_link.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <utility>

#include "base/escape.hpp"
#include "bus/bus_core.hpp"
#include "event/rare_fields.hpp"

namespace busway::detail {
namespace {

/// Events of others that are read at once.
constexpr std::size_t kFollowPage = 256;
/// Ids of unknown fate that are remembered.
constexpr std::size_t kUnknownMax = 65'536;

RareFields* rare_of(const std::string& instance_id) {
  RareValues values;
  values[RareText::instance_id] = instance_id;
  return RareFields::make(std::move(values));
}

}  // namespace

void PendingAppend::done() noexcept {
  // Under the lock: whoever waits may destroy this as soon as it sees the answer.
  const std::lock_guard lock(mutex_);
  is_done_ = true;
  answered_.notify_all();
}

bool PendingAppend::wait(std::chrono::steady_clock::time_point deadline) const {
  std::unique_lock lock(mutex_);
  const auto is_done = [this] { return is_done_; };
  if (deadline == std::chrono::steady_clock::time_point::max()) {
    answered_.wait(lock, is_done);
    return true;
  }
  return answered_.wait_until(lock, deadline, is_done);
}

StoreLink::StoreLink(BusCore& core, std::shared_ptr<Store> store, Whose whose,
                     std::vector<Pattern> keep)
    : core_(core),
      store_(std::move(store)),
      whose_(whose),
      instance_(rare_of(core.options().instance_id)),
      keep_(std::move(keep)),
      follows_(store_->features().shared),
      feeds_(core, *this) {
  if (follows_) followed_to_ = store_->stats().last_sequence;
}

void StoreLink::begin() {
  if (follows_) feeds_.begin();
}

StoreLink::~StoreLink() {
  close();
  detail::release(instance_);
}

void StoreLink::close() noexcept {
  feeds_.end();
  if (whose_ == Whose::mine) store_->close();
}

bool StoreLink::keeps_any() const {
  const std::lock_guard lock(keep_mutex_);
  return !keep_.empty();
}

bool StoreLink::keeps_all() const {
  const std::lock_guard lock(keep_mutex_);
  return std::find(keep_.begin(), keep_.end(), Pattern::glob("*")) != keep_.end();
}

bool StoreLink::keeps(TopicEntry& entry) {
  const std::uint32_t version = keep_version_.load(std::memory_order_acquire);
  const std::uint32_t known = entry.kept.load(std::memory_order_relaxed);
  if (known >> 1U == version) [[likely]]
    return (known & 1U) != 0;
  const bool kept = keeps_topic(entry.text->view());
  entry.kept.store(version << 1U | (kept ? 1U : 0U), std::memory_order_relaxed);
  return kept;
}

bool StoreLink::keeps_topic(std::string_view topic) const {
  const std::lock_guard lock(keep_mutex_);
  return std::any_of(keep_.begin(), keep_.end(),
                     [topic](const Pattern& pattern) { return pattern.matches(topic); });
}

void StoreLink::keep_also(const std::vector<Pattern>& patterns) {
  const std::lock_guard lock(keep_mutex_);
  for (const Pattern& pattern : patterns) {
    if (std::find(keep_.begin(), keep_.end(), pattern) == keep_.end()) keep_.push_back(pattern);
  }
  keep_version_.fetch_add(1, std::memory_order_acq_rel);
}

void StoreLink::stamp(Event& event) {
  RareFields* const rare = EventAccess::rare(event);
  if (rare == nullptr) {
    if (!EventAccess::is_borrowed(event)) detail::acquire(instance_);
    EventAccess::borrow_rare(event, instance_);
    return;
  }
  if (!rare->text(RareText::instance_id).empty()) return;
  RareValues values;
  for (std::size_t i = 0; i < kRareTexts; ++i)
    values.texts[i] = rare->text(static_cast<RareText>(i));
  values[RareText::instance_id] = core_.options().instance_id;
  values.metadata = rare->metadata;
  values.extensions = rare->extensions;
  RareFields* const with = RareFields::make(std::move(values));
  if (EventAccess::is_borrowed(event)) EventAccess::own(event);  // there is nobody to keep `with`
  EventAccess::adopt_rare(event, with);
}

bool StoreLink::accept(const AppendResult& answer, const Event& event, PublishResult& result) {
  result.id = event.id();
  switch (answer.answer) {
    case Appended::stored: return true;
    case Appended::duplicate: result.duplicate = true; return false;
    case Appended::not_stored: result.code = ErrorCode::not_stored; break;
    case Appended::unknown: {
      result.code = ErrorCode::store_unknown;
      const std::lock_guard lock(unknown_mutex_);
      if (unknown_.size() >= kUnknownMax) unknown_.erase(unknown_.begin());
      unknown_.push_back(event.id());
      break;
    }
  }
  std::string reason(explain(result.code));
  if (!answer.error.empty()) reason += ": " + answer.error;
  const std::array fields{LogField{"topic", event.topic()}, LogField{"reason", answer.error}};
  core_.log(LogLevel::error,
            result.code == ErrorCode::not_stored
                ? "an event was not stored and was not delivered"
                : "it is not known whether an event was stored; it was not delivered",
            fields);
  result.failures.push_back({0, "store", result.code, std::move(reason)});
  return false;
}

bool StoreLink::follow() {
  std::vector<EventId> unknown;
  {
    const std::lock_guard lock(unknown_mutex_);
    unknown = unknown_;
  }
  StoreQuery query{.after = followed_to_, .limit = kFollowPage};
  // Our own are read only while some may be among them that nobody here has seen.
  if (unknown.empty()) query.not_by = store_->writer();
  StorePage page;
  try {
    page = store_->read(query);
  } catch (const std::exception& error) {
    const auto* const known = dynamic_cast<const Error*>(&error);
    if (known != nullptr && known->code() == ErrorCode::stopped) return false;
    const std::array fields{LogField{"reason", error.what()}};
    core_.log(LogLevel::error, "events of other instances cannot be read now", fields);
    return false;
  }
  for (const StoredEvent& one : page.events) {
    if (one.writer == store_->writer()) {
      const std::lock_guard lock(unknown_mutex_);
      if (std::erase(unknown_, one.event.id()) == 0) {
        followed_to_ = one.sequence;
        continue;
      }
    }
    if (!core_.deliver_stored(one.event)) return true;  // once there is room
    followed_to_ = one.sequence;
  }
  followed_to_ = std::max(followed_to_, page.next);
  return page.more;
}

}  // namespace busway::detail
