#include "plugin/isolation/child_plugin.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "base/deadline.hpp"
#include "base/duration_words.hpp"
#include "base/escape.hpp"
#include "busway/error.hpp"
#include "plugin/abi_values.hpp"
#include "plugin/isolation/attendant.hpp"

namespace busway::plugin_host_detail {

using wire::Call;

namespace {

constexpr unsigned kDeathsMax = 2;  // of the process on one event
/// For a handler that is told to stop at its deadline, until its process is killed.
constexpr std::chrono::seconds kGrace(1);
/// What a frame has beside a payload or a state.
constexpr std::size_t kFrameBytesBeside = std::size_t{4} << 20U;
}  // namespace

std::string ChildPlugin::key_of(std::uint64_t tag, const std::uint8_t (&id)[16]) {
  return std::string(reinterpret_cast<const char*>(&tag), sizeof tag)
      .append(reinterpret_cast<const char*>(id), sizeof id);
}

ChildPlugin::ChildPlugin(Options options)
    : options_(std::move(options)),
      hard_deadline_(options_.rules.hard_deadline.value_or(2 * options_.call_timeout)),
      frame_bytes_max_(kFrameBytesBeside +
                       std::max(options_.payload_bytes_max, options_.rules.state_bytes_max.value_or(
                                                                limits::kPluginStateBytesMax))),
      restart_policy_(options_.rules) {}

ChildPlugin::~ChildPlugin() {
  close();
  if (progress_ != nullptr) ::munmap(progress_, sizeof *progress_);
}

void ChildPlugin::close() {
  give_up();
  close_process(std::chrono::steady_clock::now());
}

void ChildPlugin::open() {
  start_process();
  fill_table();
}

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

busway_status ChildPlugin::create(const busway_host_api& api, busway_host* host,
                                  busway_plugin** out) {
  api_ = &api;
  host_ = host;
  requests_ = std::make_unique<HostRequests>(api, host, [this] { revoke(); });
  *out = reinterpret_cast<busway_plugin*>(this);
  if (!alive()) {
    api.set_message(host, to_view("its process " + last_end_));
    return BUSWAY_FAILED;
  }
  attendant_->begin(*requests_);
  watched_.store(true, std::memory_order_release);
  return plain_call(Call::create, read_text(api.plugin_id(host), "id"));
}

// -- Calls ----------------------------------------------------------------------------------------

/// The deadline is that of the process: past it, it is killed. max: as long as any call may take.
ChildPlugin::Returned ChildPlugin::call(Call what, std::string_view argument, Time deadline) {
  if (deadline == Time::max()) deadline = deadline_after(options_.call_timeout);
  Returned gone;
  if (alive() && !busy()) take_back();
  if (!alive() && (!started_ || busy() || reviving_ || !revive())) {
    gone.words = "its process " + last_end_;
    return gone;
  }
  const std::uint64_t number = next_call_++;
  calls_.emplace(number, std::nullopt);
  {
    wire::Writer frame(channel_->out(), wire::Kind::call);
    frame.put(what).put(number).text(argument);
  }
  read_until([&] { return calls_.at(number).has_value(); },
             {.deadline = deadline, .what = "a call"});
  std::optional<Returned> returned = std::move(calls_.at(number));
  calls_.erase(number);
  if (returned) return std::move(*returned);
  gone.words = "its process " + last_end_;
  return gone;
}

busway_status ChildPlugin::answer_with(Returned returned) {
  if (!returned.words.empty()) api_->set_message(host_, to_view(returned.words));
  return returned.status;
}

busway_status ChildPlugin::plain_call(Call what, std::string_view argument) {
  return answer_with(call(what, argument, Time::max()));
}

busway_status ChildPlugin::on_timer(std::uint64_t tag) {
  if (tag == kLookAfterProcess) {
    // Seen already where a call was under way. Else this is the first to know.
    if (alive() && attendant_->has_ended()) ended({});
    if (!alive() && started_ && !busy()) (void)revive();
    return BUSWAY_OK;
  }
  const auto theirs = requests_->take_timer(tag);
  if (!theirs || !alive() || !wire::offers(facts_.functions, Call::on_timer)) return BUSWAY_OK;
  const std::uint64_t argument = *theirs;
  return answer_with(call(Call::on_timer,
                          {reinterpret_cast<const char*>(&argument), sizeof argument},
                          deadline_after(hard_deadline_)));
}

// -- Events ---------------------------------------------------------------------------------------

busway_status ChildPlugin::on_event(std::uint64_t tag, const busway_event& event,
                                    const busway_delivery& delivery) {
  const auto give_up_on_it = [&](std::string why) {
    return answer_with({BUSWAY_DEAD_LETTER, std::move(why), {}});
  };
  for (;;) {
    if (deaths_of(tag, event) >= kDeathsMax) {
      deaths_.erase(key_of(tag, event.id));
      return give_up_on_it("the plugin's process " + last_end_ +
                           " while it handled this event, and had done so before");
    }
    if (!alive() && !revive()) {
      const std::string gone = gone_because();
      return give_up_on_it("its process " + last_end_ + "; " +
                           (gone.empty() ? "it is being taken away" : gone));
    }
    if (!requests_->tag_of_subscription(tag)) {
      return give_up_on_it(
          "the plugin's process was started again and has not subscribed to this again");
    }
    const auto sent = find_sent(tag, event.id, delivery.attempt);
    std::uint64_t number = sent == sent_.end() ? 0 : sent->number;
    if (number == 0) {
      take_back();
      if (!alive()) continue;
      number = send_one(tag, event, delivery);
    }
    deliveries_.emplace_back(number, delivery.id);
    read_until([&] { return handled_ >= number || failed_.contains(number) || !is_sent(number); },
               wait_for(event, delivery));
    deliveries_.clear();
    if (const auto failed = failed_.find(number); failed != failed_.end()) {
      Failed what = std::move(failed->second);
      failed_.erase(failed);
      forget(number);
      if (what.status == BUSWAY_RETRY && what.retry_delay_ns > 0)
        (void)api_->set_retry_delay(host_, delivery.id, what.retry_delay_ns);
      return answer_with({what.status, std::move(what.words), {}});
    }
    const bool handled = handled_ >= number && is_sent(number);
    forget(number);
    if (handled) {
      if (!deaths_.empty()) deaths_.erase(key_of(tag, event.id));
      return BUSWAY_OK;
    }
    // Given up meanwhile, its result is nobody's, and if it is tried again it comes again.
    if (!alive() && api_->stop_requested(host_, delivery.id) != 0) {
      return answer_with({BUSWAY_FAILED, "its process " + last_end_, {}});
    }
  }
}

unsigned ChildPlugin::deaths_of(std::uint64_t tag, const busway_event& event) const {
  if (deaths_.empty()) return 0;
  const auto found = deaths_.find(key_of(tag, event.id));
  return found == deaths_.end() ? 0 : found->second;
}

/// The deadline of a delivery is kept by the bus, which then tells the plugin to stop.
ChildPlugin::Wait ChildPlugin::wait_for(const busway_event& event,
                                        const busway_delivery& delivery) const {
  Wait wait{.deadline = deadline_after(hard_deadline_),
            .what = {event.topic.data, event.topic.size}};
  if (delivery.time_left_ns >= 0) {
    const std::chrono::nanoseconds left(delivery.time_left_ns);
    wait.revoke_at = deadline_after(left);
    if (wait.revoke_at < Time::max() - kGrace)
      wait.deadline = std::min(wait.deadline, wait.revoke_at + kGrace);
  }
  return wait;
}

/// While the process waits for an answer, it handles this one at once.
busway_status ChildPlugin::on_nested_event(std::uint64_t tag, const busway_event& event,
                                           const busway_delivery& delivery) {
  std::string argument;
  const std::uint64_t number = last_number_.load(std::memory_order_relaxed) + 1;
  if (!requests_->tag_of_subscription(tag)) {
    return answer_with({BUSWAY_DEAD_LETTER, "the plugin has not subscribed to this again", {}});
  }
  last_number_.store(number, std::memory_order_relaxed);
  {
    wire::Writer frame(argument, wire::Kind::events);
    put_event(frame, {.number = number, .tag = tag}, event, delivery);
  }
  deliveries_.emplace_back(number, delivery.id);
  Returned returned = call(Call::on_event, argument, deadline_after(hard_deadline_));
  if (!deliveries_.empty()) deliveries_.pop_back();
  if (returned.status == BUSWAY_RETRY && returned.value.size() == sizeof(std::int64_t)) {
    std::int64_t delay_ns = 0;
    std::memcpy(&delay_ns, returned.value.data(), sizeof delay_ns);
    if (delay_ns > 0) (void)api_->set_retry_delay(host_, delivery.id, delay_ns);
  }
  return answer_with(std::move(returned));
}

bool ChildPlugin::coming(std::uint64_t tag, std::span<const ComingEvent> events) {
  return alive() && started_ && !busy() && send_ahead(tag, events);
}

// -- The end --------------------------------------------------------------------------------------

void ChildPlugin::give_up() noexcept {
  closing_.store(true, std::memory_order_relaxed);
  {
    const std::lock_guard lock(mutex_);
    if (killable_ != nullptr) killable_->kill();
  }
  closing_changed_.notify_all();
}

std::string ChildPlugin::gone_because() const {
  const std::lock_guard lock(mutex_);
  return gone_because_;
}

void ChildPlugin::set_gone(std::string why) {
  {
    const std::lock_guard lock(mutex_);
    gone_because_ = std::move(why);
  }
  if (options_.on_gone) options_.on_gone();
}

}  // namespace busway::plugin_host_detail
