// busway/detail/plugin_calls.hpp -- Plugin's members: from the class to the host's table.
// Layer: plugin
//
// Model      The bodies of Plugin's members; included by busway/plugin.hpp only.
// Threads    As the members say.
// Ownership  None of its own.
// Errors     A status of the host becomes a PluginError.
// Cost       None of its own.
// Example    tests/plugin/plugins/everything.cpp
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "busway/detail/plugin_values.hpp"
#include "busway/plugin.h"
#include "busway/plugin.hpp"

namespace busway {

inline Plugin::SubscriptionId Plugin::subscribe_handler(const plugin_detail::Patterns& patterns,
                                                        plugin_detail::Handler handler,
                                                        const PluginSubscribeOptions& options) {
  const plugin_detail::HostLink& host = link();
  std::vector<busway_view> views;
  views.reserve(patterns.all.size());
  for (const std::string_view pattern : patterns.all) views.push_back(plugin_detail::view(pattern));
  const busway_subscribe_options raw = plugin_detail::make_options(options);

  std::uint64_t tag = 0;
  {
    // Known before the host is asked: an event may come before subscribe() has returned.
    const std::lock_guard lock(mutex_);
    tag = next_tag_++;
    handlers_.emplace(tag, std::make_shared<plugin_detail::Handler>(std::move(handler)));
  }
  SubscriptionId id = 0;
  const busway_status status =
      host.api->subscribe(host.host, views.data(), views.size(), &raw, tag, &id);
  const std::lock_guard lock(mutex_);
  if (status != BUSWAY_OK) {
    handlers_.erase(tag);
    host.require(status);
  }
  tags_.emplace(id, tag);
  return id;
}

inline void Plugin::unsubscribe(SubscriptionId id) {
  link().require(link().api->unsubscribe(link().host, id));
  std::shared_ptr<plugin_detail::Handler> last;  // destroyed without the lock
  const std::lock_guard lock(mutex_);
  const auto tag = tags_.find(id);
  if (tag == tags_.end()) return;
  if (const auto handler = handlers_.find(tag->second); handler != handlers_.end()) {
    last = std::move(handler->second);
    handlers_.erase(handler);
  }
  tags_.erase(tag);
}

inline PluginPublishResult Plugin::send(std::string_view topic, std::uint32_t kind,
                                        std::string_view payload, std::string_view content_type,
                                        const PluginPublishOptions& options) {
  std::string metadata;
  const busway_message message =
      plugin_detail::make_message(topic, kind, payload, content_type, options, metadata);
  busway_publish_result result{};
  result.size = sizeof result;
  link().require(link().api->publish(link().host, &message, &result));
  return {.worst = result.worst,
          .matched = result.matched,
          .delivered = result.delivered,
          .queued = result.queued,
          .failed = result.failed};
}

inline PluginReply Plugin::request(std::string_view topic, const Json& payload,
                                   std::chrono::nanoseconds timeout,
                                   const PluginPublishOptions& options) {
  std::string metadata;
  const std::string body = payload.dump();
  const busway_message message =
      plugin_detail::make_message(topic, BUSWAY_PAYLOAD_JSON, body, {}, options, metadata);
  PluginReply reply;
  const busway_status status = link().api->request(
      link().host, &message, plugin_detail::to_ns(timeout), &plugin_detail::take_reply, &reply);
  switch (status) {
    case BUSWAY_OK: break;
    case BUSWAY_NO_RESPONDER:
    case BUSWAY_TIMED_OUT:
    case BUSWAY_WOULD_BLOCK:
    case BUSWAY_QUEUE_FULL:
    case BUSWAY_FILTERED:
    case BUSWAY_FAILED:
    case BUSWAY_STOPPED:
      reply.status = status;
      reply.message = plugin_detail::text(link().api->last_message(link().host));
      break;
    default: link().require(status);
  }
  return reply;
}

inline Plugin::TimerId Plugin::after(std::chrono::nanoseconds delay, std::function<void()> f) {
  std::uint64_t tag = 0;
  const plugin_detail::HostLink& host = link();
  {
    const std::lock_guard lock(mutex_);
    tag = next_tag_++;
    timers_.emplace(tag, std::move(f));
  }
  TimerId id = 0;
  const busway_status status = host.api->schedule(host.host, plugin_detail::to_ns(delay), tag, &id);
  const std::lock_guard lock(mutex_);
  if (status != BUSWAY_OK) {
    timers_.erase(tag);
    host.require(status);
  }
  if (timers_.contains(tag)) timer_tags_.emplace(id, tag);  // else it has run
  return id;
}

inline bool Plugin::cancel(TimerId timer) {
  const busway_status status = link().api->cancel_timer(link().host, timer);
  if (status == BUSWAY_NOT_FOUND) return false;
  link().require(status);
  std::function<void()> last;
  const std::lock_guard lock(mutex_);
  if (const auto tag = timer_tags_.find(timer); tag != timer_tags_.end()) {
    if (const auto f = timers_.find(tag->second); f != timers_.end()) {
      last = std::move(f->second);
      timers_.erase(f);
    }
    timer_tags_.erase(tag);
  }
  return true;
}

inline void Plugin::run_source(std::function<void(std::stop_token)> f) {
  const plugin_detail::HostLink& host = link();
  std::vector<std::jthread> ended;  // joined without the lock
  const std::lock_guard lock(source_mutex_);
  if (sources_phase_ == Sources::ending) {
    throw PluginError(BUSWAY_WRONG_STATE,
                      "run_source() came when the plugin's sources had been asked to end; call it "
                      "in start(), or in a handler before the plugin stops");
  }
  if (open_sources_ == 0) ended.swap(sources_);
  host.require(host.api->set_source_state(host.host, BUSWAY_SOURCE_ACTIVE));
  if (sources_phase_ == Sources::held) {
    held_sources_.push_back(std::move(f));
    ++open_sources_;
  } else {
    launch_source(std::move(f));
  }
}

/// With source_mutex_ held.
inline void Plugin::launch_source(std::function<void(std::stop_token)> f) {
  ++open_sources_;
  try {
    sources_.emplace_back([this, f = std::move(f)](const std::stop_token& stop) mutable {
      bool broke = false;
      try {
        f(stop);
      } catch (...) {
        broke = true;
        report_error("the source ended: " + plugin_detail::current_exception_text());
      }
      const std::lock_guard lock(source_mutex_);
      if (stop.stop_requested() && !broke) interrupt(std::move(f));
      source_has_ended();
    });
  } catch (...) {
    source_has_ended();
    throw;
  }
}

/// With source_mutex_ held: the source has ended because it was asked to, and may have to go on.
inline void Plugin::interrupt(std::function<void(std::stop_token)> f) noexcept {
  try {
    if (sources_phase_ == Sources::begun) {
      launch_source(std::move(f));  // told to begin again before it had ended
    } else {
      interrupted_sources_.push_back(std::move(f));
    }
  } catch (...) {
    // Out of memory or threads: it has ended.
  }
}

/// With source_mutex_ held.
inline void Plugin::source_has_ended() noexcept {
  if (--open_sources_ == 0) link_.api->set_source_state(link_.host, BUSWAY_SOURCE_ENDED);
}

inline void Plugin::begin_sources() noexcept {
  std::string problem;              // told without the lock: a handler may come back here
  std::vector<std::jthread> ended;  // joined without the lock
  {
    const std::lock_guard lock(source_mutex_);
    if (sources_phase_ == Sources::begun) return;
    if (sources_phase_ == Sources::ending) {
      if (open_sources_ == 0) {
        ended.swap(sources_);
        if (!interrupted_sources_.empty())
          link_.api->set_source_state(link_.host, BUSWAY_SOURCE_ACTIVE);
      }
      held_sources_ = std::exchange(interrupted_sources_, {});
      open_sources_ += held_sources_.size();
    }
    sources_phase_ = Sources::begun;
    for (auto& f : std::exchange(held_sources_, {})) {
      try {
        launch_source(std::move(f));
      } catch (...) {
        problem = "a source could not begin: " + plugin_detail::current_exception_text();
      }
      source_has_ended();  // the one that was held; the one that runs is counted too
    }
  }
  if (!problem.empty()) report_error(problem);
}

/// Whether they will tell the host that they have ended.
inline bool Plugin::ask_sources_to_end() noexcept {
  std::vector<std::stop_source> running;
  bool any = false;
  {
    const std::lock_guard lock(source_mutex_);
    sources_phase_ = Sources::ending;
    any = open_sources_ != 0;
    for (auto& held : std::exchange(held_sources_, {})) {
      interrupt(std::move(held));
      source_has_ended();
    }
    for (std::jthread& source : sources_) running.push_back(source.get_stop_source());
  }
  for (std::stop_source& source : running) source.request_stop();  // runs the plugin's callbacks
  return any;
}

inline void Plugin::forget_handlers() noexcept {
  decltype(handlers_) handlers;  // destroyed without the lock
  decltype(timers_) timers;
  const std::lock_guard lock(mutex_);
  handlers.swap(handlers_);
  timers.swap(timers_);
  tags_.clear();
  timer_tags_.clear();
}

inline void Plugin::join_sources() noexcept {
  (void)ask_sources_to_end();
  std::vector<std::jthread> sources;
  {
    const std::lock_guard lock(source_mutex_);
    sources.swap(sources_);
  }
  for (std::jthread& source : sources) source.join();
  std::vector<std::function<void(std::stop_token)>> last;  // destroyed without the lock
  const std::lock_guard lock(source_mutex_);
  last.swap(interrupted_sources_);
}

}  // namespace busway
