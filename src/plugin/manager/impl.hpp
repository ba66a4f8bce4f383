// plugin/manager/impl.hpp -- what PluginManager is made of: the records of its plugins, and one
// change of them at a time.
// Layer: plugin
//
// Model      A record a plugin, in the order loaded. loading.cpp brings plugins in and takes them
//            out, running.cpp starts and stops them, reloading.cpp replaces one that runs,
//            looking.cpp answers questions, telling.cpp publishes what has happened.
// Threads    A Change, taken by the public functions, is needed to write; looking is [any-thread].
// Ownership  Records share their instance with those who look.
// Errors     Throws what PluginManager promises.
// Cost       Looking costs one lock.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "busway/bus.hpp"
#include "busway/plugin_info.hpp"
#include "busway/plugin_manager.hpp"
#include "busway/plugin_spec.hpp"
#include "platform/file_watch.hpp"
#include "plugin/manager/plan.hpp"
#include "plugin/plugin_image.hpp"
#include "plugin/plugin_instance.hpp"
#include "plugin/plugin_line.hpp"

namespace busway {

class PluginManager::Impl {
 public:
  using PluginImage = plugin_host_detail::PluginImage;
  using PluginInstance = plugin_host_detail::PluginInstance;
  using Plan = plugin_host_detail::Plan;
  using Instance = std::shared_ptr<PluginInstance>;

  Impl(std::unique_ptr<Bus> own, Bus* bus, PluginManagerOptions options);
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl();

  struct Record {
    PluginInfo info;
    Instance instance;
    PluginSpec spec{};
    PluginRules rules{};  // the spec's before the manifest's
    std::shared_ptr<const plugin_host_detail::Manifest> manifest{};  // null: there is none
  };

  /// One change at a time; the functions that need it take it as proof.
  class Change {
   public:
    explicit Change(Impl& impl);
    Change(const Change&) = delete;
    Change& operator=(const Change&) = delete;
    ~Change();

   private:
    Impl& impl_;
  };

  std::string load(const Change& change, const PluginSpec& spec);
  void start(const Change& change, Record& record);
  void stop(const Change& change, Record& record);
  void unload(const Change& change, Record& record);
  void reload(const Change& change, Record& record);
  std::vector<PluginProblem> start_all(const Change& change, PluginSources sources);
  void begin_sources(const Change& change);
  std::vector<PluginProblem> stop_all(const Change& change);
  std::vector<PluginProblem> unload_all(const Change& change);
  PluginHealthInfo health(const Change& change, Record& record);

  Record& require(std::string_view id);
  std::vector<PluginInfo> list() const;
  std::vector<PluginInfo> examine(std::chrono::nanoseconds patience) const;
  bool idle() const;
  bool wait_until_idle(std::chrono::nanoseconds timeout) const;
  Bus& bus() noexcept { return *bus_; }

 private:
  // supervising.cpp
  void supervise_with(const PluginRules& rules);
  void look_soon() noexcept;
  void supervise();
  void look_at_plugins();
  /// `steps`: only if it still is in the call of that number.
  void quarantine(const std::string& id, const Instance& instance, const std::string& why,
                  std::optional<std::uint64_t> steps);
  void end_supervisor() noexcept;
  [[nodiscard]] const std::string& plugin_host() const;

  void load_steps(const PluginSpec& spec, Plan& plan, PluginInfo& info, Instance& instance);
  Plan make_plan(const PluginSpec& spec, PluginInfo& info) const;
  std::unique_ptr<PluginImage> open_file(PluginInfo& info, const Plan& plan);
  void try_out(const PluginImage& image, const PluginInfo& info) const;
  Instance make_instance(std::unique_ptr<PluginImage> image, const Plan& plan,
                         const std::string& name,
                         std::shared_ptr<plugin_host_detail::PluginLine> line);
  void commit(const PluginInfo& info, Instance instance, const PluginSpec& spec, const Plan& plan);
  [[nodiscard]] bool take_away(const Instance& instance);
  static void leave_behind(Instance instance);
  /// One plugin on its way from a build to the next.
  struct Replacement {
    Instance old;
    Instance next;
    PluginInfo info;  // of the next one
    Plan plan;        // of the next one
    bool sources_begun = false;
    std::size_t left = 0;  // events that nobody handles
  };
  void make_successor(const Record& record, Replacement& change);
  void require_good_for_dependants(const PluginInfo& info) const;
  void replace(Record& record, Replacement& change);
  [[nodiscard]] std::optional<Error> put_back(Replacement& change);
  [[nodiscard]] std::optional<Error> start_again(Replacement& change);
  void take_away_quietly(Instance& instance) noexcept;
  void retire(Record& record, Replacement& change);
  void watch(const PluginInfo& info);
  void file_changed(const std::string& path) noexcept;
  [[nodiscard]] std::uint64_t next_generation(std::string_view id) const;
  void require_free(std::string_view id, const std::string& path) const;
  void require_started(const Record& record) const;
  void require_no_dependant(const Record& record) const;
  [[nodiscard]] std::vector<std::string> order() const;
  void end_sources(const std::vector<Record*>& records);

  void set_state(Record& record, PluginState state, const std::string& error = {});
  void announce(const PluginInfo& info) noexcept;
  void report(PluginInstance& instance, std::string_view message) noexcept;
  void report(const Record& record, std::string_view message) noexcept;
  void report(const PluginInfo& info, std::string_view message) noexcept;
  void report_denied(PluginInstance& instance, std::string_view message,
                     std::uint64_t untold) noexcept;
  /// Who it is and from where.
  [[nodiscard]] PluginInfo info_of(PluginInstance& instance) const;
  [[nodiscard]] PluginInfo info_of(const Record& record) const;
  void log(LogLevel level, const PluginInfo& info, const std::string& message) const noexcept;
  [[nodiscard]] std::vector<Instance> instances() const;
  [[nodiscard]] std::vector<std::pair<PluginInfo, Instance>> look() const;
  [[nodiscard]] bool more_to_come() const;
  [[nodiscard]] Record* find(std::string_view id) const;

  const std::unique_ptr<Bus> own_bus_;
  Bus* const bus_;
  const PluginManagerOptions options_;
  const std::shared_ptr<const PluginMiddleware> middleware_;  // null: there is none

  mutable std::mutex change_mutex_;
  std::atomic<std::thread::id> changing_{};

  mutable std::mutex mutex_;
  mutable std::condition_variable source_changed_;  // or a state
  // Guarded by mutex_; written only within a Change, so that a Change reads without it. But for
  // PluginInfo::last_error: plugins write it at any time.
  std::vector<std::unique_ptr<Record>> records_;

  /// What the supervisor saw of a plugin last.
  struct Seen {
    std::uint64_t steps = 0;
    std::chrono::steady_clock::time_point since{};
    bool reported = false;
  };
  std::map<const PluginInstance*, Seen> seen_;  // of the supervisor's thread
  std::mutex supervisor_mutex_;
  std::condition_variable supervisor_changed_;
  // Guarded by supervisor_mutex_.
  std::chrono::nanoseconds look_every_ = std::chrono::nanoseconds::max();
  bool look_now_ = false;
  bool supervisor_ends_ = false;
  std::thread supervisor_;

  mutable std::once_flag plugin_host_found_;
  mutable std::string plugin_host_;

  std::unique_ptr<platform_detail::FileWatch> watch_;  // made by the first load; ends first
};

}  // namespace busway
