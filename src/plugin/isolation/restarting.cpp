// The process of a plugin begins, ends, and is started again.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <system_error>
#include <utility>

#include "base/deadline.hpp"
#include "base/duration_words.hpp"
#include "base/escape.hpp"
#include "busway/error.hpp"
#include "plugin/abi_values.hpp"
#include "plugin/isolation/attendant.hpp"
#include "plugin/isolation/child_plugin.hpp"

namespace busway::plugin_host_detail {

using platform_detail::ChildProcess;
using platform_detail::Descriptor;
using wire::Call;

namespace {

struct Pair {
  Descriptor ours;
  Descriptor theirs;
};

[[nodiscard]] Pair make_pair(int type) {
  int ends[2] = {-1, -1};
  if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) != 0) {
    throw std::system_error(errno, std::system_category(), "socketpair");
  }
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

}  // namespace

/// Memory that the process may write to, and neither shrink nor take away.
void ChildPlugin::map_progress() {
  if (progress_ != nullptr) return;
  Descriptor memory(::memfd_create("busway-progress", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  if (!memory.valid() || ::ftruncate(memory.get(), sizeof(wire::Progress)) != 0 ||
      ::fcntl(memory.get(), F_ADD_SEALS, kSeals) != 0) {
    throw std::system_error(errno, std::system_category(), "memfd_create");
  }
  void* const mapped =
      ::mmap(nullptr, sizeof(wire::Progress), PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0);
  if (mapped == MAP_FAILED) throw std::system_error(errno, std::system_category(), "mmap");
  progress_ = static_cast<wire::Progress*>(mapped);
  progress_memory_ = std::move(memory);
}

void ChildPlugin::start_process() {
  try {
    map_progress();
    numbers_before_ = last_number_.load();
    std::atomic_ref(progress_->begun).store(numbers_before_, std::memory_order_relaxed);
    std::atomic_ref(progress_->done).store(numbers_before_, std::memory_order_relaxed);
    std::atomic_ref(progress_->revoked).store(numbers_before_, std::memory_order_relaxed);
    Pair socket = make_pair(SOCK_STREAM);
    Pair door = make_pair(SOCK_SEQPACKET);
    ChildProcess process = ChildProcess::start(options_.program, {},
                                               {{socket.theirs.get(), wire::kSocket},
                                                {door.theirs.get(), wire::kDoor},
                                                {progress_memory_.get(), wire::kProgress},
                                                {options_.library, wire::kLibrary}});
    const int watched = process.descriptor();
    attendant_ = std::make_unique<Attendant>(std::move(process), std::move(door.ours),
                                             frame_bytes_max_, [this] { process_has_ended(); });
    channel_ = std::make_unique<Channel>(std::move(socket.ours), frame_bytes_max_, watched);
  } catch (const std::system_error& error) {
    channel_.reset();
    throw Error(ErrorCode::plugin_failed,
                "no process could be started for it: " + escape(error.what(), 300));
  }
  process_id_.store(attendant_->process_id(), std::memory_order_relaxed);
  {
    const std::lock_guard lock(mutex_);
    killable_ = attendant_.get();
    if (closing_.load(std::memory_order_relaxed)) killable_->kill();
  }

  wire::put_opening(channel_->out(), options_.opening);
  const Time deadline = deadline_after(options_.call_timeout);
  std::string_view frame;
  Channel::Got got = Channel::Got::ended;
  if (channel_->flush(deadline)) got = channel_->receive(frame, deadline);
  if (got == Channel::Got::frame) {
    try {
      wire::Reader in(frame);
      if (in.kind() == wire::Kind::facts) {
        wire::Facts facts = wire::get_facts(in);
        if (table_.size == 0) facts_ = std::move(facts);  // else it is the same library
        return;
      }
      if (in.kind() == wire::Kind::refused) {
        const auto code = in.get<ErrorCode>();
        const std::string_view said = in.text();
        const std::string file = "the plugin file " + quote(options_.opening.path);
        std::string words = escape(said, 1000);
        if (said.find(file) == std::string_view::npos) {
          words = file + " cannot be opened" +
                  (said.empty() ? ", and the process that was to do so does not say why"
                                : ": " + words);
        }
        attendant_->kill();
        let_go_of_process(std::chrono::steady_clock::now());
        begin_next_epoch();
        throw Error(code == ErrorCode::plugin_abi ? code : ErrorCode::bad_plugin_file, words);
      }
    } catch (const wire::WireError&) {
      // Answered below.
    }
  }
  ended(got == Channel::Got::ended ? std::string_view()
        : got == Channel::Got::frame
            ? std::string_view("broke the rules of its connection and was killed")
            : std::string_view("did not open the library in time and was killed"));
  throw Error(ErrorCode::bad_plugin_file, "the plugin file " + quote(options_.opening.path) +
                                              " cannot be opened: the process that did so " +
                                              last_end_);
}

void ChildPlugin::let_go_of_process(Time deadline) {
  channel_.reset();
  process_id_.store(0, std::memory_order_relaxed);
  {
    const std::lock_guard lock(mutex_);
    killable_ = nullptr;
  }
  (void)attendant_->wait(deadline);
  // One of its threads may still be waiting for what it had asked for.
  earlier_.push_back(std::move(attendant_));
  std::erase_if(earlier_, [](const auto& one) { return one->idle(); });
}

void ChildPlugin::close_process(Time deadline) {
  if (alive()) let_go_of_process(deadline);
  earlier_.clear();
}

/// After let_go_of_process(): what the process asked for, or would have, is over.
void ChildPlugin::begin_next_epoch() {
  if (requests_ != nullptr) requests_->begin_epoch();
  if (on_end_.on_worker) on_end_.on_worker();
}

/// On the attendant's thread.
void ChildPlugin::process_has_ended() noexcept {
  if (!watched_.load(std::memory_order_acquire)) return;
  if (on_end_.at_once) on_end_.at_once();
  look_after_process();
}

/// The worker is told as by a timer.
void ChildPlugin::look_after_process() noexcept {
  (void)api_->schedule(host_, 0, kLookAfterProcess, nullptr);
}

// -- Again ----------------------------------------------------------------------------------------

bool ChildPlugin::revive() {
  if (closing_.load(std::memory_order_relaxed) || !gone_because().empty() || reviving_)
    return false;
  reviving_ = true;
  bool back = false;
  while (!back) {
    const auto delay = restart_policy_.ended(std::chrono::steady_clock::now());
    if (!delay) {
      set_gone("it has ended more than " + std::to_string(restart_policy_.max()) +
               " times within " + duration_words(restart_policy_.within()) +
               " and is not started again (the last time: it " + last_end_ + ")");
      break;
    }
    if (!wait_before_restart(*delay)) break;
    back = start_again();
    if (!back) {
      const std::string words = "its process could not be started again: " + last_end_;
      api_->report_error(host_, to_view(words));
    }
  }
  reviving_ = false;
  return back;
}

/// False: it is to be closed.
bool ChildPlugin::wait_before_restart(std::chrono::nanoseconds delay) {
  const auto closing = [this] { return closing_.load(std::memory_order_relaxed); };
  std::unique_lock lock(mutex_);
  closing_changed_.wait_for(lock, delay, closing);
  return !closing();
}

/// False: it did not go well, and why is in last_end_.
bool ChildPlugin::step(Call what, std::string_view argument, std::string_view name) {
  if (!wire::offers(facts_.functions, what)) return true;
  const Returned returned = call(what, argument, Time::max());
  if (returned.status == BUSWAY_OK) return true;
  if (alive()) {
    last_end_ = "failed in " + std::string(name) + ": " + returned.words;
    attendant_->kill();
    let_go_of_process(std::chrono::steady_clock::now());
    begin_next_epoch();
  }
  return false;
}

bool ChildPlugin::bring_up() {
  if (closing_.load(std::memory_order_relaxed)) return false;
  try {
    start_process();
  } catch (const Error& error) {
    last_end_ = error.what();
    return false;
  }
  attendant_->begin(*requests_);
  const busway_view id = api_->plugin_id(host_);
  return step(Call::create, {id.data, id.size}, "create") &&
         (!config_ || step(Call::setup, *config_, "setup"));
}

bool ChildPlugin::start_again() {
  if (!bring_up() || !step(Call::start, {}, "start")) return false;
  restarts_.fetch_add(1, std::memory_order_relaxed);
  if (sources_begun_) return step(Call::begin_sources, {}, "begin_sources");
  // The earlier one had been asked to end them, and may not have said that it has.
  if (!sources_ending_) return true;
  const Returned returned = call(Call::end_sources, {}, Time::max());
  if (returned.status != BUSWAY_OK) (void)api_->set_source_state(host_, BUSWAY_SOURCE_ENDED);
  return alive();
}

}  // namespace busway::plugin_host_detail
