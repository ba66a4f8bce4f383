#include "sender.hpp"

#include <exception>
#include <optional>
#include <utility>

#include "command.hpp"

namespace notifier {

Sender::Sender(std::vector<std::string> command, std::chrono::milliseconds timeout, Tell on_fault,
               Tell on_repair)
    : command_(std::move(command)),
      timeout_(timeout),
      on_fault_(std::move(on_fault)),
      on_repair_(std::move(on_repair)),
      thread_([this](const std::stop_token& stop) { work(stop); }) {}

Sender::~Sender() { finish(std::chrono::milliseconds(0)); }

void Sender::send(std::string line) {
  const std::lock_guard lock(mutex_);
  bytes_ += line.size();
  lines_.push_back(std::move(line));
  while (bytes_ > kBytesMax && lines_.size() > 1) {
    bytes_ -= lines_.front().size();
    lines_.pop_front();
    ++state_.dropped;
  }
  changed_.notify_all();
}

void Sender::finish(std::chrono::milliseconds patience) {
  {
    std::unique_lock lock(mutex_);
    finishing_ = true;
    changed_.notify_all();
    changed_.wait_for(lock, patience, [this] { return finished_; });
  }
  thread_.request_stop();  // kills the command that runs
  if (thread_.joinable()) thread_.join();
}

Sender::State Sender::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

void Sender::work(const std::stop_token& stop) {
  block_sigpipe();
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, stop, [this] { return !lines_.empty() || finishing_; });
    if (lines_.empty() || stop.stop_requested()) break;
    const std::deque<std::string> lines = std::exchange(lines_, {});
    bytes_ = 0;
    lock.unlock();
    run(lines, stop);
    lock.lock();
  }
  state_.dropped += lines_.size();
  finished_ = true;
  changed_.notify_all();
}

void Sender::run(const std::deque<std::string>& lines, const std::stop_token& stop) {
  std::string text;
  for (const std::string& line : lines) text += line;
  std::optional<std::string> fault;
  try {
    fault = run_command(command_, text, timeout_, stop);
  } catch (const std::exception& error) {
    fault = "the command " + command_.front() + " cannot be run: " + error.what();
  }
  bool begins = false;
  bool ends = false;
  {
    const std::lock_guard lock(mutex_);
    ++state_.runs;
    begins = fault && state_.fault.empty();
    ends = !fault && !state_.fault.empty();
    state_.fault = fault.value_or("");
    if (fault) {
      ++state_.faults;
      state_.dropped += lines.size();
    }
  }
  if (begins) on_fault_(*fault);
  if (ends) on_repair_("the command " + command_.front() + " works again");
}

}  // namespace notifier
