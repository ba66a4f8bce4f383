#include "busway/store_provider.hpp"

#include <algorithm>
#include <array>
#include <mutex>
#include <utility>
#include <vector>

#include "base/escape.hpp"
#include "busway/error.hpp"
#include "busway/memory_store.hpp"

namespace busway {
namespace {

constexpr std::string_view kForms =
    "memory:, sqlite:PATH, redis://HOST:PORT/DB, nats://HOST:PORT or postgres://HOST/DATABASE";
/// Providers that are components of their own.
constexpr std::array<std::string_view, 5> kComponents{"sqlite", "redis", "nats", "postgres",
                                                      "postgresql"};

std::shared_ptr<Store> open_memory(std::string_view address, const StoreOptions& options) {
  if (address != "memory:") {
    throw Error(ErrorCode::invalid_option,
                "store " + quote(address, 200) + ": nothing follows memory:");
  }
  return make_memory_store(options);
}

struct Registry {
  std::mutex mutex;
  std::vector<std::pair<std::string, StoreFactory>> factories{{"memory", &open_memory}};
};

/// Components register themselves before main() begins.
Registry& registry() {
  static Registry& one = *new Registry;
  return one;
}

/// With the lock.
StoreFactory find(const Registry& all, std::string_view scheme) {
  const auto found = std::find_if(all.factories.begin(), all.factories.end(),
                                  [&](const auto& one) { return one.first == scheme; });
  return found == all.factories.end() ? StoreFactory() : found->second;
}

StoreFactory find(std::string_view scheme) {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  return find(all, scheme);
}

}  // namespace

std::shared_ptr<Store> open_store(std::string_view address, const StoreOptions& options) {
  const std::size_t colon = address.find(':');
  const std::string_view scheme = address.substr(0, colon);
  if (colon == std::string_view::npos) {
    throw Error(ErrorCode::invalid_option,
                "store " + quote(address, 80) + " is no address; write " + std::string(kForms));
  }
  if (const StoreFactory factory = find(scheme)) return factory(address, options);
  if (std::find(kComponents.begin(), kComponents.end(), scheme) != kComponents.end()) {
    const std::string name(scheme == "postgresql" ? "postgres" : scheme);
    throw Error(ErrorCode::not_yet, "the store " + name +
                                        ": is not in this program; it comes with the component "
                                        "busway::" +
                                        name + ", if this version has it");
  }
  throw Error(
      ErrorCode::invalid_option,
      "store: " + quote(scheme, 60) + " is no provider; an address is " + std::string(kForms));
}

void register_store(std::string scheme, StoreFactory factory) {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  if (find(all, scheme)) {
    throw Error(ErrorCode::already_exists,
                "register_store: there is a provider for " + quote(scheme, 60) + " already");
  }
  all.factories.emplace_back(std::move(scheme), std::move(factory));
}

bool store_is_known(std::string_view scheme) { return static_cast<bool>(find(scheme)); }

}  // namespace busway
