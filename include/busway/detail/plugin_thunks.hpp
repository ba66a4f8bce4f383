// busway/detail/plugin_thunks.hpp -- a plugin's C table: it calls the class and lets no exception
// out.
// Layer: plugin
//
// Model      The functions behind the table that BUSWAY_PLUGIN makes; included by busway/plugin.hpp
//            only. The tables are constants of the translation unit, not statics of templates:
//            those would be unique symbols, which keep a library mapped for ever.
// Threads    [plugin-worker]
// Ownership  create() makes the object that destroy() deletes.
// Errors     Whatever a callback throws becomes a status and a message.
// Cost       One virtual or std::function call.
// Example    tests/plugin/plugins/everything.cpp
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>

#include "busway/detail/plugin_values.hpp"
#include "busway/plugin.h"
#include "busway/plugin.hpp"

// busway_add_plugin() defines all four.
#if !defined(BUSWAY_PLUGIN_ID)
#define BUSWAY_PLUGIN_ID ""  // refused by BUSWAY_PLUGIN
#endif
#if !defined(BUSWAY_PLUGIN_VERSION)
#define BUSWAY_PLUGIN_VERSION "0.0.0"
#endif
#if !defined(BUSWAY_PLUGIN_DESCRIPTION)
#define BUSWAY_PLUGIN_DESCRIPTION ""
#endif
#if !defined(BUSWAY_PLUGIN_REQUIRES)
#define BUSWAY_PLUGIN_REQUIRES ""
#endif

namespace busway::plugin_detail {

struct Thunks {
  [[nodiscard]] static Plugin& of(busway_plugin* plugin) noexcept {
    return *reinterpret_cast<Plugin*>(plugin);
  }

  static void explain(const HostLink& link, std::string_view message) noexcept {
    link.api->set_message(link.host, view(message));
  }

  /// Calls f; what it throws becomes a status and a message.
  template <class F>
  [[nodiscard]] static busway_status guard(const HostLink& link, F&& f) noexcept {
    try {
      return std::forward<F>(f)();
    } catch (const PluginError& error) {
      explain(link, error.what());
      return error.status() == BUSWAY_OK ? BUSWAY_FAILED : error.status();
    } catch (const std::bad_alloc& error) {
      explain(link, error.what());
      return BUSWAY_OUT_OF_MEMORY;
    } catch (...) {
      explain(link, current_exception_text());
      return BUSWAY_FAILED;
    }
  }

  template <class Class, class Library>
  static busway_status create(const busway_host_api* api, busway_host* host,
                              busway_plugin** out) noexcept {
    const HostLink link{api, host};
    return guard(link, [&] {
      auto made = std::make_unique<Class>();
      Plugin* plugin = made.release();
      plugin->link_ = link;
      plugin->library_ = Library::name;
      *out = reinterpret_cast<busway_plugin*>(plugin);
      return BUSWAY_OK;
    });
  }

  static void destroy(busway_plugin* plugin) noexcept {
    of(plugin).join_sources();
    delete &of(plugin);
  }

  static busway_status setup(busway_plugin* plugin, busway_view config) noexcept {
    return guard(of(plugin).link_, [&] {
      of(plugin).setup(config.size == 0 ? Json::object() : Json::parse(text(config)));
      return BUSWAY_OK;
    });
  }

  static busway_status start(busway_plugin* plugin) noexcept {
    Plugin& self = of(plugin);
    {
      const std::lock_guard lock(self.source_mutex_);
      self.sources_phase_ = Plugin::Sources::held;
    }
    const busway_status status = guard(self.link_, [&] {
      attach_on_notes(self, self.library_);
      self.start();
      return BUSWAY_OK;
    });
    if (status != BUSWAY_OK) {
      self.join_sources();
      self.forget_handlers();
    }
    return status;
  }

  static busway_status stop(busway_plugin* plugin) noexcept {
    Plugin& self = of(plugin);
    // One that has not ended although it was asked may be waiting for what stop() does.
    if (!self.ask_sources_to_end()) self.join_sources();
    const busway_status status = guard(self.link_, [&] {
      self.stop();
      return BUSWAY_OK;
    });
    self.join_sources();
    self.forget_handlers();  // the host ends the subscriptions and timers; start() makes new ones
    return status;
  }

  static busway_status teardown(busway_plugin* plugin) noexcept {
    return guard(of(plugin).link_, [&] {
      of(plugin).teardown();
      return BUSWAY_OK;
    });
  }

  static busway_status health(busway_plugin* plugin, std::uint32_t* out) noexcept {
    const HostLink& link = of(plugin).link_;
    return guard(link, [&] {
      const PluginHealth health = of(plugin).health();
      explain(link, health.message);
      *out = static_cast<std::uint32_t>(health.level);
      return BUSWAY_OK;
    });
  }

  static busway_status on_event(busway_plugin* plugin, std::uint64_t tag, const busway_event* raw,
                                const busway_delivery* delivery) noexcept {
    Plugin& self = of(plugin);
    return guard(self.link_, [&]() -> busway_status {
      std::shared_ptr<Handler> handler;  // kept while it runs, also when it unsubscribes itself
      {
        const std::lock_guard lock(self.mutex_);
        const auto found = self.handlers_.find(tag);
        if (found == self.handlers_.end()) return BUSWAY_OK;  // unsubscribed meanwhile
        handler = found->second;
      }
      const PluginEvent event(*raw);
      PluginContext context(self.link_, *delivery);
      return status_of(self.link_, (*handler)(event, context), *delivery);
    });
  }

  [[nodiscard]] static busway_status status_of(const HostLink& link, const Outcome& outcome,
                                               const busway_delivery& delivery) {
    switch (outcome.kind()) {
      case Outcome::Kind::done: return BUSWAY_OK;
      case Outcome::Kind::fail: explain(link, outcome.reason()); return BUSWAY_FAILED;
      case Outcome::Kind::dead_letter: explain(link, outcome.reason()); return BUSWAY_DEAD_LETTER;
      case Outcome::Kind::retry:
        link.require(link.api->set_retry_delay(link.host, delivery.id, to_ns(outcome.after())));
        return BUSWAY_RETRY;
    }
    return BUSWAY_FAILED;
  }

  static busway_status on_timer(busway_plugin* plugin, std::uint64_t tag) noexcept {
    Plugin& self = of(plugin);
    return guard(self.link_, [&] {
      std::function<void()> f;
      {
        const std::lock_guard lock(self.mutex_);
        if (const auto found = self.timers_.find(tag); found != self.timers_.end()) {
          f = std::move(found->second);
          self.timers_.erase(found);
        }
        std::erase_if(self.timer_tags_, [&](const auto& entry) { return entry.second == tag; });
      }
      if (f) f();
      return BUSWAY_OK;
    });
  }

  static busway_status save_state(busway_plugin* plugin, std::uint32_t* out_version) noexcept {
    const HostLink& link = of(plugin).link_;
    return guard(link, [&]() -> busway_status {
      const Json state = of(plugin).save_state();
      *out_version = of(plugin).state_version();
      if (state.is_null()) return BUSWAY_OK;
      const std::string text = state.dump();
      link.require(link.api->write_state(link.host, view(text)));
      return BUSWAY_OK;
    });
  }

  static busway_status restore_state(busway_plugin* plugin, std::uint32_t version,
                                     busway_view state) noexcept {
    return guard(of(plugin).link_, [&] {
      of(plugin).restore_state(version, Json::parse(text(state)));
      return BUSWAY_OK;
    });
  }

  static busway_status begin_sources(busway_plugin* plugin) noexcept {
    of(plugin).begin_sources();
    return BUSWAY_OK;
  }

  static busway_status end_sources(busway_plugin* plugin) noexcept {
    return of(plugin).ask_sources_to_end() ? BUSWAY_OK : BUSWAY_NOT_FOUND;
  }
};

/// The plugin's facts as busway_add_plugin() defines them; required ids are separated by commas.
struct Facts {
  std::string_view id;
  std::string_view version;
  std::string_view description;
  std::string_view required;
};

[[nodiscard]] constexpr std::size_t count_ids(std::string_view list) noexcept {
  if (list.empty()) return 0;
  std::size_t count = 1;
  for (const char c : list) count += c == ',' ? 1U : 0U;
  return count;
}

template <std::size_t N>
[[nodiscard]] constexpr std::array<busway_view, N> split_ids(std::string_view list) noexcept {
  std::array<busway_view, N> ids{};
  for (busway_view& id : ids) {
    const std::size_t end = list.find(',');
    id = view(list.substr(0, end));
    if (end != std::string_view::npos) list.remove_prefix(end + 1);
  }
  return ids;
}

template <class Class, class Library, std::size_t N>
[[nodiscard]] constexpr busway_plugin_api make_table(const Facts& facts,
                                                     const std::array<busway_view, N>& required) {
  static_assert(std::is_base_of_v<Plugin, Class>,
                "BUSWAY_PLUGIN takes a class derived from "
                "busway::Plugin");
  busway_plugin_api table{};
  table.size = sizeof table;
  table.abi = BUSWAY_ABI;
  table.id = view(facts.id);
  table.version = view(facts.version);
  table.description = view(facts.description);
  table.requires_ids = N == 0 ? nullptr : required.data();
  table.requires_count = N;
  table.create = &Thunks::create<Class, Library>;
  table.destroy = &Thunks::destroy;
  table.on_event = &Thunks::on_event;
  table.setup = &Thunks::setup;
  table.start = &Thunks::start;
  table.stop = &Thunks::stop;
  table.teardown = &Thunks::teardown;
  table.health = &Thunks::health;
  table.on_timer = &Thunks::on_timer;
  table.save_state = &Thunks::save_state;
  table.restore_state = &Thunks::restore_state;
  table.begin_sources = &Thunks::begin_sources;
  table.end_sources = &Thunks::end_sources;
  return table;
}

}  // namespace busway::plugin_detail
