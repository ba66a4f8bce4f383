// busway/executor.hpp -- where asynchronous handlers run.
// Layer: delivery
//
// Model      Something that runs tasks later: the bus's own pool, a ManualExecutor pumped by a game
//            loop or a test, or a Boost.Asio executor through busway/asio_executor.hpp. A mailbox
//            posts one task for a batch of events.
// Threads    post() is [any-thread].
// Ownership  Shared by the bus and the caller; must outlive what is posted.
// Errors     A task never throws. post() returns Posted::refused when the executor will never run
//            the task; one that throws counts as refused.
// Cost       One post for a batch of deliveries, not one a delivery.
// Example    examples/04_game_loop
#pragma once

#include <functional>
#include <thread>

namespace busway {

class Executor {
 public:
  using Task = std::function<void()>;
  enum class Posted : unsigned char { accepted, refused };

  Executor() = default;
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;
  virtual ~Executor() = default;

  virtual Posted post(Task task) = 0;

  /// When the calling thread is the one that pumps this executor: runs one task and returns true,
  /// or returns false when none is runnable. A blocking call on such a thread helps itself this
  /// way.
  virtual bool run_one_here() { return false; }

  /// Whether the calling thread is the only one on which tasks of this executor can run.
  [[nodiscard]] virtual bool pumped_by_this_thread() const { return false; }

  /// A handler on that thread has passed its deadline and may never return. True: another thread
  /// takes its place, and the executor runs nothing more on that one. False: it comes back with the
  /// handler.
  virtual bool leave_behind(std::thread::id /*thread*/) { return false; }
};

}  // namespace busway
