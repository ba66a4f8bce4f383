// busway/on.hpp -- BUSWAY_ON: subscribes a function of this file to the default bus.
// Layer: bus
//
// Model      BUSWAY_ON(on_user, "user.registered") after void on_user(const Event& event) {...}, or
//            BUSWAY_ON(on_order, {"order.*", "invoice.*"}, {.mode = Mode::async}). It only notes
//            the handler, which is subscribed when default_bus() is first used or set: no bus is
//            made by a file that is merely linked in, and the options of initialize() count. In a
//            file of a plugin BUSWAY_ON is busway/plugin.hpp's, which subscribes to the plugin.
// Threads    Runs before main(), or when the library that holds it is opened.
// Ownership  The subscription lasts as long as the program or library: closing the library ends it.
// Errors     A bad pattern or option is thrown by default_bus() or set_default_bus(), with file,
//            line and handler; when the bus exists already (a library opened later) it is an error
//            in the bus's log.
// Cost       One registration at the start.
// Example    tests/bus/default_bus_test.cpp
#pragma once

#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "busway/bus.hpp"

namespace busway::detail {

/// Patterns that are kept until there is a bus.
class OnPatterns {
 public:
  OnPatterns(const char* one) : texts_{one} {}                    // NOLINT(*-explicit-*)
  OnPatterns(std::string_view one) : texts_{std::string(one)} {}  // NOLINT(*-explicit-*)
  OnPatterns(const Pattern& one) : texts_{to_string(one)} {}      // NOLINT(*-explicit-*)
  OnPatterns(std::initializer_list<std::string_view> several)
      : texts_(several.begin(), several.end()) {}

  [[nodiscard]] const std::vector<std::string>& texts() const noexcept { return texts_; }

 private:
  std::vector<std::string> texts_;
};

using OnAttach = std::function<Subscription(Bus&)>;

template <class Handler>
[[nodiscard]] OnAttach on(Handler handler, OnPatterns patterns, SubscriptionOptions options = {}) {
  return [handler = std::move(handler), patterns = std::move(patterns),
          options = std::move(options)](Bus& bus) {
    return bus.subscribe(patterns.texts(), handler, options);
  };
}

class OnRegistration {
 public:
  OnRegistration(const char* handler, const char* file, int line, OnAttach attach) noexcept;
  OnRegistration(const OnRegistration&) = delete;
  OnRegistration& operator=(const OnRegistration&) = delete;
  ~OnRegistration();

  struct Entry;

 private:
  Entry* entry_;
};

}  // namespace busway::detail

#if defined(BUSWAY_ON)
// busway/plugin.hpp came before: in a plugin's file BUSWAY_ON subscribes to the plugin.
#elif defined(BUSWAY_PLUGIN_ID)
#define BUSWAY_ON(handler, ...)                                        \
  static_assert(sizeof(#handler) == 0,                                 \
                "BUSWAY_ON in a plugin is that of busway/plugin.hpp, " \
                "which subscribes to the plugin; include that header");
#else
#define BUSWAY_DETAIL_ON_JOIN(a, b) a##b
#define BUSWAY_DETAIL_ON_NAME(number) BUSWAY_DETAIL_ON_JOIN(busway_on_, number)

/// BUSWAY_ON(handler, pattern or {patterns} [, options]), at namespace scope.
#define BUSWAY_ON(handler, ...)                                                  \
  namespace {                                                                    \
  const ::busway::detail::OnRegistration BUSWAY_DETAIL_ON_NAME(__COUNTER__)(     \
      #handler, __FILE__, __LINE__, ::busway::detail::on(handler, __VA_ARGS__)); \
  }
#endif
