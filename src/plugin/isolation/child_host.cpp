#include "plugin/isolation/child_host.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <exception>
#include <memory>
#include <new>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>

#include "busway/error.hpp"
#include "plugin/abi_values.hpp"
#include "plugin/isolation/channel.hpp"
#include "plugin/isolation/wire.hpp"
#include "plugin/plugin_image.hpp"

namespace busway::plugin_host_detail {

using platform_detail::Descriptor;
using wire::Call;
using wire::Kind;
using wire::Reader;
using wire::Writer;

namespace {

using Steady = std::chrono::steady_clock;

/// Handlers that take long tell how far they have come; many short ones are told of at once.
constexpr std::chrono::microseconds kTellAfter(300);
/// What a plugin that does not come back gets when the host is gone.
constexpr std::chrono::seconds kAfterHost(2);

struct Answer {
  busway_status status = BUSWAY_STOPPED;
  std::string value;
};

/// A call into the plugin that the main thread is in.
struct Callback {
  std::string message;
  std::uint64_t number = 0;  // of a delivery
  std::int64_t retry_delay_ns = 0;
  Callback* outer = nullptr;
};

class Process {
 public:
  explicit Process(Channel& channel, wire::Progress& progress)
      : channel_(channel), progress_(progress) {}

  int run();

  // For the table that the plugin gets. On the main thread, or on one of the plugin's own.
  [[nodiscard]] Answer ask(const std::string& frame);
  void tell(const std::string& frame);
  [[nodiscard]] bool on_main_thread() const noexcept { return std::this_thread::get_id() == main_; }
  [[nodiscard]] Callback* callback() const noexcept {
    return on_main_thread() ? callback_ : nullptr;
  }
  [[nodiscard]] Callback* delivery(std::uint64_t number) const noexcept;
  [[nodiscard]] std::string& plugin_id() noexcept { return plugin_id_; }
  [[nodiscard]] std::size_t state_bytes_max() const noexcept { return state_bytes_max_; }
  /// Null outside save_state().
  [[nodiscard]] std::string* state() const noexcept { return on_main_thread() ? state_ : nullptr; }

 private:
  [[nodiscard]] bool open_library();
  void apply_limits(const wire::Opening& opening) const;
  void handle(std::string_view frame);
  void handle_events(std::string_view frame);
  void handle_call(std::string_view frame);
  [[nodiscard]] busway_status make(Call what, Reader& in, Callback& mine, std::string& value);
  [[nodiscard]] busway_status deliver(Reader& in, Callback& mine);
  void note_handled(std::uint64_t number);
  void put_handled();
  void flush();
  [[nodiscard]] std::string next_frame();

  Channel& channel_;
  wire::Progress& progress_;
  const std::thread::id main_ = std::this_thread::get_id();
  std::unique_ptr<PluginImage> image_;
  busway_plugin* plugin_ = nullptr;
  std::string plugin_id_;
  std::string* state_ = nullptr;
  std::size_t state_bytes_max_ = 0;
  Callback* callback_ = nullptr;
  std::deque<std::string> later_;  // came while an answer was waited for
  /// What two threads say to each other by way of the host is ordered for them as well: written
  /// before each frame that is sent, read after each that has come.
  std::atomic<std::uint64_t> frames_{0};
  std::uint64_t handled_ = 0;
  std::uint64_t told_ = 0;
  Steady::time_point told_at_;
};

Process* process = nullptr;

/// With all that the plugin has started, for the host may be gone and kill nobody any more. Without
/// the destructors of statics: the plugin's threads may still use them.
[[noreturn]] void leave() {
  const bool has_group = ::getpgrp() == ::getpid();
  (void)::kill(has_group ? 0 : ::getpid(), SIGKILL);
  std::_Exit(0);
}

// -- The threads of the plugin's own --------------------------------------------------------------

/// A socket to a thread of the host's, for the thread that has it.
std::unique_ptr<Channel> knock() {
  int ends[2] = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return nullptr;
  auto mine = std::make_unique<Channel>(Descriptor(ends[0]), wire::kFrameBytesMax);
  const Descriptor theirs(ends[1]);
  char byte = 0;
  iovec text{&byte, 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &text;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* const rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof(int));
  const int handed = theirs.get();
  std::memcpy(CMSG_DATA(rights), &handed, sizeof handed);
  while (::sendmsg(wire::kDoor, &message, MSG_NOSIGNAL) < 0) {
    if (errno != EINTR) return nullptr;
  }
  return mine;
}

Channel* side_channel() {
  thread_local std::unique_ptr<Channel> mine;
  if (mine == nullptr) mine = knock();
  return mine.get();
}

/// Why the last call of this thread failed.
std::string& words() noexcept {
  thread_local std::string text;
  return text;
}

Answer read_answer(Reader& in) {
  Answer answer;
  answer.status = in.get<busway_status>();
  words() = in.text();
  answer.value = in.text();
  return answer;
}

Answer gone() {
  words() = "the host is gone, or takes no more threads of this plugin";
  return {};
}

}  // namespace

// -- What the plugin asks for ---------------------------------------------------------------------

Answer Process::ask(const std::string& frame) {
  if (!on_main_thread()) {
    Channel* const side = side_channel();
    if (side == nullptr) return gone();
    side->out() += frame;
    frames_.fetch_add(1, std::memory_order_release);
    std::string_view came;
    if (!side->flush() || side->receive(came) != Channel::Got::frame) return gone();
    (void)frames_.load(std::memory_order_acquire);
    Reader in(came);
    return read_answer(in);
  }
  put_handled();
  channel_.out() += frame;
  flush();
  for (;;) {
    std::string_view came;
    if (channel_.receive(came) != Channel::Got::frame) leave();
    (void)frames_.load(std::memory_order_acquire);
    Reader in(came);
    if (in.kind() == Kind::answer) return read_answer(in);
    if (in.kind() == Kind::call) {
      handle_call(std::string(came));
    } else {
      later_.emplace_back(came);
    }
  }
}

void Process::tell(const std::string& frame) {
  Channel* const channel = on_main_thread() ? &channel_ : side_channel();
  if (channel == nullptr) return;
  channel->out() += frame;
  frames_.fetch_add(1, std::memory_order_release);
  if (!channel->flush() && on_main_thread()) leave();
}

Callback* Process::delivery(std::uint64_t number) const noexcept {
  Callback* one = callback();
  while (one != nullptr && one->number != number) one = one->outer;
  return one;
}

namespace {

busway_status refuse(busway_status status, std::string_view why) {
  words() = why;
  return status;
}

template <class T>
void read_value(const Answer& answer, T& out) {
  if (answer.value.size() == sizeof out) std::memcpy(&out, answer.value.data(), sizeof out);
}

/// A frame of numbers and texts.
template <class... Parts>
std::string frame_of(Kind kind, const Parts&... parts) {
  std::string out;
  {
    Writer frame(out, kind);
    const auto put = [&frame](const auto& part) {
      if constexpr (std::is_same_v<std::decay_t<decltype(part)>, busway_view>) {
        frame.view(part);
      } else {
        frame.put(part);
      }
    };
    (put(parts), ...);
  }
  return out;
}

/// Runs f; an exception becomes a status.
template <class F>
busway_status guard(F&& f) noexcept {
  try {
    return f();
  } catch (const std::bad_alloc&) {
    return BUSWAY_OUT_OF_MEMORY;
  } catch (const std::exception& error) {
    try {
      return refuse(BUSWAY_INTERNAL, error.what());
    } catch (const std::exception&) {
      return BUSWAY_OUT_OF_MEMORY;
    }
  }
}

/// As the host reads structs: what the plugin filled, the rest zero.
template <class T, class Use>
busway_status with_struct(const T* given, std::string_view what, Use&& use) {
  try {
    return use(read_struct(given, what));
  } catch (const Error& error) {
    return refuse(BUSWAY_INVALID_ARGUMENT, error.what());
  }
}

std::string message_frame(Kind kind, const auto& first, const busway_message& message) {
  std::string out;
  {
    Writer frame(out, kind);
    frame.put(first);
    wire::put_message(frame, message);
  }
  return out;
}

constexpr busway_host_api make_table() noexcept {
  busway_host_api table{};
  table.size = sizeof table;
  table.abi = BUSWAY_ABI;
  table.plugin_id = [](busway_host*) { return to_view(process->plugin_id()); };
  table.last_message = [](busway_host*) { return to_view(words()); };
  table.set_message = [](busway_host*, busway_view message) {
    constexpr std::size_t kMessageBytesMax = 4096;
    Callback* const mine = process->callback();
    if (mine == nullptr || message.data == nullptr) return;
    (void)guard([&]() -> busway_status {
      mine->message.assign(message.data, std::min(message.size, kMessageBytesMax));
      return BUSWAY_OK;
    });
  };
  table.subscribe = [](busway_host*, const busway_view* patterns, std::size_t count,
                       const busway_subscribe_options* options, std::uint64_t tag,
                       std::uint64_t* out_id) {
    return guard([&]() -> busway_status {
      if (patterns == nullptr && count != 0)
        return refuse(BUSWAY_INVALID_ARGUMENT, "the patterns are null");
      const auto ask_for = [&](const busway_subscribe_options* read) {
        std::string out;
        {
          Writer frame(out, Kind::subscribe);
          frame.put(tag).put(static_cast<std::uint8_t>(read != nullptr));
          if (read != nullptr) wire::put_options(frame, *read);
          frame.put(static_cast<std::uint32_t>(count));
          for (std::size_t i = 0; i < count; ++i) frame.view(patterns[i]);
        }
        const Answer answer = process->ask(out);
        if (answer.status == BUSWAY_OK && out_id != nullptr) read_value(answer, *out_id);
        return answer.status;
      };
      if (options == nullptr) return ask_for(nullptr);
      return with_struct(options, "options",
                         [&](const busway_subscribe_options& read) { return ask_for(&read); });
    });
  };
  table.unsubscribe = [](busway_host*, std::uint64_t id) {
    return guard(
        [&]() -> busway_status { return process->ask(frame_of(Kind::unsubscribe, id)).status; });
  };
  table.publish = [](busway_host*, const busway_message* message, busway_publish_result* result) {
    return guard([&]() -> busway_status {
      return with_struct(message, "message", [&](const busway_message& read) {
        const auto wants = static_cast<std::uint8_t>(result != nullptr);
        const Answer answer = process->ask(message_frame(Kind::publish, wants, read));
        busway_publish_result full{};
        if (result != nullptr && answer.value.size() == sizeof full) {
          read_value(answer, full);
          write_struct(result, full);
        }
        return answer.status;
      });
    });
  };
  table.request = [](busway_host*, const busway_message* message, std::int64_t timeout_ns,
                     busway_on_reply on_reply, void* user) {
    return guard([&]() -> busway_status {
      if (on_reply == nullptr)
        return refuse(BUSWAY_INVALID_ARGUMENT, "on_reply is null; a request needs it");
      return with_struct(message, "message", [&](const busway_message& read) {
        const Answer answer = process->ask(message_frame(Kind::request, timeout_ns, read));
        if (answer.status != BUSWAY_OK) return answer.status;
        Reader in(std::string_view(answer.value).substr(sizeof(std::uint32_t)));
        const busway_event event = wire::get_event(in);
        on_reply(user, &event);
        return answer.status;
      });
    });
  };
  table.reply = [](busway_host*, std::uint64_t delivery_id, std::uint32_t kind, busway_view payload,
                   busway_view content_type) {
    return guard([&]() -> busway_status {
      return process->ask(frame_of(Kind::reply, delivery_id, kind, payload, content_type)).status;
    });
  };
  table.set_retry_delay = [](busway_host*, std::uint64_t delivery_id, std::int64_t delay_ns) {
    return guard([&]() -> busway_status {
      if (delay_ns < 0) return refuse(BUSWAY_INVALID_ARGUMENT, "delay_ns is negative");
      Callback* const mine = process->delivery(delivery_id);
      if (mine == nullptr || delivery_id == 0) {
        return refuse(BUSWAY_WRONG_STATE,
                      "this delivery is over, or this is not the thread on which it was made");
      }
      mine->retry_delay_ns = delay_ns;
      return BUSWAY_OK;
    });
  };
  table.stop_requested = [](busway_host*, std::uint64_t delivery_id) {
    std::uint32_t asked = 1;
    (void)guard([&]() -> busway_status {
      read_value(process->ask(frame_of(Kind::stop_requested, delivery_id)), asked);
      return BUSWAY_OK;
    });
    return asked;
  };
  table.schedule = [](busway_host*, std::int64_t delay_ns, std::uint64_t tag,
                      std::uint64_t* out_id) {
    return guard([&]() -> busway_status {
      const Answer answer = process->ask(frame_of(Kind::schedule, delay_ns, tag));
      if (answer.status == BUSWAY_OK && out_id != nullptr) read_value(answer, *out_id);
      return answer.status;
    });
  };
  table.cancel_timer = [](busway_host*, std::uint64_t id) {
    return guard(
        [&]() -> busway_status { return process->ask(frame_of(Kind::cancel_timer, id)).status; });
  };
  table.log = [](busway_host*, std::uint32_t level, busway_view message) {
    (void)guard([&]() -> busway_status {
      process->tell(frame_of(Kind::log, level, message));
      return BUSWAY_OK;
    });
  };
  table.report_error = [](busway_host*, busway_view message) {
    (void)guard([&]() -> busway_status {
      process->tell(frame_of(Kind::report_error, message));
      return BUSWAY_OK;
    });
  };
  table.set_source_state = [](busway_host*, std::uint32_t state) {
    return guard([&]() -> busway_status {
      return process->ask(frame_of(Kind::set_source_state, state)).status;
    });
  };
  table.write_state = [](busway_host*, busway_view bytes) {
    return guard([&]() -> busway_status {
      std::string* const state = process->state();
      if (state == nullptr)
        return refuse(BUSWAY_WRONG_STATE, "write_state() is for use within save_state() only");
      if (bytes.size > process->state_bytes_max() - state->size()) {
        return refuse(BUSWAY_TOO_MANY, "the state of this plugin may have " +
                                           std::to_string(process->state_bytes_max()) + " bytes");
      }
      if (bytes.data != nullptr) state->append(bytes.data, bytes.size);
      return BUSWAY_OK;
    });
  };
  return table;
}

constexpr busway_host_api kTable = make_table();

}  // namespace

// -- What the host asks for -----------------------------------------------------------------------

void Process::flush() {
  frames_.fetch_add(1, std::memory_order_release);
  if (!channel_.flush()) leave();
}

void Process::put_handled() {
  if (told_ == handled_) return;
  Writer(channel_.out(), Kind::handled).put(handled_);
  told_ = handled_;
}

void Process::note_handled(std::uint64_t number) {
  std::atomic_ref(progress_.done).store(number, std::memory_order_release);
  handled_ = number;
}

busway_status Process::deliver(Reader& in, Callback& mine) {
  busway_delivery delivery{};
  delivery.size = sizeof delivery;
  delivery.id = in.get<std::uint64_t>();
  const auto tag = in.get<std::uint64_t>();
  delivery.attempt = in.get<std::uint32_t>();
  delivery.flags = in.get<std::uint32_t>();
  delivery.time_left_ns = in.get<std::int64_t>();
  const busway_event event = wire::get_event(in);
  mine.number = delivery.id;
  return image_->api()->on_event(plugin_, tag, &event, &delivery);
}

/// In order; after the first that goes wrong the rest is left alone: the host decides.
void Process::handle_events(std::string_view frame) {
  Reader in(frame);
  told_at_ = Steady::now();
  while (in.more()) {
    Callback mine;
    mine.outer = std::exchange(callback_, &mine);
    // Its number, read ahead.
    Reader peek = in;
    const auto number = peek.get<std::uint64_t>();
    if (number <= std::atomic_ref(progress_.revoked).load(std::memory_order_acquire)) {
      callback_ = mine.outer;
      put_handled();
      Writer(channel_.out(), Kind::skipped).put(number);
      return flush();
    }
    std::atomic_ref(progress_.begun).store(number, std::memory_order_release);
    const busway_status status = deliver(in, mine);
    callback_ = mine.outer;
    if (status != BUSWAY_OK) {
      put_handled();
      Writer(channel_.out(), Kind::failed)
          .put(number)
          .put(status)
          .text(mine.message)
          .put(mine.retry_delay_ns);
      return flush();
    }
    note_handled(number);
    if (const auto now = Steady::now(); now - told_at_ > kTellAfter) {
      put_handled();
      flush();
      told_at_ = now;
    }
  }
  put_handled();
  flush();
}

void Process::handle_call(std::string_view frame) {
  Reader in(frame);
  const auto what = in.get<Call>();
  const auto number = in.get<std::uint64_t>();
  Callback mine;
  mine.outer = std::exchange(callback_, &mine);
  std::string value;
  const busway_status status = make(what, in, mine, value);
  callback_ = mine.outer;
  put_handled();
  Writer(channel_.out(), Kind::returned).put(number).put(status).text(mine.message).text(value);
  flush();
}

busway_status Process::make(Call what, Reader& in, Callback& mine, std::string& value) {
  const busway_plugin_api& api = *image_->api();
  const std::string_view argument = in.text();
  const auto put = [&value](const auto& number) {
    value.append(reinterpret_cast<const char*>(&number), sizeof number);
  };
  const auto get = [&argument](auto number) {
    if (argument.size() < sizeof number) leave();
    std::memcpy(&number, argument.data(), sizeof number);
    return number;
  };
  switch (what) {
    case Call::create:
      plugin_id_ = argument;
      // The one host there is in this process needs no name.
      return api.create(&kTable, reinterpret_cast<busway_host*>(this), &plugin_);
    case Call::destroy:
      if (busway_plugin* const gone = std::exchange(plugin_, nullptr)) api.destroy(gone);
      return BUSWAY_OK;
    case Call::setup: return api.setup(plugin_, to_view(argument));
    case Call::start: return api.start(plugin_);
    case Call::stop: return api.stop(plugin_);
    case Call::teardown: return api.teardown(plugin_);
    case Call::health: {
      std::uint32_t health = BUSWAY_HEALTH_OK;
      const busway_status status = api.health(plugin_, &health);
      put(health);
      return status;
    }
    case Call::on_timer:
      if (!BUSWAY_HAS(busway_plugin_api, &api, on_timer)) return BUSWAY_OK;
      return api.on_timer(plugin_, get(std::uint64_t{}));
    case Call::on_event: {
      Reader event(argument.substr(sizeof(std::uint32_t)));
      const busway_status status = deliver(event, mine);
      put(mine.retry_delay_ns);
      return status;
    }
    case Call::save_state: {
      std::uint32_t version = 0;
      std::string state;
      state_ = &state;
      const busway_status status = api.save_state(plugin_, &version);
      state_ = nullptr;
      put(version);
      value += state;
      return status;
    }
    case Call::restore_state: {
      const auto version = get(std::uint32_t{});
      return api.restore_state(plugin_, version, to_view(argument.substr(sizeof version)));
    }
    case Call::begin_sources: return api.begin_sources(plugin_);
    case Call::end_sources: return api.end_sources(plugin_);
  }
  leave();
}

void Process::handle(std::string_view frame) {
  switch (Reader(frame).kind()) {
    case Kind::events: return handle_events(frame);
    case Kind::call: return handle_call(frame);
    default: leave();
  }
}

std::string Process::next_frame() {
  if (!later_.empty()) {
    std::string first = std::move(later_.front());
    later_.pop_front();
    return first;
  }
  std::string_view came;
  if (channel_.receive(came) != Channel::Got::frame) return {};
  (void)frames_.load(std::memory_order_acquire);
  return std::string(came);
}

void Process::apply_limits(const wire::Opening& opening) const {
  const auto set = [](int what, std::uint64_t value, std::uint64_t beyond = 0) {
    if (value == 0) return;
    const rlimit limit{value, value + beyond};
    (void)::setrlimit(static_cast<__rlimit_resource>(what), &limit);
  };
  set(RLIMIT_AS, opening.memory_bytes_max);
  set(RLIMIT_NOFILE, opening.open_files_max);
  set(RLIMIT_CPU, opening.cpu_seconds_max, 1);  // SIGXCPU, which has a name, before SIGKILL
}

/// False: the host has been told why not.
bool Process::open_library() {
  const std::string frame = next_frame();
  if (frame.empty()) return false;
  Reader in(frame);
  if (in.kind() != Kind::open) return false;
  wire::Opening opening = wire::get_opening(in);
  apply_limits(opening);
  state_bytes_max_ = opening.state_bytes_max;
  try {
    image_ = std::make_unique<PluginImage>(Descriptor(wire::kLibrary), opening);
    image_->open();
  } catch (const Error& error) {
    Writer(channel_.out(), Kind::refused).put(error.code()).text(error.what());
    flush();
    return false;
  }
  wire::put_facts(channel_.out(), *image_->api());
  flush();
  return true;
}

int Process::run() {
  if (!open_library()) return 0;
  for (;;) {
    const std::string frame = next_frame();
    if (frame.empty()) break;
    handle(frame);
  }
  if (plugin_ == nullptr) (void)image_->close();
  leave();
}

// -- The process ----------------------------------------------------------------------------------

namespace {

/// Ends the process some time after the host has gone, whatever the plugin does.
void follow_host() {
  std::thread([] {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
    pollfd host{wire::kSocket, 0, 0};
    while (::poll(&host, 1, -1) <= 0 || (host.revents & (POLLHUP | POLLERR | POLLNVAL)) == 0) {
    }
    std::this_thread::sleep_for(kAfterHost);
    leave();
  }).detach();
}

[[nodiscard]] bool is_open(int descriptor) { return ::fcntl(descriptor, F_GETFD) >= 0; }

}  // namespace

int run_plugin_process() {
  for (const int one : {wire::kSocket, wire::kDoor, wire::kProgress, wire::kLibrary}) {
    if (!is_open(one)) return 1;
    (void)::fcntl(one, F_SETFD, FD_CLOEXEC);
  }
  // They are meant for the host, which then stops this one in its turn.
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) (void)::signal(signal, SIG_IGN);
  void* const shared = ::mmap(nullptr, sizeof(wire::Progress), PROT_READ | PROT_WRITE, MAP_SHARED,
                              wire::kProgress, 0);
  if (shared == MAP_FAILED) return 1;
  follow_host();
  Channel channel(Descriptor(wire::kSocket), wire::kFrameBytesMax);
  Process mine(channel, *static_cast<wire::Progress*>(shared));
  process = &mine;
  return mine.run();
}

std::optional<Error> probe_library(const std::string& path, int descriptor) {
  try {
    const auto image = [&] {
      if (descriptor < 0) return std::make_unique<PluginImage>(path, platform_detail::PathRules{});
      const wire::Opening opening{
          .path = path,
          .library_path = {},
          .image_name = "busway-probed-" + std::to_string(::getpid()) + ".so"};
      return std::make_unique<PluginImage>(Descriptor(descriptor), opening);
    }();
    image->open();
    (void)image->close();
  } catch (const Error& error) {
    return error;
  }
  return std::nullopt;
}

}  // namespace busway::plugin_host_detail
