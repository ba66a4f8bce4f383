// plugin/isolation/requests.hpp -- does what the process of a plugin asks of its host.
// Layer: plugin
//
// Model      Each request is a call of the host's table, made for the process. What the host knows
//            of the plugin, subscriptions and timers, outlives a process: the tags that the host
//            gets are numbers of ours, and what they are to the process now stands here. One that
//            was started again subscribes again, and what has the same words is the same
//            subscription. Until it does, nobody knows what the tag was: events for it wait for no
//            one and are for the caller to give up. Each process is an epoch: what an earlier one
//            still asks for is not done.
// Threads    [any-thread], each with a frame and a text of its own.
// Ownership  Borrows the host's table.
// Errors     Throws WireError for a frame that makes no sense. What the host refuses is answered.
// Cost       One lock a subscription or timer; the rest is the host's.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "busway/plugin.h"
#include "plugin/isolation/wire.hpp"

namespace busway::plugin_host_detail {

class HostRequests {
 public:
  /// A delivery under way: as the process calls it, and as the host does.
  using Deliveries = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

  /// `on_unsubscribed` is called before the process hears of it.
  HostRequests(const busway_host_api& api, busway_host* host, std::function<void()> on_unsubscribed)
      : api_(api), host_(host), on_unsubscribed_(std::move(on_unsubscribed)) {}

  /// Appends the answer to out, if there is one.
  void serve(std::string_view frame, std::uint64_t epoch, const Deliveries& deliveries,
             std::string& out);
  /// Of the process that may ask now.
  [[nodiscard]] std::uint64_t epoch() const;

  /// What the host's tag is to the process; no value: the process has not subscribed to it.
  [[nodiscard]] std::optional<std::uint64_t> tag_of_subscription(std::uint64_t tag) const;
  /// The same for a timer, which is over then; no value: it has gone with an earlier process.
  [[nodiscard]] std::optional<std::uint64_t> take_timer(std::uint64_t tag);

  /// The plugin has stopped.
  void forget_subscriptions();
  /// The process has ended, its timers with it; the next one subscribes again.
  void begin_epoch();

 private:
  struct Listening {
    std::string words;  // of patterns and options
    std::uint64_t tag = 0;
    std::uint64_t id = 0;  // the host's; 0: it is just being made
    bool claimed = true;
  };
  struct Timer {
    std::uint64_t tag = 0;
    std::uint64_t id = 0;
  };

  void subscribe(wire::Reader& in, std::uint64_t epoch, std::string& out);
  [[nodiscard]] std::optional<std::uint64_t> claim(std::string_view words, std::uint64_t tag);
  void unsubscribe(wire::Reader& in, std::string& out);
  void publish(wire::Reader& in, std::string& out);
  void request(wire::Reader& in, std::string& out);
  void reply(wire::Reader& in, const Deliveries& deliveries, std::string& out);
  void schedule(wire::Reader& in, std::uint64_t epoch, std::string& out);
  void cancel_timer(wire::Reader& in, std::string& out);
  void answer(std::string& out, busway_status status, std::string_view value = {});

  const busway_host_api& api_;
  busway_host* const host_;
  const std::function<void()> on_unsubscribed_;
  mutable std::mutex mutex_;
  // Guarded by mutex_, never held while the host is called.
  std::map<std::uint64_t, Listening> listenings_;  // by the host's tag
  std::map<std::uint64_t, Timer> timers_;          // by the host's tag
  std::uint64_t epoch_ = 1;
  std::uint64_t next_tag_ = 1;
};

}  // namespace busway::plugin_host_detail
