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
/// So many are looked for at a time, and each so often.
constexpr std::size_t kUnknownAtOnce = 64;
constexpr int kUnknownLooks = 20;

RareHandle rare_of(const std::string& instance_id) {
  RareValues values;
  values[RareText::instance_id] = instance_id;
  return RareHandle(RareFields::make(std::move(values)));
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
  if (follows()) followed_to_ = store_->stats().last_sequence;
  join();
}

StoreLink::~StoreLink() { close(); }

void StoreLink::close() noexcept {
  leave();
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
  if (has_unknown_.load(std::memory_order_relaxed)) set_repeated(event.id(), true);
  RareFields* const rare = EventAccess::rare(event);
  if (rare == nullptr) {
    if (!EventAccess::is_borrowed(event)) detail::acquire(instance_.get());
    EventAccess::borrow_rare(event, instance_.get());
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
    case Appended::stored: {
      // A repeat of one whose fate was not known: it is delivered here and now.
      if (has_unknown_.load(std::memory_order_relaxed)) forget_unknown(event.id());
      return true;
    }
    case Appended::duplicate:
      result.duplicate = true;
      // It was stored at first, and nobody here has had it.
      if (has_unknown_.load(std::memory_order_relaxed)) set_repeated(event.id(), false);
      return false;
    case Appended::not_stored:
      if (has_unknown_.load(std::memory_order_relaxed)) set_repeated(event.id(), false);
      result.code = ErrorCode::not_stored;
      break;
    case Appended::unknown: {
      result.code = ErrorCode::store_unknown;
      (void)forget_unknown(event.id());
      const std::lock_guard lock(unknown_mutex_);
      if (unknown_.size() >= kUnknownMax) unknown_.erase(unknown_.begin());
      unknown_.push_back({.id = event.id()});
      has_unknown_.store(true, std::memory_order_relaxed);
      break;
    }
  }
  if (answer.answer == Appended::unknown) answered(answer, event.id());
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

bool StoreLink::forget_unknown(const EventId& id) {
  const std::lock_guard lock(unknown_mutex_);
  const bool known = std::erase_if(unknown_, [&](const Unknown& one) { return one.id == id; }) != 0;
  has_unknown_.store(!unknown_.empty(), std::memory_order_relaxed);
  return known;
}

/// What was stored after all is delivered; what has not turned up for long was not.
void StoreLink::look_for_unknown() {
  std::vector<EventId> ids;
  {
    const std::lock_guard lock(unknown_mutex_);
    std::erase_if(unknown_, [](const Unknown& one) { return one.looks >= kUnknownLooks; });
    const auto some = static_cast<std::ptrdiff_t>(std::min(unknown_.size(), kUnknownAtOnce));
    for (auto one = unknown_.begin(); one != unknown_.begin() + some; ++one) {
      if (one->repeated) continue;
      ++one->looks;
      ids.push_back(one->id);
    }
    std::rotate(unknown_.begin(), unknown_.begin() + some, unknown_.end());
    has_unknown_.store(!unknown_.empty(), std::memory_order_relaxed);
  }
  for (const EventId& id : ids) {
    const std::optional<StoredEvent> found = store_->find(id);
    if (!found || comes_by_following(*found) || !forget_unknown(id)) continue;
    if (core_.deliver_stored(*found)) continue;
    const std::lock_guard lock(unknown_mutex_);  // once there is room
    unknown_.push_back({.id = id});
    has_unknown_.store(true, std::memory_order_relaxed);
  }
}

/// While it is published once more, what becomes of that says who delivers it.
void StoreLink::set_repeated(const EventId& id, bool repeated) {
  const std::lock_guard lock(unknown_mutex_);
  for (Unknown& one : unknown_) {
    if (one.id == id) one.repeated = repeated;
  }
}

StoreLink::Followed StoreLink::follow() {
  Followed followed;
  // Else it would be read for nothing, again and again.
  if (!core_.has_room_for_stored()) return followed;
  StorePage page;
  try {
    if (has_unknown_.load(std::memory_order_relaxed)) look_for_unknown();
    StoreQuery query{.after = followed_to_, .limit = kFollowPage};
    if (!is_shared()) query.not_by = store_->writer();
    page = store_->read(query);
    for (const StoredEvent& one : page.events) {
      const Writer writer = writer_of(one);
      if (writer == Writer::not_known) return followed;  // once it is
      if (writer == Writer::others) {
        if (!core_.deliver_stored(one)) return followed;  // once there is room
        if (has_unknown_.load(std::memory_order_relaxed)) forget_unknown(one.event.id());
        followed.did = true;
      }
      followed_to_ = one.sequence;
    }
  } catch (const std::exception& error) {
    // The bus may be ending meanwhile.
    const auto* const known = dynamic_cast<const Error*>(&error);
    if (known != nullptr && known->code() == ErrorCode::stopped) return followed;
    const std::array fields{LogField{"reason", error.what()}};
    core_.log(LogLevel::error, "events of other instances cannot be read now", fields);
    return followed;
  }
  followed_to_ = std::max(followed_to_, page.next);
  followed.more = page.more;
  return followed;
}

}  // namespace busway::detail
