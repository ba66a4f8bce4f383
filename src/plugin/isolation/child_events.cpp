// An event comes to its turn in the host, sent ahead or not.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <string>
#include <utility>

#include "base/deadline.hpp"
#include "plugin/isolation/child_plugin.hpp"

namespace busway::plugin_host_detail {

using wire::Call;

namespace {

constexpr unsigned kDeathsMax = 2;  // of the process on one event
/// For a handler that is told to stop at its deadline, until its process is killed.
constexpr std::chrono::seconds kGrace(1);

}  // namespace

std::string ChildPlugin::key_of(std::uint64_t tag, const std::uint8_t (&id)[16]) {
  return std::string(reinterpret_cast<const char*>(&tag), sizeof tag)
      .append(reinterpret_cast<const char*>(id), sizeof id);
}

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

}  // namespace busway::plugin_host_detail
