// plugin/instance/plugin_call.hpp -- one call into a plugin, as the thread that makes it knows it.
// Layer: plugin
//
// Model      Stands on the stack for the length of the call; those of one thread are linked, the
//            innermost first. What the plugin asks of its host meanwhile finds its call here, by
//            its thread: so a call that was left behind keeps its own event, context and words, and
//            touches nothing of those that follow it on another thread.
// Threads    Belongs to its thread.
// Ownership  Refers to the plugin, and to what the delivery refers to.
// Errors     None.
// Cost       Two stores.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "busway/context.hpp"
#include "busway/event.hpp"

namespace busway::plugin_host_detail {

class PluginInstance;
struct SyncDelivery;

class PluginCall {
 public:
  explicit PluginCall(const PluginInstance& plugin) noexcept;
  PluginCall(const PluginCall&) = delete;
  PluginCall& operator=(const PluginCall&) = delete;
  ~PluginCall();

  /// The call of this plugin that this thread is in, the innermost; null: it is in none.
  [[nodiscard]] static PluginCall* of(const PluginInstance& plugin) noexcept;
  /// The delivery of this name that this thread makes.
  [[nodiscard]] static PluginCall* delivery(const PluginInstance& plugin,
                                            std::uint64_t id) noexcept;

  /// What set_message() said, escaped.
  [[nodiscard]] std::string take_message();

  std::string message;
  // Of a delivery.
  std::uint64_t id = 0;  // 0: it is none
  const Event* event = nullptr;
  Context* context = nullptr;    // null for one that was posted
  SyncDelivery* sync = nullptr;  // set for one that was posted
  std::chrono::nanoseconds retry_delay{0};

 private:
  const PluginInstance& plugin_;
  PluginCall* const outer_;
};

}  // namespace busway::plugin_host_detail
