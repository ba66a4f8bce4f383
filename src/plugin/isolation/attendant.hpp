// plugin/isolation/attendant.hpp -- looks after one process of a plugin beside the plugin's worker.
// Layer: plugin
//
// Model      A thread that waits for the process to end, and for further threads of the plugin:
//            each that calls the host for the first time sends the end of a socket of its own
//            through the door, and gets a thread here that does what it asks, so that one that has
//            to wait holds up no other.
// Threads    kill() is [any-thread]; the rest is the plugin's worker's.
// Ownership  Owns the process. The destructor kills it and waits until what its threads had asked
//            for is done.
// Errors     Throws std::system_error: no thread can be had. A thread of the plugin for which none
//            can is told by the end of its socket.
// Cost       One thread, and one for each thread of the plugin that calls the host.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "platform/child_process.hpp"
#include "platform/descriptor.hpp"
#include "plugin/isolation/channel.hpp"
#include "plugin/isolation/requests.hpp"

namespace busway::plugin_host_detail {

class Attendant {
 public:
  /// `ended` is called on the attendant's thread when the process has, at most once: before
  /// wait() returns, and not where the destructor comes first.
  Attendant(platform_detail::ChildProcess process, platform_detail::Descriptor door,
            std::size_t frame_bytes_max, std::function<void()> ended);
  Attendant(const Attendant&) = delete;
  Attendant& operator=(const Attendant&) = delete;
  ~Attendant();

  /// From now on the process may ask for something.
  void begin(HostRequests& requests) noexcept {
    epoch_.store(requests.epoch(), std::memory_order_relaxed);
    requests_.store(&requests, std::memory_order_release);
  }
  void kill() const noexcept { process_.kill(); }
  [[nodiscard]] int process_id() const noexcept { return process_.id(); }
  [[nodiscard]] int descriptor() const noexcept { return process_.descriptor(); }
  [[nodiscard]] bool has_ended() { return ends_by(std::chrono::steady_clock::now()); }
  /// Waits until then.
  [[nodiscard]] bool ends_by(std::chrono::steady_clock::time_point deadline) {
    return process_.wait(deadline).has_value();
  }
  /// Whether no thread of it is at work.
  [[nodiscard]] bool idle() const;
  /// How the process has ended; kills it at the deadline. Not within `ended`.
  [[nodiscard]] platform_detail::ProcessEnd wait(std::chrono::steady_clock::time_point deadline);

 private:
  struct Side {
    Side(platform_detail::Descriptor socket, std::size_t bytes_max)
        : channel(std::move(socket), bytes_max) {}
    Channel channel;
    std::thread thread;
    std::atomic<bool> over{false};
  };

  void attend();
  [[nodiscard]] bool let_in();
  void serve(Side& side) const noexcept;

  platform_detail::ChildProcess process_;
  const platform_detail::Descriptor door_;
  const platform_detail::Descriptor leave_;  // written to end the thread
  const std::size_t frame_bytes_max_;
  std::atomic<std::uint64_t> epoch_{0};  // set before requests_
  std::atomic<HostRequests*> requests_{nullptr};
  const std::function<void()> ended_;
  std::atomic<bool> told_{false};  // that it has ended, or nobody ever will be
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Side>> sides_;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace busway::plugin_host_detail
