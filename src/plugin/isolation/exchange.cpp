// What goes to the process of a plugin, and what comes back.
#include <algorithm>
#include <atomic>
#include <exception>
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
constexpr std::size_t kSentKeptMax = 1024;
constexpr std::chrono::milliseconds kLookAtProgressEvery(1);
constexpr std::size_t kWordsBytesMax = 1000;

/// Why a flush has failed. Empty: the process has gone, which says itself why.
[[nodiscard]] std::string_view why_not_sent(Steady::time_point deadline) {
  return Steady::now() < deadline ? std::string_view()
                                  : "did not read what it was sent in time and was killed";
}

}  // namespace

// -- To the process -------------------------------------------------------------------------------

void ChildPlugin::put_event(wire::Writer& frame, const Sent& as, const busway_event& event,
                            const busway_delivery& delivery) {
  frame.put(as.number)
      .put(requests_->tag_of_subscription(as.tag).value_or(0))
      .put(delivery.attempt)
      .put(delivery.flags)
      .put(delivery.time_left_ns);
  wire::put_event(frame, event);
}

bool ChildPlugin::send_ahead(std::uint64_t tag, std::span<const ComingEvent> events) {
  take_back();
  if (!alive() || !requests_->tag_of_subscription(tag)) return false;
  const std::uint64_t run = next_run_++;
  const std::size_t before = channel_->out().size();
  bool any = false;
  {
    wire::Writer frame(channel_->out(), wire::Kind::events);
    for (const ComingEvent& one : events) {
      if (channel_->out().size() - before > kAheadBytesMax) break;
      const std::size_t whole = channel_->out().size();
      try {
        const EventView view(*one.event);
        // Handled already, in a run that was given back.
        if (find_sent(tag, view.raw().id, one.attempt) != sent_.end()) continue;
        busway_delivery delivery{};
        delivery.attempt = one.attempt;
        delivery.flags = one.flags;
        delivery.time_left_ns = one.time_left_ns;
        Sent sent{.number = last_number_.load(std::memory_order_relaxed) + 1,
                  .run = run,
                  .tag = tag,
                  .attempt = one.attempt};
        std::copy(std::begin(view.raw().id), std::end(view.raw().id), std::begin(sent.id));
        put_event(frame, sent, view.raw(), delivery);
        sent_.push_back(sent);
        last_number_.store(sent.number, std::memory_order_relaxed);
        any = true;
      } catch (const std::exception&) {
        // It has no form for plugins, which will be said in its turn.
        channel_->out().resize(whole);
        break;
      }
    }
  }
  if (!any) {
    channel_->out().resize(before);
    return false;
  }
  const Time deadline = deadline_after(hard_deadline_);
  if (!channel_->flush(deadline)) ended(why_not_sent(deadline));
  return true;
}

std::uint64_t ChildPlugin::send_one(std::uint64_t tag, const busway_event& event,
                                    const busway_delivery& delivery) {
  Sent sent{.number = last_number_.load(std::memory_order_relaxed) + 1,
            .run = next_run_++,
            .tag = tag,
            .attempt = delivery.attempt};
  std::copy(std::begin(event.id), std::end(event.id), std::begin(sent.id));
  {
    wire::Writer frame(channel_->out(), wire::Kind::events);
    put_event(frame, sent, event, delivery);
  }
  sent_.push_back(sent);
  last_number_.store(sent.number, std::memory_order_relaxed);
  return sent.number;
}

std::deque<ChildPlugin::Sent>::iterator ChildPlugin::find_sent(std::uint64_t tag,
                                                               const std::uint8_t (&id)[16],
                                                               std::uint32_t attempt) {
  return std::find_if(sent_.begin(), sent_.end(), [&](const Sent& one) {
    return one.tag == tag && one.attempt == attempt &&
           std::equal(std::begin(one.id), std::end(one.id), std::begin(id));
  });
}

bool ChildPlugin::is_sent(std::uint64_t number) const {
  return std::any_of(sent_.begin(), sent_.end(),
                     [&](const Sent& one) { return one.number == number; });
}

/// Whether the process has not said yet what became of it.
bool ChildPlugin::is_open(const Sent& one) const {
  return one.number > handled_ && !failed_.contains(one.number);
}

void ChildPlugin::forget(std::uint64_t number) {
  std::erase_if(sent_, [&](const Sent& one) { return one.number == number; });
}

void ChildPlugin::revoke() noexcept {
  std::atomic_ref(progress_->revoked)
      .store(last_number_.load(std::memory_order_relaxed), std::memory_order_release);
}

void ChildPlugin::take_back() {
  const auto any_open = [this] {
    return std::any_of(sent_.begin(), sent_.end(),
                       [this](const Sent& one) { return is_open(one); });
  };
  if (any_open()) {
    revoke();
    taking_back_ = true;
    read_until([&] { return !any_open(); },
               {.deadline = deadline_after(hard_deadline_), .what = "an event"});
    taking_back_ = false;
  }
  // Those that nobody has come for: their subscription has ended.
  while (sent_.size() > kSentKeptMax) {
    failed_.erase(sent_.front().number);
    sent_.pop_front();
  }
}

// -- From the process -----------------------------------------------------------------------------

/// One that names what it was never sent does not keep to the rules: nothing it says of events can
/// be believed, so it is not read as if it had meant another.
std::uint64_t ChildPlugin::number_it_was_sent(std::uint64_t number) const {
  if (number > numbers_before_ && number <= last_number_.load(std::memory_order_relaxed))
    return number;
  throw wire::WireError("event " + std::to_string(number) + ", which it was never sent");
}

/// Events that were handled well are told of together; where the next one takes long, this is
/// sooner.
void ChildPlugin::look_at_progress() {
  const std::uint64_t done = std::atomic_ref(progress_->done).load(std::memory_order_acquire);
  if (done != numbers_before_) handled_ = std::max(handled_, number_it_was_sent(done));
}

void ChildPlugin::read_until(const std::function<bool()>& enough, const Wait& wait) {
  if (!channel_->flush(wait.deadline)) return ended(why_not_sent(wait.deadline));
  const bool soft = options_.rules.soft_deadline.has_value() && started_;
  Time report = soft ? deadline_after(*options_.rules.soft_deadline) : Time::max();
  Time revoke_at = wait.revoke_at;
  while (!enough()) {
    Time until = std::min({wait.deadline, report, revoke_at});
    if (sent_.size() > 1) until = std::min(until, Steady::now() + kLookAtProgressEvery);
    std::string_view frame;
    switch (channel_->receive(frame, until)) {
      case Channel::Got::frame:
        take(frame);
        if (!alive()) return;
        break;
      case Channel::Got::ended: return ended({});
      case Channel::Got::timed_out: break;
    }
    try {
      look_at_progress();
    } catch (const wire::WireError& error) {
      return broke_the_rules(error);
    }
    const Time now = Steady::now();
    if (enough()) return;
    if (now >= revoke_at) {
      revoke();
      revoke_at = Time::max();
    }
    if (now >= wait.deadline) {
      return ended("did not come back from " + escape(wait.what, 200) + " in time and was killed");
    }
    if (now >= report) {
      report = Time::max();
      const std::string words = "it has been busy with " + escape(wait.what, 200) + " for " +
                                duration_words(*options_.rules.soft_deadline) +
                                " (its soft deadline)";
      api_->report_error(host_, to_view(words));
    }
  }
}

void ChildPlugin::take(std::string_view frame) {
  try {
    wire::Reader in(frame);
    switch (in.kind()) {
      case wire::Kind::handled:
        handled_ = std::max(handled_, number_it_was_sent(in.get<std::uint64_t>()));
        return;
      case wire::Kind::failed: return take_failed(in);
      case wire::Kind::skipped: return take_skipped(in.get<std::uint64_t>());
      case wire::Kind::returned: {
        const auto call = calls_.find(in.get<std::uint64_t>());
        if (call == calls_.end() || call->second) throw wire::WireError("a call nobody has made");
        Returned returned;
        returned.status = in.get<busway_status>();
        returned.words = in.text().substr(0, kWordsBytesMax);  // escaped where all words are
        returned.value = in.text();
        call->second = std::move(returned);
        return;
      }
      default: return serve(frame);
    }
  } catch (const wire::WireError& error) {
    broke_the_rules(error);
  }
}

/// What followed in its run was not handled: when its turn comes it is sent again.
void ChildPlugin::take_failed(wire::Reader& in) {
  Failed failed;
  failed.number = number_it_was_sent(in.get<std::uint64_t>());
  failed.status = in.get<busway_status>();
  failed.words = in.text().substr(0, kWordsBytesMax);
  failed.retry_delay_ns = in.get<std::int64_t>();
  const auto found = std::find_if(sent_.begin(), sent_.end(),
                                  [&](const Sent& one) { return one.number == failed.number; });
  if (found == sent_.end()) return;  // nobody waits for it
  drop_rest_of_run(std::next(found));
  failed_.emplace(failed.number, std::move(failed));
}

void ChildPlugin::take_skipped(std::uint64_t number) {
  const auto found = std::find_if(
      sent_.begin(), sent_.end(),
      [&, sent = number_it_was_sent(number)](const Sent& one) { return one.number == sent; });
  if (found != sent_.end()) drop_rest_of_run(found);
}

void ChildPlugin::drop_rest_of_run(std::deque<Sent>::iterator from) {
  if (from == sent_.end()) return;
  const std::uint64_t run = from->run;
  const std::uint64_t first = from->number;
  std::erase_if(sent_, [&](const Sent& one) { return one.run == run && one.number >= first; });
}

void ChildPlugin::serve(std::string_view frame) {
  if (requests_ == nullptr) throw wire::WireError("a request before it was created");
  const std::string mine(frame);  // what is read meanwhile takes its place
  const Channel* const asked = channel_.get();
  std::string answer;
  requests_->serve(mine, requests_->epoch(), deliveries_, answer);
  if (channel_.get() != asked || answer.empty()) return;
  channel_->out() += answer;
  const Time deadline = deadline_after(hard_deadline_);
  if (!channel_->flush(deadline)) ended(why_not_sent(deadline));
}

}  // namespace busway::plugin_host_detail
