// What an instance does when another is to take its place.
#include <memory>
#include <string>
#include <utility>

#include "busway/limits.hpp"
#include "plugin/abi_values.hpp"
#include "plugin/plugin_instance.hpp"

namespace busway::plugin_host_detail {
std::optional<Error> PluginInstance::rest(std::chrono::nanoseconds timeout) {
  return on_worker(
      "what it is doing", [] { return BUSWAY_OK; }, timeout, Late::forgiven);
}

std::optional<Error> PluginInstance::save_state(std::optional<State>& out,
                                                std::chrono::nanoseconds timeout) {
  const auto saved = std::make_shared<std::optional<State>>();
  std::optional<Error> error = on_worker(
      "save_state",
      [this, saved]() -> busway_status {
        worker_->hold();
        const busway_plugin_api* api = image_->api();
        if (!BUSWAY_HAS(busway_plugin_api, api, save_state)) return BUSWAY_OK;
        State state;
        state_ = &state.bytes;
        const busway_status status = api->save_state(plugin_, &state.version);
        state_ = nullptr;
        if (status == BUSWAY_OK && !state.bytes.empty()) *saved = std::move(state);
        return status;
      },
      timeout);
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

std::optional<Error> PluginInstance::restore_state(const State& state,
                                                   std::chrono::nanoseconds timeout) {
  const auto kept = std::make_shared<State>(state);  // read by a call that may not come back
  return on_worker(
      "restore_state",
      [this, kept]() -> busway_status {
        const busway_plugin_api* api = image_->api();
        if (!BUSWAY_HAS(busway_plugin_api, api, restore_state)) return BUSWAY_OK;
        return api->restore_state(plugin_, kept->version, to_view(kept->bytes));
      },
      timeout);
}

void PluginInstance::begin_sources_again() {
  if (sources_ != Sources::asked_to_end) return;
  sources_ = Sources::held;
  give_up_sources();
  begin_sources();
}

}  // namespace busway::plugin_host_detail
