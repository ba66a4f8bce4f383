#include "bus/bus_core.hpp"

#include <algorithm>
#include <array>
#include <new>
#include <thread>
#include <utility>

#include "base/escape.hpp"
#include "base/nearest.hpp"
#include "bus/strand.hpp"
#include "busway/manual_executor.hpp"
#include "delivery/retry_schedule.hpp"
#include "event/text_field.hpp"
#include "platform/host_name.hpp"

namespace busway::detail {
namespace {

void check_range(std::string_view field, std::uint64_t value, std::uint64_t low, std::uint64_t high,
                 std::string_view unit) {
  if (value >= low && value <= high) return;
  throw Error(ErrorCode::invalid_option,
              "BusOptions: " + std::string(field) + " is " + std::to_string(value) + "; it is " +
                  std::to_string(low) + " to " + std::to_string(high) + std::string(unit));
}

constexpr std::array<std::string_view, 7> kStores{"memory",   "sqlite",     "redis",   "nats",
                                                  "postgres", "postgresql", "database"};

/// Shows no more of an address than its scheme: the rest may hold a password.
void check_store(std::string_view store) {
  if (store == "memory" || store == "memory:") return;
  const std::size_t colon = store.find(':');
  const std::string_view scheme = store.substr(0, colon);
  std::string text = "BusOptions: store is " + quote(scheme);
  if (colon != std::string_view::npos) text += " with an address";
  if (scheme == "memory") {
    throw Error(ErrorCode::invalid_option, text + "; it has none, write \"memory\"");
  }
  if (store_is_known(scheme)) {
    if (colon != std::string_view::npos) return;
    throw Error(ErrorCode::invalid_option,
                text + " without an address; write " + std::string(scheme) + ":... ");
  }
  if (std::find(kStores.begin(), kStores.end(), scheme) != kStores.end()) {
    const std::string_view component =
        scheme == "postgresql" || scheme == "database" ? std::string_view("postgres") : scheme;
    throw Error(ErrorCode::not_yet,
                text.append("; this program does not link the component busway::")
                    .append(component)
                    .append(", if this version has it"));
  }
  if (const std::string_view near = nearest(scheme, kStores); !near.empty()) {
    text += "; did you mean " + quote(near) + '?';
  }
  throw Error(ErrorCode::invalid_option,
              text.append("; it is \"memory\", \"sqlite\", \"redis\", \"nats\" or \"postgres\""));
}

BusOptions checked(BusOptions options) {
  if (options.opened_store == nullptr) check_store(options.store);
  // A number that a cast made an enumerator would be taken for some other one further on.
  check_range("mode", static_cast<unsigned>(options.mode), 0, 1, " (sync, async)");
  check_range("overflow", static_cast<unsigned>(options.overflow), 0, 3,
              " (reject, block, drop_oldest, drop_newest)");
  check_range("wildcards", static_cast<unsigned>(options.wildcards), 0, 1, " (glob, segments)");
  check_range("worker_count", options.worker_count, 0, limits::kWorkersMax,
              " (0: the cores, at least 2)");
  check_range("queue_capacity", options.queue_capacity, 1, limits::kQueueMax, " events");
  check_range("history", options.history, 0, limits::kHistoryMax, " events");
  check_range("dead_letters", options.dead_letters, 0, limits::kDeadLettersMax, " letters");
  check_range("status_events", options.status_events, 0, limits::kStatusEventsMax, " events");
  check_range("max_hops", options.max_hops, 1, limits::kHopsMax, "");
  check_range("max_payload", options.max_payload, 1, limits::kPayloadBytesMax, " bytes");
  check_range("max_abandoned", options.max_abandoned, 1, limits::kAbandonedMax, " calls");
  delivery_detail::check_retry(options.retry, Mode::async, "BusOptions");
  if (options.stuck_after <= std::chrono::nanoseconds::zero()) {
    throw Error(ErrorCode::invalid_option, "BusOptions: stuck_after is " +
                                               std::to_string(options.stuck_after.count()) +
                                               "ns; it is longer than 0");
  }
  require_text_field("BusOptions: instance_id", options.instance_id);
  if (options.instance_id.empty()) options.instance_id = platform_detail::host_name();
  if (options.worker_count == 0) {
    options.worker_count = std::max(2U, std::thread::hardware_concurrency());
  }
  if (options.clock == nullptr) options.clock = Clock::system();
  if (!options.log) options.log = log_to_stderr;
  return options;
}

}  // namespace

BusCore::BusCore(BusOptions options)
    : options_(checked(std::move(options))),
      frames_max_(std::uint32_t{options_.max_hops} * 2 + 16),
      dead_letters_(options_.dead_letters) {
  (void)ended_subscriber();
  by_hand_ = dynamic_cast<ManualExecutor*>(options_.executor.get()) != nullptr;
  manual_clock_ = options_.clock != Clock::system();
  if (manual_clock_ ||
      (!platform_detail::kThreadSanitizer && !platform_detail::heavy_barrier_available())) {
    gate_.fetch_or(kNoShortcut, std::memory_order_relaxed);
  }
  if (options_.status_events != 0) {
    status_ = std::make_unique<StatusBook>(options_.status_events);
    gate_.fetch_or(kTracked, std::memory_order_relaxed);
  }
  if (options_.trace) gate_.fetch_or(kTrace, std::memory_order_relaxed);
  if (!options_.enabled) gate_.fetch_or(kDisabled, std::memory_order_relaxed);
  open_store();
  serial_ = enter_live_buses(this);
  known_at_ = static_cast<std::uint32_t>(serial_ % ThreadLocals::kKnown);
  if (StoreLink* const store = link()) store->begin();
}

BusCore::~BusCore() {
  leave_live_buses(serial_);
  strand_.reset();
  const auto free_all = [this] {
    topics_.for_each([](TopicEntry& entry) {
      if (Route* route = entry.route.load(std::memory_order_relaxed)) Route::destroy(route);
      detail::release(entry.text);
      delete &entry;
    });
  };
  {
    Garbage garbage;
    threads_.clear();
    collect(garbage);
  }
  free_all();
}

void BusCore::log(LogLevel level, std::string_view message,
                  std::span<const LogField> fields) const noexcept {
  try {
    std::vector<std::string> escaped;
    std::vector<LogField> safe;
    escaped.reserve(fields.size());
    for (const LogField& field : fields) {
      escaped.push_back(escape(field.value));
      safe.push_back({field.name, escaped.back()});
    }
    options_.log(level, message, safe);
  } catch (...) {
    // A sink that fails must not take the bus with it.
  }
}

std::int64_t BusCore::wall_ns() const noexcept {
  return options_.clock->wall().time_since_epoch().count();
}

std::chrono::steady_clock::time_point BusCore::steady_now() const noexcept {
  return std::chrono::time_point_cast<std::chrono::steady_clock::duration>(
      options_.clock->steady());
}

delivery_detail::WorkerPool& BusCore::pool() {
  const std::lock_guard lock(pool_mutex_);
  if (pool_ == nullptr) {
    if ((gate_.load(std::memory_order_relaxed) & kClosed) != 0) {
      throw Error(ErrorCode::stopped, "the bus has been destroyed");
    }
    pool_ = std::make_unique<delivery_detail::WorkerPool>(options_.worker_count);
  }
  return *pool_;
}

Executor& BusCore::executor() { return options_.executor != nullptr ? *options_.executor : pool(); }

delivery_detail::Mailbox& BusCore::strand() {
  {
    const std::lock_guard lock(pool_mutex_);
    if (strand_ != nullptr) return strand_->mailbox();
  }
  if (options_.executor == nullptr) (void)pool();
  auto made = std::make_unique<Strand>(*this);
  const std::lock_guard lock(pool_mutex_);
  if (strand_ == nullptr) strand_ = std::move(made);
  return strand_->mailbox();
}

void BusCore::add_filter(std::string name, std::function<bool(const Event&)> predicate) {
  if (name.empty()) throw Error(ErrorCode::invalid_argument, "add_filter: the name is empty");
  if (!predicate)
    throw Error(ErrorCode::invalid_argument, "add_filter: " + quote(name) + " has no predicate");
  const std::lock_guard lock(mutex_);
  auto next = filters_ != nullptr ? std::make_shared<std::vector<BusFilter>>(*filters_)
                                  : std::make_shared<std::vector<BusFilter>>();
  for (const BusFilter& filter : *next) {
    if (filter.name == name) {
      throw Error(ErrorCode::already_exists,
                  "add_filter: the bus has a filter named " + quote(name));
    }
  }
  if (next->size() >= limits::kFiltersMax) {
    throw Error(ErrorCode::too_many, "add_filter: a bus has at most " +
                                         std::to_string(limits::kFiltersMax) + " filters");
  }
  next->push_back({std::move(name), std::move(predicate)});
  filters_ = std::move(next);
  gate_.fetch_or(kFilters, std::memory_order_release);
}

bool BusCore::remove_filter(std::string_view name) {
  std::shared_ptr<const std::vector<BusFilter>> old;  // destroyed without the lock
  const std::lock_guard lock(mutex_);
  if (filters_ == nullptr) return false;
  auto next = std::make_shared<std::vector<BusFilter>>();
  for (const BusFilter& filter : *filters_) {
    if (filter.name != name) next->push_back(filter);
  }
  if (next->size() == filters_->size()) return false;
  old = std::exchange(filters_, next->empty() ? nullptr : std::move(next));
  if (filters_ == nullptr) gate_.fetch_and(~std::uint32_t{kFilters}, std::memory_order_release);
  return true;
}

}  // namespace busway::detail
