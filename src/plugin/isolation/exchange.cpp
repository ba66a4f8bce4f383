// What goes to the process of a plugin, what comes back, and what is known when nothing does.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <iterator>

#include "base/deadline.hpp"
#include "base/duration_words.hpp"
#include "base/escape.hpp"
#include "plugin/abi_values.hpp"
#include "plugin/event_view.hpp"
#include "plugin/isolation/attendant.hpp"
#include "plugin/isolation/child_plugin.hpp"

namespace busway::plugin_host_detail {
namespace {

using Steady = std::chrono::steady_clock;

/// Sent in one frame; what is beyond it goes one by one.
constexpr std::size_t kAheadBytesMax = std::size_t{256} << 10U;
constexpr std::size_t kDeathsKeptMax = 1024;
constexpr std::size_t kWordsBytesMax = 1000;
/// For a process that has closed its socket, or was killed, until it is gone.
constexpr std::chrono::seconds kToEnd(2);

}  // namespace

// -- To the process -------------------------------------------------------------------------------

void ChildPlugin::put_event(wire::Writer& frame, const Sent& as, const busway_event& event,
                            const busway_delivery& delivery) {
  frame.put(as.number)
      .put(requests_->tag_of_subscription(as.tag))
      .put(delivery.attempt)
      .put(delivery.flags)
      .put(delivery.time_left_ns);
  wire::put_event(frame, event);
}

bool ChildPlugin::send_ahead(std::uint64_t tag, std::span<const ComingEvent> events) {
  const std::uint64_t run = next_run_++;
  const std::size_t before = channel_->out().size();
  {
    wire::Writer frame(channel_->out(), wire::Kind::events);
    for (const ComingEvent& one : events) {
      if (channel_->out().size() - before > kAheadBytesMax) break;
      try {
        const EventView view(*one.event);
        busway_delivery delivery{};
        delivery.attempt = one.attempt;
        delivery.flags = one.flags;
        delivery.time_left_ns = -1;
        Sent sent{.number = next_number_++, .run = run, .tag = tag};
        std::copy(std::begin(view.raw().id), std::end(view.raw().id), std::begin(sent.id));
        put_event(frame, sent, view.raw(), delivery);
        sent_.push_back(sent);
      } catch (const Error&) {
        break;  // it has no form for plugins, which will be said in its turn
      }
    }
  }
  if (sent_.empty() || sent_.back().run != run) {
    channel_->out().resize(before);
    return false;
  }
  if (!channel_->flush(deadline_after(hard_deadline_))) ended({});
  return true;
}

std::uint64_t ChildPlugin::send_one(std::uint64_t tag, const busway_event& event,
                                    const busway_delivery& delivery) {
  Sent sent{.number = next_number_++, .run = next_run_++, .tag = tag};
  std::copy(std::begin(event.id), std::end(event.id), std::begin(sent.id));
  {
    wire::Writer frame(channel_->out(), wire::Kind::events);
    put_event(frame, sent, event, delivery);
  }
  sent_.push_back(sent);
  return sent.number;
}

/// 0: it was not. What was sent before it and passed over is nobody's any more.
std::uint64_t ChildPlugin::find_sent(std::uint64_t tag, const busway_event& event) {
  const auto found = std::find_if(sent_.begin(), sent_.end(), [&](const Sent& one) {
    return one.tag == tag && std::equal(std::begin(one.id), std::end(one.id), std::begin(event.id));
  });
  if (found == sent_.end()) return 0;
  sent_.erase(sent_.begin(), found);
  return sent_.front().number;
}

void ChildPlugin::account(std::uint64_t number) {
  while (!sent_.empty() && sent_.front().number <= number) sent_.pop_front();
}

// -- From the process -----------------------------------------------------------------------------

bool ChildPlugin::read_until(const std::function<bool()>& enough, Time deadline,
                             std::string_view what) {
  if (!channel_->flush(deadline)) {
    ended({});
    return enough();
  }
  const bool soft = options_.rules.soft_deadline.has_value() && started_;
  Time report = soft ? deadline_after(*options_.rules.soft_deadline) : Time::max();
  while (!enough()) {
    std::string_view frame;
    switch (channel_->receive(frame, std::min(deadline, report))) {
      case Channel::Got::frame: {
        const Time before = Steady::now();
        take(frame);
        if (!alive()) return enough();
        // The time in which the host does what it is asked for is not the plugin's.
        const auto taken = Steady::now() - before;
        if (deadline != Time::max()) deadline += taken;
        if (report != Time::max()) report += taken;
        break;
      }
      case Channel::Got::ended: ended({}); return enough();
      case Channel::Got::timed_out:
        if (Steady::now() < deadline) {
          report = Time::max();
          const std::string words = "it has been busy with " + escape(what, 200) + " for " +
                                    duration_words(*options_.rules.soft_deadline) +
                                    " (its soft deadline)";
          api_->report_error(host_, to_view(words));
          break;
        }
        ended("did not come back from " + escape(what, 200) + " in time and was killed");
        return enough();
    }
  }
  return true;
}

void ChildPlugin::take(std::string_view frame) {
  try {
    wire::Reader in(frame);
    switch (in.kind()) {
      case wire::Kind::handled:
        handled_ = std::max(handled_, std::min(in.get<std::uint64_t>(), next_number_ - 1));
        return;
      case wire::Kind::failed: return take_failed(in);
      case wire::Kind::returned: {
        const auto call = calls_.find(in.get<std::uint64_t>());
        if (call == calls_.end() || call->second) throw wire::WireError("a call nobody has made");
        Returned returned;
        returned.status = in.get<busway_status>();
        returned.words = escape(in.text(), kWordsBytesMax);
        returned.value = in.text();
        call->second = std::move(returned);
        return;
      }
      default: return serve(frame);
    }
  } catch (const wire::WireError& error) {
    ended("broke the rules of its connection (" + std::string(error.what()) + ") and was killed");
  }
}

/// What followed in its run was not handled: when its turn comes it is sent again.
void ChildPlugin::take_failed(wire::Reader& in) {
  Failed failed;
  failed.number = in.get<std::uint64_t>();
  failed.status = in.get<busway_status>();
  failed.words = escape(in.text(), kWordsBytesMax);
  failed.retry_delay_ns = in.get<std::int64_t>();
  const auto found = std::find_if(sent_.begin(), sent_.end(),
                                  [&](const Sent& one) { return one.number == failed.number; });
  if (found == sent_.end()) return;  // passed over meanwhile
  const std::uint64_t run = found->run;
  sent_.erase(std::remove_if(std::next(found), sent_.end(),
                             [&](const Sent& one) { return one.run == run; }),
              sent_.end());
  failed_.emplace(failed.number, std::move(failed));
}

void ChildPlugin::serve(std::string_view frame) {
  if (requests_ == nullptr) throw wire::WireError("a request before it was created");
  const std::string mine(frame);  // what is read meanwhile takes its place
  const Channel* const asked = channel_.get();
  std::string answer;
  requests_->serve(mine, deliveries_, answer);
  if (channel_.get() != asked || answer.empty()) return;
  channel_->out() += answer;
  if (!channel_->flush(deadline_after(hard_deadline_))) ended({});
}

// -- Nothing more comes ---------------------------------------------------------------------------

void ChildPlugin::ended(std::string_view why) {
  if (!why.empty()) attendant_->kill();
  take_what_it_said();
  const platform_detail::ProcessEnd end = attendant_->wait(Steady::now() + kToEnd);
  last_end_ = why.empty() ? to_words(end) : std::string(why);

  const std::uint64_t last = next_number_ - 1;
  const std::uint64_t done = std::atomic_ref(progress_->done).load(std::memory_order_acquire);
  const std::uint64_t begun = std::atomic_ref(progress_->begun).load(std::memory_order_acquire);
  handled_ = std::max(handled_, std::min(done, last));
  if (begun > handled_ && begun <= last) blame(begun);
  std::erase_if(sent_, [this](const Sent& one) { return one.number > handled_; });
  let_go_of_process(Steady::now() + kToEnd);
  if (requests_ != nullptr) requests_->forget_timers();
  if (!started_ || closing_.load(std::memory_order_relaxed)) return;
  const std::string words = "its process " + last_end_;
  api_->report_error(host_, to_view(words));
  process_has_ended();  // where no further event does it, the worker starts it again by itself
}

/// What it asked for nobody waits for any more.
void ChildPlugin::take_what_it_said() {
  const Time deadline = Steady::now() + kToEnd;
  std::string_view frame;
  try {
    while (channel_->receive(frame, deadline) == Channel::Got::frame) {
      wire::Reader in(frame);
      if (in.kind() == wire::Kind::handled) {
        handled_ = std::max(handled_, std::min(in.get<std::uint64_t>(), next_number_ - 1));
      } else if (in.kind() == wire::Kind::failed) {
        take_failed(in);
      }
    }
  } catch (const wire::WireError&) {
    // It wrote that while it broke.
  }
}

/// The process has ended in this event.
void ChildPlugin::blame(std::uint64_t number) {
  const auto found = std::find_if(sent_.begin(), sent_.end(),
                                  [&](const Sent& one) { return one.number == number; });
  if (found == sent_.end()) return;
  if (deaths_.size() >= kDeathsKeptMax) deaths_.clear();
  ++deaths_[key_of(found->tag, found->id)];
}

}  // namespace busway::plugin_host_detail
