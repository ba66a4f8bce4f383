// sender.hpp -- runs the command beside the plugin, so that nobody waits for it.
//
// Model      A thread of its own takes what send() gave and runs the command, one after the other;
//            what came meanwhile goes to the next run together. What waits is bounded: the oldest
//            goes first, and is counted. `on_fault` is told when the command begins to fail, not
//            each time, and `on_repair` when it works again.
// Threads    send() and state() are [any-thread]; the callbacks are called on the thread of its
//            own, with no lock held.
// Ownership  Owns its thread and the text. finish() ends both.
// Errors     None of its own.
// Cost       A thread; kBytesMax of text at most.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

namespace notifier {

class Sender {
 public:
  static constexpr std::size_t kBytesMax = std::size_t{4} << 20U;

  using Tell = std::function<void(const std::string&)>;

  Sender(std::vector<std::string> command, std::chrono::milliseconds timeout, Tell on_fault,
         Tell on_repair);
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;
  ~Sender();

  /// One line, with its end.
  void send(std::string line);

  /// Lets the command run for what waits, at most `patience` from now, then ends the thread.
  void finish(std::chrono::milliseconds patience);

  struct State {
    std::uint64_t runs = 0;
    std::uint64_t faults = 0;   ///< runs that failed
    std::uint64_t dropped = 0;  ///< lines, for lack of room or because their run failed
    std::string fault{};        ///< of the last run; empty when it went well
  };
  [[nodiscard]] State state() const;

 private:
  void work(const std::stop_token& stop);
  void run(const std::deque<std::string>& lines, const std::stop_token& stop);

  const std::vector<std::string> command_;
  const std::chrono::milliseconds timeout_;
  const Tell on_fault_;
  const Tell on_repair_;

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable_any changed_;
  std::deque<std::string> lines_;
  std::size_t bytes_ = 0;
  State state_;
  bool finishing_ = false;
  bool finished_ = false;

  std::jthread thread_;  // last: ends before what it uses
};

}  // namespace notifier
