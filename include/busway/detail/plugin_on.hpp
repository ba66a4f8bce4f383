// busway/detail/plugin_on.hpp -- BUSWAY_ON within a plugin: subscribes a function beside which it
// stands when the plugin starts.
// Layer: plugin
//
// Model      Each BUSWAY_ON links one note into a list of its library. The start of the plugin
//            subscribes them, those of a file in their order, before the class's own start().
//            Included by busway/plugin.hpp only. The list is hidden, so each library has its own;
//            plugins that are linked into one program share it and tell their notes apart by the
//            target's name.
// Threads    Notes are made while the library is opened, or before main(), and only read later.
// Ownership  Notes own patterns, options and handler; they last as long as the library.
// Errors     What the host refuses fails the start, with file, line and handler.
// Cost       One note each; at the start one subscription each.
// Example    tests/plugin/plugins/on_handlers.cpp
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "busway/plugin.h"
#include "busway/plugin.hpp"

namespace busway::plugin_detail {

class OnNote;
[[gnu::visibility("hidden")]] inline constinit OnNote* first_on_note = nullptr;

class OnNote {
 public:
  OnNote(const char* library, const char* handler, const char* file, int line,
         std::function<void(Plugin&)> attach)
      : library_(library), handler_(handler), file_(file), line_(line), attach_(std::move(attach)) {
    OnNote** last = &first_on_note;
    while (*last != nullptr) last = &(*last)->next_;
    *last = this;
  }
  OnNote(const OnNote&) = delete;
  OnNote& operator=(const OnNote&) = delete;

 private:
  friend void attach_on_notes(Plugin& plugin, std::string_view library);
  void attach(Plugin& plugin) const {
    try {
      attach_(plugin);
    } catch (const PluginError& error) {
      throw PluginError(error.status(), std::string(file_) + ':' + std::to_string(line_) +
                                            ": BUSWAY_ON(" + handler_ + "): " + error.what());
    }
  }

  std::string_view library_;
  const char* handler_;
  const char* file_;
  int line_;
  std::function<void(Plugin&)> attach_;
  OnNote* next_ = nullptr;
};

inline void attach_on_notes(Plugin& plugin, std::string_view library) {
  for (const OnNote* note = first_on_note; note != nullptr; note = note->next_) {
    if (note->library_ == library) note->attach(plugin);
  }
}

/// What BUSWAY_ON says, as a function that subscribes it; Plugin lets it.
struct On {
  template <class F>
  [[nodiscard]] static std::function<void(Plugin&)> make(F handler, const Patterns& patterns,
                                                         PluginSubscribeOptions options = {}) {
    std::vector<std::string> texts(patterns.all.begin(), patterns.all.end());
    std::string name(options.name);
    std::string durable(options.durable);
    return [handler = std::move(handler), texts = std::move(texts), name = std::move(name),
            durable = std::move(durable), options](Plugin& plugin) mutable {
      options.name = name;
      options.durable = durable;
      subscribe(plugin, texts, handler, options);
    };
  }

 private:
  template <class F>
  static void subscribe(Plugin& plugin, const Patterns& patterns, const F& handler,
                        const PluginSubscribeOptions& options) {
    plugin.subscribe(patterns, handler, options);
  }
  template <class C, class R, class... A>
  static void subscribe(Plugin& plugin, const Patterns& patterns, R (C::*handler)(A...),
                        const PluginSubscribeOptions& options) {
    static_assert(std::is_base_of_v<Plugin, C>,
                  "BUSWAY_ON takes a function, or a member of the plugin's own class");
    if (dynamic_cast<C*>(&plugin) == nullptr) {
      throw PluginError(BUSWAY_INVALID_ARGUMENT,
                        "it is a member of another class than the one that BUSWAY_PLUGIN names");
    }
    plugin.subscribe(patterns, handler, options);
  }
};

}  // namespace busway::plugin_detail

#define BUSWAY_DETAIL_ON_NOTE(number) BUSWAY_DETAIL_JOIN(busway_on_note_, number)

/// BUSWAY_ON(handler, pattern or {patterns} [, options]), at namespace scope in any file of the
/// plugin: subscribes the handler whenever the plugin starts. A member of the plugin's class is
/// named as &Class::member and must be public.
// A file that has included busway/on.hpp as well means the plugin: a default bus is not its to use.
#undef BUSWAY_ON
#define BUSWAY_ON(handler, ...)                                       \
  namespace {                                                         \
  ::busway::plugin_detail::OnNote BUSWAY_DETAIL_ON_NOTE(__COUNTER__)( \
      BUSWAY_DETAIL_LIBRARY, #handler, __FILE__, __LINE__,            \
      ::busway::plugin_detail::On::make(handler, __VA_ARGS__));       \
  }
