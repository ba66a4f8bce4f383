#include "plugin/isolation/child_plugin.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <utility>

#include "base/deadline.hpp"
#include "plugin/abi_values.hpp"
#include "plugin/isolation/attendant.hpp"

namespace busway::plugin_host_detail {

using wire::Call;

namespace {

/// What a frame has beside a payload or a state.
constexpr std::size_t kFrameBytesBeside = std::size_t{4} << 20U;

}  // namespace

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
