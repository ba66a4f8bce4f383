#include "busway/upcaster.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <shared_mutex>
#include <string>
#include <utility>

#include "base/escape.hpp"
#include "busway/error.hpp"

namespace busway {
namespace {

class Table {
 public:
  bool add(std::string_view name, std::uint32_t version, Upcaster step) {
    auto shared = std::make_shared<const Upcaster>(std::move(step));
    const std::unique_lock lock(mutex_);
    return steps_.try_emplace(Key(name, version), std::move(shared)).second;
  }

  bool remove(std::string_view name, std::uint32_t version) {
    const std::unique_lock lock(mutex_);
    return steps_.erase(Key(name, version)) != 0;
  }

  std::shared_ptr<const Upcaster> find(std::string_view name, std::uint32_t version) const {
    const std::shared_lock lock(mutex_);
    const auto found = steps_.find(Key(name, version));
    return found == steps_.end() ? nullptr : found->second;
  }

 private:
  using Key = std::pair<std::string, std::uint32_t>;

  mutable std::shared_mutex mutex_;
  std::map<Key, std::shared_ptr<const Upcaster>> steps_;  // guarded by mutex_
};

// Never destroyed: events may be decoded while the process ends.
Table& table() {
  static Table& instance = *new Table;
  return instance;
}

std::string name_step(std::string_view type_name, std::uint32_t from_version) {
  return "upcaster of " + quote(type_name) + " from version " + std::to_string(from_version);
}

}  // namespace

void register_upcaster(std::string_view type_name, std::uint32_t from_version, Upcaster step) {
  if (type_name.empty() || from_version == 0 || step == nullptr) {
    throw Error(ErrorCode::invalid_argument,
                name_step(type_name, from_version) +
                    ": needs a type name, a version of at least 1 and a function");
  }
  if (!table().add(type_name, from_version, std::move(step))) {
    throw Error(ErrorCode::already_exists, name_step(type_name, from_version) +
                                               ": registered already; remove_upcaster() it first");
  }
}

bool remove_upcaster(std::string_view type_name, std::uint32_t from_version) {
  return table().remove(type_name, from_version);
}

Json upcast(std::string_view type_name, Json value, std::uint32_t from_version,
            std::uint32_t to_version) {
  const auto fail = [&](const std::string& why) {
    throw Error(ErrorCode::payload_type, quote(type_name) + " has version " +
                                             std::to_string(from_version) + ", version " +
                                             std::to_string(to_version) + " is wanted, " + why);
  };
  if (from_version > to_version) fail("and busway never converts to an older one");
  for (std::uint32_t version = from_version; version < to_version; ++version) {
    const std::shared_ptr<const Upcaster> step = table().find(type_name, version);
    if (step == nullptr) {
      fail("and no upcaster from version " + std::to_string(version) + " to " +
           std::to_string(version + 1) + " is registered");
    }
    value = (*step)(std::move(value));
  }
  return value;
}

}  // namespace busway
