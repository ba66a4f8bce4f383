#include "plugin/isolation/process/plugin_process.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "busway/error.hpp"
#include "plugin/abi_values.hpp"
#include "plugin/isolation/process/table.hpp"

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

}  // namespace

void leave() {
  const bool has_group = ::getpgrp() == ::getpid();
  (void)::kill(has_group ? 0 : ::getpid(), SIGKILL);
  std::_Exit(0);
}

void PluginProcess::flush() {
  frames_.fetch_add(1, std::memory_order_release);
  if (!channel_.flush()) leave();
}

void PluginProcess::put_handled() {
  if (told_ == handled_) return;
  Writer(channel_.out(), Kind::handled).put(handled_);
  told_ = handled_;
}

void PluginProcess::note_handled(std::uint64_t number) {
  std::atomic_ref(progress_.done).store(number, std::memory_order_release);
  handled_ = number;
}

busway_status PluginProcess::deliver(Reader& in, Callback& mine) {
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
void PluginProcess::handle_events(std::string_view frame) {
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

void PluginProcess::handle_call(std::string_view frame) {
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

busway_status PluginProcess::make(Call what, Reader& in, Callback& mine, std::string& value) {
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
      return api.create(&table_for(*this), reinterpret_cast<busway_host*>(this), &plugin_);
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

void PluginProcess::handle(std::string_view frame) {
  switch (Reader(frame).kind()) {
    case Kind::events: return handle_events(frame);
    case Kind::call: return handle_call(frame);
    default: leave();
  }
}

std::string PluginProcess::next_frame() {
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

void PluginProcess::apply_limits(const wire::Opening& opening) const {
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
bool PluginProcess::open_library() {
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

int PluginProcess::run() {
  if (!open_library()) return 0;
  for (;;) {
    const std::string frame = next_frame();
    if (frame.empty()) break;
    handle(frame);
  }
  if (plugin_ == nullptr) (void)image_->close();
  leave();
}

}  // namespace busway::plugin_host_detail
