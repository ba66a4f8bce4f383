// plugin/isolation/process/plugin_process.hpp -- the process of a plugin, as it calls the plugin.
// Layer: plugin
//
// Model      Reads what the host sends and makes the calls it asks for on the main thread, each
//            inside the one before where the plugin waits for an answer. What the plugin asks for
//            goes to the host: by the main socket from the main thread, by a socket of its own from
//            each other thread. There is one in a process.
// Threads    ask(), tell(), on_main_thread() and callback() are [any-thread]; the rest is the main
//            thread's.
// Ownership  Borrows the connection and the shared memory. Owns the library.
// Errors     Where the host is gone the process ends. A call that cannot be made for a thread of
//            the plugin's own answers BUSWAY_STOPPED.
// Cost       A frame each way for what is asked.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "busway/plugin.h"
#include "plugin/isolation/channel.hpp"
#include "plugin/isolation/wire.hpp"
#include "plugin/plugin_image.hpp"

namespace busway::plugin_host_detail {

/// What the host has answered.
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

class PluginProcess {
 public:
  explicit PluginProcess(Channel& channel, wire::Progress& progress)
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
  [[nodiscard]] busway_status make(wire::Call what, wire::Reader& in, Callback& mine,
                                   std::string& value);
  [[nodiscard]] busway_status deliver(wire::Reader& in, Callback& mine);
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
  std::chrono::steady_clock::time_point told_at_;
};

/// Ends the process with all that the plugin has started, for the host may be gone and kill nobody
/// any more. Without the destructors of statics: the plugin's threads may still use them.
[[noreturn]] void leave();
/// Why the last thing that this thread asked for failed.
[[nodiscard]] std::string& last_words() noexcept;

}  // namespace busway::plugin_host_detail
