#include "plugin/instance/plugin_call.hpp"

#include <utility>

#include "base/escape.hpp"

namespace busway::plugin_host_detail {
namespace {

thread_local PluginCall* innermost = nullptr;

}  // namespace

PluginCall::PluginCall(const PluginInstance& plugin) noexcept : plugin_(plugin), outer_(innermost) {
  innermost = this;
}

PluginCall::~PluginCall() { innermost = outer_; }

PluginCall* PluginCall::of(const PluginInstance& plugin) noexcept {
  PluginCall* one = innermost;
  while (one != nullptr && &one->plugin_ != &plugin) one = one->outer_;
  return one;
}

PluginCall* PluginCall::delivery(const PluginInstance& plugin, std::uint64_t id) noexcept {
  PluginCall* one = innermost;
  while (one != nullptr && (&one->plugin_ != &plugin || one->id != id)) one = one->outer_;
  return one;
}

std::string PluginCall::take_message() {
  constexpr std::size_t kMessageBytesMax = 1000;
  return escape(std::exchange(message, {}), kMessageBytesMax);
}

}  // namespace busway::plugin_host_detail
