// What an instance does when another is to take its place.
#include <memory>
#include <string>
#include <utility>

#include "busway/limits.hpp"
#include "plugin/abi_values.hpp"
#include "plugin/plugin_instance.hpp"

namespace busway::plugin_host_detail {

PluginInstance::Step PluginInstance::rest_step() const {
  return {.what = "what it is doing", .f = [] { return BUSWAY_OK; }, .late = Late::forgiven};
}

std::optional<Error> PluginInstance::rest(std::chrono::nanoseconds timeout) {
  std::vector<Step> steps;
  steps.push_back(rest_step());
  return on_worker(std::move(steps), timeout);
}

std::optional<Error> PluginInstance::rest_and_save_state(std::optional<State>& out,
                                                         std::chrono::nanoseconds timeout) {
  const auto saved = std::make_shared<std::optional<State>>();
  std::vector<Step> steps;
  steps.push_back(rest_step());
  steps.push_back({.what = "save_state", .f = [this, saved]() -> busway_status {
                     worker_->hold();
                     const busway_plugin_api* api = image_->api();
                     if (!BUSWAY_HAS(busway_plugin_api, api, save_state)) return BUSWAY_OK;
                     State state;
                     state_ = &state.bytes;
                     const busway_status status = api->save_state(plugin_, &state.version);
                     state_ = nullptr;
                     if (status == BUSWAY_OK && !state.bytes.empty()) *saved = std::move(state);
                     return status;
                   }});
  std::optional<Error> error = on_worker(std::move(steps), timeout);
  if (!error) out = std::move(*saved);
  return error;
}

void PluginInstance::write_state(std::string_view bytes) {
  if (!worker_->pumped_by_this_thread() || state_ == nullptr) {
    throw Error(ErrorCode::plugin_state, "write_state() is for use within save_state() only");
  }
  const std::size_t most = rules_->state_bytes_max.value_or(limits::kPluginStateBytesMax);
  if (bytes.size() > most - state_->size()) {
    throw Error(ErrorCode::too_many, "the state of the plugin " + facts_.id + " may have " +
                                         std::to_string(most) + " bytes; with these it has " +
                                         std::to_string(state_->size() + bytes.size()) +
                                         " (state: max_size in its manifest)");
  }
  state_->append(bytes);
}

std::optional<Error> PluginInstance::restore_state_and_start(std::optional<State> state,
                                                             std::chrono::nanoseconds timeout) {
  sources_ = Sources::held;
  stopped_ = false;
  give_up_sources();
  request_stops_.begin();
  std::vector<Step> steps;
  if (state) {
    // Owned by the step, whose call may not come back.
    steps.push_back(
        {.what = "restore_state", .f = [this, kept = std::move(*state)]() -> busway_status {
           const busway_plugin_api* api = image_->api();
           if (!BUSWAY_HAS(busway_plugin_api, api, restore_state)) return BUSWAY_OK;
           return api->restore_state(plugin_, kept.version, to_view(kept.bytes));
         }});
  }
  steps.push_back(start_step());
  std::optional<Error> error = on_worker(std::move(steps), timeout);
  started_.store(!error, std::memory_order_relaxed);
  return error;
}

void PluginInstance::begin_sources_again() {
  if (sources_ != Sources::asked_to_end) return;
  sources_ = Sources::held;
  give_up_sources();
  begin_sources();
}

}  // namespace busway::plugin_host_detail
