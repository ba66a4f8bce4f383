// The audit log: keeps events of some topics in a file whose lines are a chain.
//
//   listens to  what its `topics` say
//   publishes   audit.recovered  {path, bytes}            an unfinished line was cut off
//               audit.rotated    {path, rotated_to, seq}  the file that was full, and its last line
//               audit.failed     {path, error, topic, event_id}   the first event that could not be
//                                                         kept; it is tried again; and each that
//                                                         is too long for a line, which is not
//               audit.resumed    {path, failed}           it works again after so many failures
//               run.summary      {recorded, write_failures, rotated}
//
// An event is done with when its line is in the file. README.md lists the configuration.
#include <busway/plugin.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "audit_file.hpp"
#include "record.hpp"
#include "settings.hpp"
#include "shared/secrets.hpp"

namespace {

using busway::Json;
using busway::LogLevel;
using busway::Outcome;
using busway::PluginError;
using busway::PluginEvent;
using busway::PluginHealth;
using busway::PluginRetry;
using namespace audit_log;

class AuditLog : public busway::Plugin {
 private:
  void setup(const Json& config) override {
    settings_ = read_settings(config);
    secrets_ = shared::Secrets(settings_.secret_keys);
  }

  void start() override {
    file_.emplace(AuditFile::Options{.path = settings_.path,
                                     .rotate_size = settings_.rotate_size,
                                     .keep = settings_.keep,
                                     .fsync = settings_.fsync});
    if (const std::size_t torn = file_->open(); torn > 0) {
      tell("audit.recovered", {{"path", settings_.path}, {"bytes", torn}});
    }
    subscribe(settings_.topics, [this](const PluginEvent& event) { return keep(event); },
              {.name = "audit",
               .mode = Mode::async,
               .queue_capacity = static_cast<std::uint64_t>(settings_.queue),
               .overflow = Overflow::block,
               .block_timeout = std::chrono::hours(1),
               .timeout = settings_.timeout,
               .retry = PluginRetry{.max_retries = static_cast<unsigned>(settings_.retries),
                                    .initial_delay = settings_.retry_delay}});
  }

  void stop() override {
    std::unique_lock lock(mutex_);
    sync();
    Json summary{{"recorded", recorded_}, {"write_failures", failed_}, {"rotated", rotations_}};
    file_.reset();  // unlocks it for the instance that comes next
    lock.unlock();
    publish("run.summary", summary);
  }

  PluginHealth health() override {
    const std::lock_guard lock(mutex_);
    return fault_.empty() ? PluginHealth::ok() : PluginHealth::failing(fault_);
  }

  /// A fault of the disk passes: the event is tried again. A line that is too long stays so.
  Outcome keep(const PluginEvent& event) {
    using Clock = std::chrono::steady_clock;
    const Clock::time_point given_up = Clock::now() + settings_.timeout;
    const std::string fields = record_of(event, secrets_);
    std::string rotated_to;
    std::string fault;
    std::uint64_t resumed = 0;
    std::uint64_t rotated_seq = 0;
    bool is_new_fault = false;
    bool is_of_the_event = false;
    {
      // A call that was left behind at its time-out may still be at it. One that comes to it late
      // leaves it: its event has been given to another call.
      const std::lock_guard lock(mutex_);
      if (!file_ || Clock::now() >= given_up) {
        throw std::runtime_error("the audit log was not reached in time");
      }
      try {
        rotated_to = file_->append(fields);
        rotated_seq = file_->last().seq - 1;
        ++recorded_;
        rotations_ += rotated_to.empty() ? 0U : 1U;
        resumed = std::exchange(failing_, 0);
        fault_.clear();
      } catch (const std::length_error& error) {
        fault = error.what();
        ++failed_;
        is_of_the_event = true;
      } catch (const std::exception& error) {
        fault = error.what();
        ++failed_;
        is_new_fault = failing_++ == 0;
        fault_ = fault;
      }
      sync_later();
    }
    if (!fault.empty()) {
      if (is_new_fault || is_of_the_event) {
        log(LogLevel::error, fault);
        tell("audit.failed", {{"path", settings_.path},
                              {"error", fault},
                              {"topic", event.topic()},
                              {"event_id", event.id()}});
      }
      return is_of_the_event ? Outcome::dead_letter(fault) : Outcome::fail(fault);
    }
    if (!rotated_to.empty()) {
      tell("audit.rotated",
           {{"path", settings_.path}, {"rotated_to", rotated_to}, {"seq", rotated_seq}});
    }
    if (resumed > 0) tell("audit.resumed", {{"path", settings_.path}, {"failed", resumed}});
    return Outcome::done();
  }

  /// What happened to the log is told when it can be; the log itself comes first.
  void tell(std::string_view topic, const Json& payload) {
    try {
      publish(topic, payload);
    } catch (const PluginError& error) {
      if (error.status() != BUSWAY_STOPPED) log(LogLevel::error, error.what());
    }
  }

  // -- Fsync::interval. mutex_ is held.

  void sync_later() {
    if (settings_.fsync != Fsync::interval || sync_is_due_ || !file_->dirty()) return;
    sync_is_due_ = true;
    after(settings_.fsync_interval, [this] {
      const std::lock_guard lock(mutex_);
      sync_is_due_ = false;
      sync();
    });
  }

  void sync() {
    if (settings_.fsync == Fsync::never || !file_) return;
    try {
      file_->sync();
    } catch (const std::exception& error) {
      if (std::exchange(fault_, error.what()).empty()) report_error(error.what());
    }
  }

  Settings settings_;
  shared::Secrets secrets_;

  std::mutex mutex_;  // guards what follows
  std::optional<AuditFile> file_;
  std::string fault_;  // why the last line could not be kept
  std::uint64_t recorded_ = 0;
  std::uint64_t failed_ = 0;   // attempts
  std::uint64_t failing_ = 0;  // of them, since it last worked
  std::uint64_t rotations_ = 0;
  bool sync_is_due_ = false;
};

}  // namespace

BUSWAY_PLUGIN(AuditLog)
