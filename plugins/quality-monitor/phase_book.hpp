// phase_book.hpp -- the phases that are watched, each with its window and its alerts.
//
// Model      A phase is there from its first execution until nothing of it is in the window and no
//            alert stands. Beyond phases_max the one that has been quiet for longest is let go; an
//            alert that stood is then told as ended.
// Threads    [not-concurrent]
// Ownership  A value; borrows the settings.
// Errors     load() throws what nlohmann-json throws, or std::invalid_argument, for what save() has
//            not written.
// Cost       count() and review(): the window of a phase is added up.
#pragma once

#include <cstddef>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "alerts.hpp"
#include "phase_window.hpp"
#include "settings.hpp"

namespace quality_monitor {

/// An alert that begins or ends, with what the window held.
struct Announcement {
  std::string phase{};
  Change change{};
  std::uint64_t failures = 0;
  double success_rate = 1;
  double duration_ms = 0;  ///< the quantile that the phase is judged by; 0: not known
};

class PhaseBook {
 public:
  explicit PhaseBook(const Settings& settings) : settings_(&settings) {}

  [[nodiscard]] std::vector<Announcement> count(const std::string& phase, Ended how,
                                                double duration_ms, WallTime now);
  /// An execution that a cache has spared.
  void count_spared(const std::string& phase, WallTime now);
  /// After some time has passed: what has left the windows.
  [[nodiscard]] std::vector<Announcement> review(WallTime now);

  /// When review() has something to do next, if it ever has.
  [[nodiscard]] std::optional<WallTime> next() const;
  /// All phases, or one, as a reply tells them.
  [[nodiscard]] nlohmann::json describe(WallTime now, const std::optional<std::string>& phase);

  /// Those that were executed last come first, as far as bytes_max goes.
  [[nodiscard]] nlohmann::json save(std::size_t bytes_max) const;
  void load(const nlohmann::json& saved);

 private:
  struct Phase {
    explicit Phase(std::chrono::nanoseconds length) : window(length) {}

    PhaseWindow window;
    Alerts alerts{};
    std::uint64_t spared = 0;
    WallTime last{};
  };

  [[nodiscard]] Phase& phase_of(const std::string& name, WallTime now,
                                std::vector<Announcement>& out);
  void judge(const std::string& name, Phase& phase, std::vector<Announcement>& out) const;
  void let_go_of_quietest(std::vector<Announcement>& out);

  const Settings* settings_;
  std::map<std::string, Phase> phases_;  // by name
};

}  // namespace quality_monitor
