// The audit log: keeps events of some topics in a file whose lines are a chain.
//
//   listens to  what its `topics` say
//   publishes   audit.recovered  {path, bytes}            an unfinished line was cut off
//               audit.rotated    {path, rotated_to, seq}  the file that was full, and its last line
//               audit.failed     {path, error, topic?, event_id?}   the first event that could not
//                                                         be kept; it is tried again; and each
//                                                         that is too long for a line, which is
//                                                         not; without an event the first time that
//                                                         lines could not be brought to the disk
//               audit.resumed    {path, failed}           it works again after so many failures
//               run.summary      {recorded, write_failures, rotated}
//
// An event is done with when its line is in the file. What it tells of its own file is not kept: an
// event of each rotation that is a line itself may be one of the next. README.md lists the
// configuration.
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
#include "kept_events.hpp"
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
    if (const std::size_t torn = open(); torn > 0) {
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
                                    .initial_delay = settings_.retry_delay},
               .replay = not_kept_yet()});
  }

  /// How many bytes of an unfinished line were cut off. What an earlier run has counted and could
  /// not do ended with it, as its timers did.
  [[nodiscard]] std::size_t open() {
    const std::lock_guard lock(mutex_);
    run_ = {};
    file_.emplace(AuditFile::Options{.path = settings_.path,
                                     .rotate_size = settings_.rotate_size,
                                     .keep = settings_.keep,
                                     .fsync = settings_.fsync});
    const std::size_t torn = file_->open();
    run_.kept = file_->kept_events();
    return torn;
  }

  void stop() override {
    std::unique_lock lock(mutex_);
    News news;
    sync(news);
    Json summary{
        {"recorded", run_.recorded}, {"write_failures", run_.failed}, {"rotated", run_.rotations}};
    file_.reset();  // unlocks it for the instance that comes next
    const std::string fault = run_.sync_fault;
    lock.unlock();
    tell(news);
    if (!fault.empty()) report_error(fault);  // nobody tries again
    publish("run.summary", summary);
  }

  PluginHealth health() override {
    const std::lock_guard lock(mutex_);
    const std::string& fault = run_.write_fault.empty() ? run_.sync_fault : run_.write_fault;
    return fault.empty() ? PluginHealth::ok() : PluginHealth::failing(fault);
  }

  /// What was published before this plugin listened, plugins that were loaded before it among it,
  /// and that the history still has. Times may be out of order, so events of the last lines come
  /// again, and are left out.
  [[nodiscard]] Replay not_kept_yet() {
    const std::lock_guard lock(mutex_);
    const auto since = run_.kept.since();
    return since ? Replay::since(*since) : Replay::beginning();
  }

  [[nodiscard]] bool is_of_this_log(const PluginEvent& event) const {
    return event.topic().starts_with("audit.") && event.source() == plugin_id();
  }

  /// From one start() to the next.
  struct Run {
    std::string write_fault{};  // why the last line could not be kept
    std::string sync_fault{};   // why lines may not be on the disk that were to be
    std::uint64_t recorded = 0;
    std::uint64_t failed = 0;   // attempts
    std::uint64_t failing = 0;  // of them, since it last worked
    std::uint64_t rotations = 0;
    bool sync_is_due = false;
    KeptEvents kept{};  // before it, and not seen again; an event of the replay may come late
  };

  /// What is published when mutex_ is free.
  struct News {
    std::string failed{};       // why; empty: nothing new
    std::uint64_t resumed = 0;  // after so many failures; 0: it has not
  };

  /// A fault of the disk passes: the event is tried again. A line that is too long stays so.
  Outcome keep(const PluginEvent& event) {
    using Clock = std::chrono::steady_clock;
    const Clock::time_point given_up = Clock::now() + settings_.timeout;
    if (is_of_this_log(event)) return Outcome::done();
    const std::string fields = record_of(event, secrets_);
    std::string rotated_to;
    std::string fault;
    News news;
    std::uint64_t rotated_seq = 0;
    bool is_written = false;
    bool is_of_the_event = false;
    {
      // A call that was left behind at its time-out may still be at it. One that comes to it late
      // leaves it: its event has been given to another call.
      const std::lock_guard lock(mutex_);
      if (!file_ || Clock::now() >= given_up) {
        throw std::runtime_error("the audit log was not reached in time");
      }
      if (run_.kept.take(event.id(), fields)) return Outcome::done();
      try {
        rotated_to = file_->append(fields);
        rotated_seq = file_->last().seq - 1;
        ++run_.recorded;
        run_.rotations += rotated_to.empty() ? 0U : 1U;
        is_written = true;
      } catch (const std::length_error& error) {
        fault = error.what();
        ++run_.failed;
        is_of_the_event = true;
        news.failed = fault;
      } catch (const std::exception& error) {
        fault = error.what();
        has_failed(run_.write_fault, fault, news);
      }
      if (const std::string lost = file_->take_sync_fault(); !lost.empty()) {
        has_failed(run_.sync_fault, lost, news);
      }
      if (is_written) has_worked(run_.write_fault, news);
      sync_later();
    }
    tell(news, fault.empty() ? nullptr : &event);
    if (!fault.empty()) {
      return is_of_the_event ? Outcome::dead_letter(fault) : Outcome::fail(fault);
    }
    if (!rotated_to.empty()) {
      tell("audit.rotated",
           {{"path", settings_.path}, {"rotated_to", rotated_to}, {"seq", rotated_seq}});
    }
    return Outcome::done();
  }

  // -- Faults. mutex_ is held.

  /// Each of the two kinds is told once, until it works again.
  void has_failed(std::string& fault, const std::string& why, News& news) {
    ++run_.failed;
    ++run_.failing;
    if (fault.empty()) news.failed += (news.failed.empty() ? "" : "; ") + why;
    fault = why;
  }

  /// It works again when neither is left, so what has failed is noted before what has worked.
  void has_worked(std::string& fault, News& news) {
    fault.clear();
    if (!run_.write_fault.empty() || !run_.sync_fault.empty()) return;
    news.resumed = std::exchange(run_.failing, 0);
  }

  // -- Without it

  void tell(const News& news, const PluginEvent* event = nullptr) {
    if (!news.failed.empty()) {
      log(LogLevel::error, news.failed);
      Json payload{{"path", settings_.path}, {"error", news.failed}};
      if (event != nullptr) {
        payload["topic"] = event->topic();
        payload["event_id"] = event->id();
      }
      tell("audit.failed", payload);
    }
    if (news.resumed > 0) {
      tell("audit.resumed", {{"path", settings_.path}, {"failed", news.resumed}});
    }
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
    if (settings_.fsync != Fsync::interval || run_.sync_is_due || !file_ || !file_->dirty()) return;
    after(settings_.fsync_interval, [this] {
      News news;
      {
        const std::lock_guard lock(mutex_);
        run_.sync_is_due = false;
        sync(news);
        sync_later();  // what has failed is tried again
      }
      tell(news);
    });
    run_.sync_is_due = true;
  }

  void sync(News& news) {
    if (settings_.fsync != Fsync::interval || !file_) return;
    try {
      file_->sync();
      has_worked(run_.sync_fault, news);
    } catch (const std::exception& error) {
      has_failed(run_.sync_fault, error.what(), news);
    }
  }

  Settings settings_;
  shared::Secrets secrets_;

  std::mutex mutex_;  // guards what follows
  std::optional<AuditFile> file_;
  Run run_;
};

}  // namespace

BUSWAY_PLUGIN(AuditLog)
