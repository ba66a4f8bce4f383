// The default bus, and what BUSWAY_ON declared for it.
#include "busway/default_bus.hpp"

#include <atomic>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "bus/bus_core.hpp"
#include "bus/dispatch.hpp"
#include "busway/error.hpp"
#include "busway/on.hpp"

namespace busway {

struct detail::OnRegistration::Entry {
  std::string handler;
  std::string place;  // FILE:LINE
  OnAttach attach;
  Subscription subscription{};
};

namespace {

using Entry = detail::OnRegistration::Entry;

struct Registry {
  std::atomic<Bus*> current{nullptr};

  // Held while buses are made and handlers subscribed; recursive, as a replay may call a handler
  // that asks for the default bus.
  std::recursive_mutex mutex;
  // Guarded by mutex:
  std::vector<std::shared_ptr<Bus>> kept;  // never destroyed; the last one is current
  bool retired = false;
  std::vector<Entry*> entries;
};

/// Never destroyed: static objects of other files use it until the very end.
Registry& registry() {
  static auto* const made = new Registry;
  return *made;
}

[[nodiscard]] Error with_place(const Error& error, const Entry& entry) {
  return {error.code(), entry.place + ": BUSWAY_ON(" + entry.handler + "): " + error.what()};
}

/// Makes the bus the current one, with all handlers subscribed, or throws and changes nothing.
Bus& adopt(Registry& all, std::shared_ptr<Bus> bus) {
  std::vector<Subscription> made;
  made.reserve(all.entries.size());
  for (const Entry* entry : all.entries) {
    try {
      made.push_back(entry->attach(*bus));
    } catch (const Error& error) {
      throw with_place(error, *entry);
    }
  }
  Bus& current = *bus;
  all.kept.push_back(std::move(bus));
  for (std::size_t i = 0; i < made.size(); ++i) all.entries[i]->subscription = std::move(made[i]);
  all.retired = false;
  all.current.store(&current, std::memory_order_release);
  return current;
}

}  // namespace

Bus& default_bus() {
  Registry& all = registry();
  if (Bus* bus = all.current.load(std::memory_order_acquire)) return *bus;
  const std::lock_guard lock(all.mutex);
  if (Bus* bus = all.current.load(std::memory_order_relaxed)) return *bus;
  return adopt(all, std::make_shared<Bus>());
}

void set_default_bus(std::shared_ptr<Bus> bus) {
  if (bus == nullptr) {
    throw Error(ErrorCode::invalid_argument,
                "set_default_bus() got no bus; give it one that is alive");
  }
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  if (bus.get() == all.current.load(std::memory_order_relaxed)) return;
  if (!all.kept.empty() && !all.retired) {
    throw Error(ErrorCode::already_exists,
                "the program already uses a default bus, made by default_bus() or by an earlier "
                "initialize() that has "
                "not stopped; set it before anything uses it");
  }
  adopt(all, std::move(bus));
}

void detail::retire_default_bus(const Bus& bus) noexcept {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  if (all.current.load(std::memory_order_relaxed) == &bus) all.retired = true;
}

namespace detail {

OnRegistration::OnRegistration(const char* handler, const char* file, int line,
                               OnAttach attach) noexcept
    : entry_(
          new Entry{handler, std::string(file) + ':' + std::to_string(line), std::move(attach)}) {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  all.entries.push_back(entry_);
  Bus* bus = all.current.load(std::memory_order_relaxed);
  if (bus == nullptr) return;
  try {
    entry_->subscription = entry_->attach(*bus);
  } catch (const Error& error) {
    Dispatch::core_of(*bus).log(LogLevel::error, with_place(error, *entry_).what(), {});
  }
}

OnRegistration::~OnRegistration() {
  {
    Registry& all = registry();
    const std::lock_guard lock(all.mutex);
    std::erase(all.entries, entry_);
  }
  delete entry_;  // without the lock: it waits for the running calls of its handler
}

}  // namespace detail
}  // namespace busway
