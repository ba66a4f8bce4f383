// The table of a plugin in a process of its own: each function hands its call to that.
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "base/deadline.hpp"
#include "plugin/abi_values.hpp"
#include "plugin/isolation/child_plugin.hpp"

namespace busway::plugin_host_detail {

using wire::Call;

/// Of the functions that may be null those that the library has.
void ChildPlugin::fill_table() {
  table_.size = sizeof table_;
  table_.abi = BUSWAY_ABI;
  table_.id = to_view(facts_.id);
  table_.version = to_view(facts_.version);
  table_.description = to_view(facts_.description);
  for (const std::string& required : facts_.required) required_.push_back(to_view(required));
  table_.requires_ids = required_.data();
  table_.requires_count = required_.size();
  table_.destroy = [](busway_plugin* plugin) {
    ChildPlugin& mine = of(plugin);
    mine.closing_.store(true, std::memory_order_relaxed);
    if (mine.alive()) (void)mine.plain_call(Call::destroy);
    mine.close_process(deadline_after(mine.options_.call_timeout));
  };
  table_.on_event = [](busway_plugin* plugin, std::uint64_t tag, const busway_event* event,
                       const busway_delivery* delivery) {
    ChildPlugin& mine = of(plugin);
    return mine.busy() ? mine.on_nested_event(tag, *event, *delivery)
                       : mine.on_event(tag, *event, *delivery);
  };
  // Also where the library has no timers: an ended process is looked after by one.
  table_.on_timer = [](busway_plugin* plugin, std::uint64_t tag) {
    return of(plugin).on_timer(tag);
  };
  const auto there = [this](Call what) { return wire::offers(facts_.functions, what); };
  if (there(Call::setup)) {
    table_.setup = [](busway_plugin* plugin, busway_view config) {
      of(plugin).config_ = std::string(config.data, config.size);
      return of(plugin).plain_call(Call::setup, *of(plugin).config_);
    };
  }
  table_.start = [](busway_plugin* plugin) {
    ChildPlugin& mine = of(plugin);
    mine.sources_ending_ = false;
    // It may have ended while it was not started.
    if (!mine.alive() && !mine.bring_up()) {
      return mine.answer_with({BUSWAY_FAILED, "its process " + mine.last_end_, {}});
    }
    const busway_status status =
        wire::offers(mine.facts_.functions, Call::start) ? mine.plain_call(Call::start) : BUSWAY_OK;
    mine.started_ = status == BUSWAY_OK;
    return status;
  };
  table_.stop = [](busway_plugin* plugin) {
    ChildPlugin& mine = of(plugin);
    mine.started_ = false;
    mine.sources_begun_ = false;
    mine.sources_ending_ = false;
    busway_status status = BUSWAY_OK;
    if (mine.alive() && wire::offers(mine.facts_.functions, Call::stop)) {
      status = mine.plain_call(Call::stop);
    }
    mine.requests_->forget_subscriptions();  // the host ends them all
    return status;
  };
  if (there(Call::teardown)) {
    table_.teardown = [](busway_plugin* plugin) {
      return of(plugin).alive() ? of(plugin).plain_call(Call::teardown) : BUSWAY_OK + 0;
    };
  }
  if (there(Call::health)) {
    table_.health = [](busway_plugin* plugin, std::uint32_t* out) {
      Returned returned = of(plugin).call(Call::health, {}, Time::max());
      if (returned.value.size() == sizeof *out)
        std::memcpy(out, returned.value.data(), sizeof *out);
      return of(plugin).answer_with(std::move(returned));
    };
  }
  if (there(Call::save_state)) {
    table_.save_state = [](busway_plugin* plugin, std::uint32_t* out_version) {
      ChildPlugin& mine = of(plugin);
      Returned returned = mine.call(Call::save_state, {}, Time::max());
      if (returned.status == BUSWAY_OK && returned.value.size() >= sizeof *out_version) {
        std::memcpy(out_version, returned.value.data(), sizeof *out_version);
        const busway_view state =
            to_view(std::string_view(returned.value).substr(sizeof *out_version));
        returned.status = mine.api_->write_state(mine.host_, state);
        if (returned.status != BUSWAY_OK) {
          const busway_view words = mine.api_->last_message(mine.host_);
          returned.words.assign(words.data, words.size);
        }
      }
      return mine.answer_with(std::move(returned));
    };
  }
  if (there(Call::restore_state)) {
    table_.restore_state = [](busway_plugin* plugin, std::uint32_t version, busway_view state) {
      std::string argument(reinterpret_cast<const char*>(&version), sizeof version);
      argument.append(state.data, state.size);
      return of(plugin).plain_call(Call::restore_state, argument);
    };
  }
  if (there(Call::begin_sources)) {
    table_.begin_sources = [](busway_plugin* plugin) {
      of(plugin).sources_begun_ = true;
      of(plugin).sources_ending_ = false;
      return of(plugin).plain_call(Call::begin_sources);
    };
  }
  if (there(Call::end_sources)) {
    table_.end_sources = [](busway_plugin* plugin) {
      ChildPlugin& mine = of(plugin);
      mine.sources_begun_ = false;
      mine.sources_ending_ = true;
      if (!mine.alive()) return BUSWAY_NOT_FOUND + 0;
      return mine.plain_call(Call::end_sources);
    };
  }
}

}  // namespace busway::plugin_host_detail
