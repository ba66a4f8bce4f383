// The process of a plugin has ended, or is to: what became of what it was sent.
#include <algorithm>
#include <atomic>
#include <string>

#include "plugin/abi_values.hpp"
#include "plugin/isolation/attendant.hpp"
#include "plugin/isolation/child_plugin.hpp"

namespace busway::plugin_host_detail {
namespace {

using Steady = std::chrono::steady_clock;

constexpr std::size_t kDeathsKeptMax = 1024;
/// For a process that has closed its socket, or was killed, until it is gone.
constexpr std::chrono::seconds kToEnd(2);
constexpr std::chrono::milliseconds kToClose(500);

}  // namespace

void ChildPlugin::broke_the_rules(const wire::WireError& error) {
  ended("broke the rules of its connection (" + std::string(error.what()) + ") and was killed");
}

void ChildPlugin::ended(std::string_view why) {
  // One that only closed its socket, or whose child holds it, is killed as well.
  const bool by_itself = why.empty() && attendant_->ends_by(Steady::now() + kToClose);
  attendant_->kill();
  take_what_it_said();
  const platform_detail::ProcessEnd end = attendant_->wait(Steady::now() + kToEnd);
  last_end_ = by_itself     ? to_words(end)
              : why.empty() ? "closed its connection, or sent what makes no sense, and was killed"
                            : std::string(why);

  try {
    look_at_progress();
  } catch (const wire::WireError&) {
    // Then what it has said before counts.
  }
  const std::uint64_t begun = std::atomic_ref(progress_->begun).load(std::memory_order_acquire);
  if (begun > handled_ && !failed_.contains(begun)) blame(begun);
  std::erase_if(sent_, [this](const Sent& one) { return is_open(one); });
  let_go_of_process(Steady::now() + kToEnd);
  begin_next_epoch();
  if (!started_ || closing_.load(std::memory_order_relaxed)) return;
  const std::string words = "its process " + last_end_;
  api_->report_error(host_, to_view(words));
  look_after_process();  // where no further event does it, the worker starts it again by itself
}

/// What it asked for nobody waits for any more.
void ChildPlugin::take_what_it_said() {
  const Time deadline = Steady::now() + kToEnd;
  std::string_view frame;
  try {
    while (channel_->receive(frame, deadline) == Channel::Got::frame && Steady::now() < deadline) {
      wire::Reader in(frame);
      if (in.kind() == wire::Kind::handled) {
        handled_ = std::max(handled_, number_it_was_sent(in.get<std::uint64_t>()));
      } else if (in.kind() == wire::Kind::failed) {
        take_failed(in);
      } else if (in.kind() == wire::Kind::skipped) {
        take_skipped(in.get<std::uint64_t>());
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
