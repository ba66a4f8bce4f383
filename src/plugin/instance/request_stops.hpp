// plugin/instance/request_stops.hpp -- ends what a plugin waits for in request() when it is to end.
// Layer: plugin
//
// Model      A request may wait for hours, and nothing of the plugin can end that. So each is made
//            with a token of the host's. Those of threads of the plugin's own end when the plugin
//            is stopped, and from then on they are refused until it starts again; those of the
//            worker end when something has waited for the worker for half of the time that it may,
//            when the process ends that waits for them, and when the plugin is taken away.
// Threads    [any-thread]
// Ownership  None.
// Errors     None.
// Cost       One lock a request.
#pragma once

#include <mutex>
#include <stop_token>
#include <utility>

namespace busway::plugin_host_detail {

class RequestStops {
 public:
  enum class Whose : unsigned char { worker, own_thread };

  [[nodiscard]] std::stop_token token(Whose whose) const {
    const std::lock_guard lock(mutex_);
    return (whose == Whose::worker ? worker_ : own_threads_).get_token();
  }

  /// It has started: those of its own threads may be made again.
  void begin() {
    const std::lock_guard lock(mutex_);
    if (own_threads_.stop_requested()) own_threads_ = std::stop_source();
  }
  /// Those of its own threads that wait, and all that follow.
  void end_own_threads() { source(own_threads_, Then::refused).request_stop(); }
  /// Those that wait, of its own threads: they have ended, others may follow.
  void own_threads_are_gone() { source(own_threads_, Then::allowed).request_stop(); }
  /// Those that wait on the worker, which may make others.
  void end_worker() { source(worker_, Then::allowed).request_stop(); }
  void end_all() {
    end_own_threads();
    end_worker();
  }

 private:
  enum class Then : unsigned char { allowed, refused };

  /// To be stopped without the lock: whoever waits is woken in the call that stops.
  [[nodiscard]] std::stop_source source(std::stop_source& one, Then then) {
    const std::lock_guard lock(mutex_);
    if (then == Then::refused || one.stop_requested()) return one;
    return std::exchange(one, std::stop_source());
  }

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::stop_source own_threads_;
  std::stop_source worker_;
};

}  // namespace busway::plugin_host_detail
