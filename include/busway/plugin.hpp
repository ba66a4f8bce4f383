// busway/plugin.hpp -- write a plugin as a C++ class: start here.
// Layer: plugin
//
// Model      Derive from Plugin, override what you need, end the file with
//            BUSWAY_PLUGIN(YourClass):
//
//              class Hello : public busway::Plugin {
//                void start() override {
//                  subscribe("chat.message", [this](const busway::PluginEvent& event) {
//                    publish("hello.said", {{"to", event.json().at("name")}});
//                  });
//                }
//              };
//              BUSWAY_PLUGIN(Hello)
//
//            and build it with busway_add_plugin(hello SOURCES hello.cpp). Header-only: the library
//            links nothing of busway. The host stamps what is published with the plugin's id.
// Threads    The host calls a plugin on one thread, the worker; handlers never run at the same
//            time, but for one that passed its deadline: it is left behind, from then on its
//            stop_requested() is true, and another thread is the worker. Members marked
//            [any-thread] may also be used on threads that run_source() started.
// Ownership  Subscriptions and timers end with stop(), threads of run_source() before it.
// Errors     What a callback throws is reported by the host: a handler's delivery has failed, a
//            lifecycle step too. Members throw PluginError when the host refuses a call.
// Cost       A delivery costs its JSON: the text is made by the host and parsed here when asked
//            for.
// Example    docs/writing_a_plugin.md
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "busway/json.hpp"
#include "busway/log.hpp"
#include "busway/outcome.hpp"
#include "busway/plugin.h"
#include "busway/plugin_context.hpp"
#include "busway/plugin_error.hpp"
#include "busway/plugin_event.hpp"
#include "busway/plugin_options.hpp"

namespace busway {

namespace plugin_detail {

struct Thunks;
struct On;

using Handler = std::function<Outcome(const PluginEvent&, PluginContext&)>;

template <class F, class... Arguments>
[[nodiscard]] Outcome call(F& f, Arguments&&... arguments) {
  using Result = std::invoke_result_t<F&, Arguments...>;
  if constexpr (std::is_same_v<Result, Outcome>) {
    return std::invoke(f, std::forward<Arguments>(arguments)...);
  } else {
    static_assert(std::is_void_v<Result>, "a handler returns void or busway::Outcome");
    std::invoke(f, std::forward<Arguments>(arguments)...);
    return Outcome::done();
  }
}

template <class F>
[[nodiscard]] Handler make_handler(F f) {
  return [f = std::move(f)](const PluginEvent& event, PluginContext& context) mutable -> Outcome {
    if constexpr (std::is_invocable_v<F&, const PluginEvent&, PluginContext&>) {
      return call(f, event, context);
    } else if constexpr (std::is_invocable_v<F&, const PluginEvent&>) {
      return call(f, event);
    } else if constexpr (std::is_invocable_v<F&, const Json&, PluginContext&>) {
      return call(f, event.json(), context);
    } else {
      static_assert(std::is_invocable_v<F&, const Json&>,
                    "a handler takes const PluginEvent& or const Json&, and may take "
                    "PluginContext& after it; for a payload type write subscribe<T>(...)");
      return call(f, event.json());
    }
  };
}

template <class T, class F>
[[nodiscard]] Handler make_typed_handler(F f) {
  return [f = std::move(f)](const PluginEvent& event, PluginContext& context) mutable -> Outcome {
    const T payload = event.as<T>();
    if constexpr (std::is_invocable_v<F&, const T&, PluginContext&>) {
      return call(f, payload, context);
    } else {
      return call(f, payload);
    }
  };
}

/// One pattern or several.
struct Patterns {
  Patterns(std::string_view one) : all{one} {}    // NOLINT(*-explicit-*)
  Patterns(const char* one) : all{one} {}         // NOLINT(*-explicit-*)
  Patterns(const std::string& one) : all{one} {}  // NOLINT(*-explicit-*)
  Patterns(std::initializer_list<std::string_view> several) : all(several) {}
  Patterns(const std::vector<std::string>& several) : all(several.begin(), several.end()) {}

  std::vector<std::string_view> all;
};

}  // namespace plugin_detail

class Plugin {
 public:
  using Mode = plugin_words::Mode;
  using Overflow = plugin_words::Overflow;
  using Replay = plugin_words::Replay;
  using SubscriptionId = std::uint64_t;
  using TimerId = std::uint64_t;

  Plugin() = default;
  Plugin(const Plugin&) = delete;
  Plugin& operator=(const Plugin&) = delete;
  virtual ~Plugin() = default;

 protected:
  // -- What a plugin overrides, all [plugin-worker]. The constructor has no host yet: use setup().

  /// Reads the configuration, an object; the first call.
  virtual void setup(const Json& /*config*/) {}
  /// Subscribes, and names its sources with run_source().
  virtual void start() {}
  /// Its sources have ended, and what was queued has been handled, or goes to the instance that
  /// replaces this one. Publishing still works.
  virtual void stop() {}
  virtual void teardown() {}
  virtual PluginHealth health() { return PluginHealth::ok(); }
  /// The version of what save_state() writes.
  [[nodiscard]] virtual std::uint32_t state_version() const { return 1; }
  /// What the instance that replaces this one should know, or null. Its sources have ended and
  /// nothing of it runs. Change nothing: where the replacement fails, this one goes on.
  virtual Json save_state() { return nullptr; }
  /// Between setup() and start(), when an earlier instance saved a state. Throw to refuse it.
  virtual void restore_state(std::uint32_t /*version*/, const Json& /*state*/) {}

  // -- Listening, [any-thread]

  /// Calls the handler, on the worker, for each event whose topic matches one of the patterns.
  template <class F>
  SubscriptionId subscribe(const plugin_detail::Patterns& patterns, F handler,
                           const PluginSubscribeOptions& options = {}) {
    return subscribe_handler(patterns, plugin_detail::make_handler(std::move(handler)), options);
  }

  /// The same with a member function: subscribe("chat.message", &Trivia::on_chat).
  template <class C, class R, class... A>
  SubscriptionId subscribe(const plugin_detail::Patterns& patterns, R (C::*handler)(A...),
                           const PluginSubscribeOptions& options = {}) {
    return subscribe(
        patterns,
        [self = static_cast<C*>(this), handler](A... a) -> R {
          return (self->*handler)(std::forward<A>(a)...);
        },
        options);
  }

  /// Reads the payload as T: subscribe<ChatMessage>("chat.*", [](const ChatMessage& m) {...}).
  template <class T, class F>
  SubscriptionId subscribe(const plugin_detail::Patterns& patterns, F handler,
                           const PluginSubscribeOptions& options = {}) {
    return subscribe_handler(patterns, plugin_detail::make_typed_handler<T>(std::move(handler)),
                             options);
  }

  void unsubscribe(SubscriptionId id);

  // -- Publishing, [any-thread]

  /// The payload is JSON, or anything nlohmann can turn into it.
  PluginPublishResult publish(std::string_view topic, const Json& payload,
                              const PluginPublishOptions& options = {}) {
    return send(topic, BUSWAY_PAYLOAD_JSON, payload.dump(), {}, options);
  }
  PluginPublishResult publish(std::string_view topic, const Json& payload, Priority priority) {
    return publish(topic, payload, PluginPublishOptions{.priority = priority});
  }
  /// Without a payload.
  PluginPublishResult publish(std::string_view topic) {
    return send(topic, BUSWAY_PAYLOAD_NONE, {}, {}, {});
  }
  /// A typed event: T::topic names it, nlohmann turns it into JSON.
  template <class T>
  requires std::convertible_to<decltype(T::topic), std::string_view> PluginPublishResult
  publish(const T& event, const PluginPublishOptions& options = {}) {
    return publish(std::string_view(T::topic), Json(event), options);
  }
  PluginPublishResult publish_bytes(std::string_view topic, std::string_view bytes,
                                    std::string_view content_type = "application/octet-stream",
                                    const PluginPublishOptions& options = {}) {
    return send(topic, BUSWAY_PAYLOAD_BYTES, bytes, content_type, options);
  }

  /// Publishes and waits for the first reply. On threads of its own it ends with BUSWAY_STOPPED
  /// when the plugin is stopped.
  PluginReply request(std::string_view topic, const Json& payload,
                      std::chrono::nanoseconds timeout = std::chrono::seconds(30),
                      const PluginPublishOptions& options = {});

  // -- Time and threads, [any-thread]

  /// Runs f on the worker after the delay, once.
  TimerId after(std::chrono::nanoseconds delay, std::function<void()> f);
  /// Runs f on the worker, soon.
  TimerId post(std::function<void()> f) { return after({}, std::move(f)); }
  /// False when it has run.
  bool cancel(TimerId timer);

  /// Makes this plugin a source: runs f on a thread of its own, and the source ends when f returns.
  /// Called in start(), f begins when all plugins that start together have started, so that none of
  /// them misses its first event; called later, at once. Before stop() the stop token is set and f
  /// must return soon: wait for input with poll() and a time-out or an eventfd, not with a read
  /// that may last for ever. Handlers go on until it has returned. What f throws ends the source
  /// and is reported. f may be called again after it returned with its token set: a
  /// replacement of the plugin for which it had to end has failed.
  void run_source(std::function<void(std::stop_token)> f);

  void log(LogLevel level, std::string_view message) {
    link().api->log(link().host, static_cast<std::uint32_t>(level), plugin_detail::view(message));
  }
  void log(std::string_view message) { log(LogLevel::info, message); }
  /// Makes a failure outside any callback known: event plugin.error.
  void report_error(std::string_view message) {
    link().api->report_error(link().host, plugin_detail::view(message));
  }

  /// The id under which the host runs this plugin.
  [[nodiscard]] std::string_view plugin_id() const {
    return plugin_detail::text(link().api->plugin_id(link().host));
  }

  /// For a plugin that runs source threads of its own, which it then ends in stop(); run_source()
  /// does it for its own, and is told when to begin. Better begin and end such threads in there.
  void set_source_state(std::uint32_t state) {
    link().require(link().api->set_source_state(link().host, state));
  }

 private:
  friend struct plugin_detail::Thunks;
  friend struct plugin_detail::On;

  [[nodiscard]] const plugin_detail::HostLink& link() const {
    if (link_.api == nullptr) {
      throw PluginError(BUSWAY_WRONG_STATE,
                        "a plugin has no host in its constructor; call this in setup or start");
    }
    return link_;
  }

  SubscriptionId subscribe_handler(const plugin_detail::Patterns& patterns,
                                   plugin_detail::Handler handler,
                                   const PluginSubscribeOptions& options);
  PluginPublishResult send(std::string_view topic, std::uint32_t kind, std::string_view payload,
                           std::string_view content_type, const PluginPublishOptions& options);
  void begin_sources() noexcept;
  [[nodiscard]] bool ask_sources_to_end() noexcept;
  void join_sources() noexcept;
  void launch_source(std::function<void(std::stop_token)> f);
  void interrupt(std::function<void(std::stop_token)> f) noexcept;
  void source_has_ended() noexcept;
  void forget_handlers() noexcept;

  enum class Sources : unsigned char { held, begun, ending };

  plugin_detail::HostLink link_;
  std::string_view library_;  // whose BUSWAY_ON are this plugin's
  std::mutex mutex_;  // guards what follows; never held while code of the plugin or host runs
  std::uint64_t next_tag_ = 1;
  std::map<std::uint64_t, std::shared_ptr<plugin_detail::Handler>> handlers_;  // by tag
  std::map<SubscriptionId, std::uint64_t> tags_;
  std::map<std::uint64_t, std::function<void()>> timers_;  // by tag
  std::map<TimerId, std::uint64_t> timer_tags_;

  // Guards what follows. Held while the host is told of a source's state, so that two changes reach
  // it in their order; the host only notes it.
  std::mutex source_mutex_;
  Sources sources_phase_ = Sources::held;
  std::vector<std::function<void(std::stop_token)>> held_sources_;
  std::vector<std::function<void(std::stop_token)>> interrupted_sources_;  // ended as asked
  std::size_t open_sources_ = 0;  // held ones, and those whose function has not returned
  std::vector<std::jthread> sources_;
};

}  // namespace busway

#define BUSWAY_DETAIL_JOIN(a, b) a##b
#define BUSWAY_DETAIL_ENTRY(target) BUSWAY_DETAIL_JOIN(busway_plugin_entry_, target)
#define BUSWAY_DETAIL_TEXT_OF(name) #name
#define BUSWAY_DETAIL_TEXT(name) BUSWAY_DETAIL_TEXT_OF(name)
#if defined(BUSWAY_STATIC_PLUGIN)
#define BUSWAY_DETAIL_ENTRY_NAME BUSWAY_DETAIL_ENTRY(BUSWAY_STATIC_PLUGIN)
#define BUSWAY_DETAIL_LIBRARY BUSWAY_DETAIL_TEXT(BUSWAY_STATIC_PLUGIN)
#else
#define BUSWAY_DETAIL_ENTRY_NAME busway_plugin_entry
#define BUSWAY_DETAIL_LIBRARY ""
#endif

namespace busway::plugin_detail {
/// Subscribes what BUSWAY_ON noted in a library; defined in detail/plugin_on.hpp.
void attach_on_notes(Plugin& plugin, std::string_view library);
}  // namespace busway::plugin_detail

#include "busway/detail/plugin_calls.hpp"   // the members' bodies
#include "busway/detail/plugin_on.hpp"      // BUSWAY_ON
#include "busway/detail/plugin_thunks.hpp"  // from the C table to the class

/// Makes the class the plugin of this library. Once a library, outside any namespace. The plugin's
/// id, version, description and what it requires are arguments of busway_add_plugin(), or the
/// definitions BUSWAY_PLUGIN_ID, _VERSION, _DESCRIPTION and _REQUIRES ("a,b") where another build
/// system is used.
#define BUSWAY_PLUGIN(Class)                                                                   \
  namespace {                                                                                  \
  static_assert(sizeof(BUSWAY_PLUGIN_ID) > 1,                                                  \
                "BUSWAY_PLUGIN_ID is not defined: build the plugin with busway_add_plugin(), " \
                "or define it as the plugin's id in quotes");                                  \
  constexpr auto busway_plugin_requires =                                                      \
      ::busway::plugin_detail::split_ids<::busway::plugin_detail::count_ids(                   \
          BUSWAY_PLUGIN_REQUIRES)>(BUSWAY_PLUGIN_REQUIRES);                                    \
  struct busway_plugin_library {                                                               \
    static constexpr std::string_view name = BUSWAY_DETAIL_LIBRARY;                            \
  };                                                                                           \
  constexpr busway_plugin_api busway_plugin_table =                                            \
      ::busway::plugin_detail::make_table<Class, busway_plugin_library>(                       \
          {BUSWAY_PLUGIN_ID, BUSWAY_PLUGIN_VERSION, BUSWAY_PLUGIN_DESCRIPTION,                 \
           BUSWAY_PLUGIN_REQUIRES},                                                            \
          busway_plugin_requires);                                                             \
  }                                                                                            \
  extern "C" BUSWAY_PLUGIN_EXPORT const busway_plugin_api* BUSWAY_DETAIL_ENTRY_NAME(           \
      std::uint32_t min_abi, std::uint32_t max_abi);                                           \
  extern "C" BUSWAY_PLUGIN_EXPORT const busway_plugin_api* BUSWAY_DETAIL_ENTRY_NAME(           \
      std::uint32_t min_abi, std::uint32_t max_abi) {                                          \
    return min_abi <= BUSWAY_ABI && BUSWAY_ABI <= max_abi ? &busway_plugin_table : nullptr;    \
  }
