// plugin/instance/request_stops.hpp -- ends what a plugin waits for in request() when it is to end.
// Layer: plugin
//
// Model      A request may wait for hours, and nothing of the plugin can end that. So each is made
//            with a token of the host's. Those of threads of the plugin's own end when the plugin
//            is stopped, and from then on they are refused until it starts again. Those of the
//            worker end, and are refused, while something waits too long for the worker and while
//            its process has ended and no other has begun; and those that wait end when the plugin
//            is taken away.
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
  enum class Because : unsigned { step_waits = 1, process_ended = 2 };
  /// Those that wait on the worker, and all that follow until allow_worker() for the same reason.
  void refuse_worker(Because why) {
    const auto refused = [&] {
      const std::lock_guard lock(mutex_);
      worker_refused_ |= static_cast<unsigned>(why);
      return worker_;
    };
    (void)refused().request_stop();
  }
  void allow_worker(Because why) {
    const std::lock_guard lock(mutex_);
    if ((worker_refused_ & static_cast<unsigned>(why)) == 0) return;
    worker_refused_ &= ~static_cast<unsigned>(why);
    if (worker_refused_ == 0) worker_ = std::stop_source();
  }
  void end_all() {
    end_own_threads();
    // Those that wait on the worker, which may make others.
    source(worker_, worker_refused() ? Then::refused : Then::allowed).request_stop();
  }

 private:
  enum class Then : unsigned char { allowed, refused };

  /// To be stopped without the lock: whoever waits is woken in the call that stops.
  [[nodiscard]] std::stop_source source(std::stop_source& one, Then then) {
    const std::lock_guard lock(mutex_);
    if (then == Then::refused || one.stop_requested()) return one;
    return std::exchange(one, std::stop_source());
  }

  [[nodiscard]] bool worker_refused() const {
    const std::lock_guard lock(mutex_);
    return worker_refused_ != 0;
  }

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::stop_source own_threads_;
  std::stop_source worker_;
  unsigned worker_refused_ = 0;  // bits of Because; then worker_ is stopped, or just being so
};

}  // namespace busway::plugin_host_detail
