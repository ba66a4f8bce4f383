// phase/phase_fixture.hpp -- what the tests of phases share.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <eventually.hpp>
#include <expect_error.hpp>
#include <gate.hpp>
#include <quiet.hpp>

#include "busway/bus.hpp"
#include "busway/events/cache_hit.hpp"
#include "busway/events/chain_event_data.hpp"
#include "busway/events/phase_event_data.hpp"
#include "busway/events/phase_lookup.hpp"
#include "busway/function_phase.hpp"
#include "busway/phase_orchestrator.hpp"
#include "busway/testing/manual_clock.hpp"
#include "busway/typed.hpp"

namespace busway::phase {

using testing::ManualClock;
using Lines = std::vector<std::string>;
using Shared = std::shared_ptr<Phase>;

/// All that phases and chains say, but for the question phase.lookup.
class Heard {
 public:
  explicit Heard(Bus& bus)
      : subscription_(
            bus.subscribe({"^phase\\.[^l]", "chain.*", "cache.*"}, [this](const Event& event) {
              const std::lock_guard lock(mutex_);
              events_.push_back(event);
            })) {}

  [[nodiscard]] std::vector<Event> events() const {
    const std::lock_guard lock(mutex_);
    return events_;
  }
  /// As "phase.started plan"; chains have no name, and a failure tells where.
  [[nodiscard]] Lines lines() const {
    Lines lines;
    for (const Event& event : events()) {
      std::string line(event.topic());
      const Json& json = event.json();
      for (const char* field : {"phase_name", "failed_phase"}) {
        const std::string name = json.value(field, "");
        if (!name.empty()) line += " " + name;
      }
      lines.push_back(line);
    }
    return lines;
  }
  /// The only event of the topic.
  template <class T>
  [[nodiscard]] T only(std::string_view topic) const {
    const std::vector<T> all = of<T>(topic);
    EXPECT_EQ(all.size(), 1U) << topic;
    return all.empty() ? T{} : all.front();
  }
  template <class T>
  [[nodiscard]] std::vector<T> of(std::string_view topic) const {
    std::vector<T> all;
    for (const Event& event : events()) {
      if (event.topic() == topic) all.push_back(event.as<T>());
    }
    return all;
  }
  [[nodiscard]] bool has(std::string_view topic) const {
    const std::vector<Event> all = events();
    return std::any_of(all.begin(), all.end(),
                       [&](const Event& event) { return event.topic() == topic; });
  }

 private:
  mutable std::mutex mutex_;
  std::vector<Event> events_;
  Subscription subscription_;
};

/// A std::stop_source that g++ 12 does not take for one that is not initialised.
class Stopper {
 public:
  void request_stop() const { source_->request_stop(); }
  [[nodiscard]] std::stop_token get_token() const { return source_->get_token(); }

 private:
  std::unique_ptr<std::stop_source> source_ = std::make_unique<std::stop_source>();
};

/// Adds its name to the list that it is given.
inline Shared adding(const std::string& name, PhaseOptions options = {}) {
  return make_phase(
      name,
      [name](const Json& data) {
        Json list = data.is_array() ? data : Json::array();
        list.push_back(name);
        return list;
      },
      std::move(options));
}

inline Shared failing(const std::string& name, const std::string& why = "no network",
                      PhaseOptions options = {}) {
  return make_phase(
      name, [why](const PhaseInput&) -> Json { throw std::runtime_error(why); },
      std::move(options));
}

/// Fails so many times, then gives the number of the call.
inline Shared failing_first(const std::string& name, int times, PhaseOptions options = {}) {
  return make_phase(
      name,
      [times, calls = 0](const PhaseInput&) mutable -> Json {
        if (++calls <= times) throw std::runtime_error("try " + std::to_string(calls));
        return calls;
      },
      std::move(options));
}

/// What a phase throws; fails the test when it does not.
inline PhaseError failure_of(Phase& phase, const PhaseInput& input = {},
                             PhaseContext context = PhaseContext()) {
  try {
    (void)phase.execute(input, context);
  } catch (const PhaseFailed& failed) {
    EXPECT_EQ(failed.error().message, failed.what());
    return failed.error();
  }
  ADD_FAILURE() << "the phase did not fail";
  return {};
}

inline PhaseOutput run(Phase& phase, const PhaseInput& input = {}) {
  PhaseContext context;
  return phase.execute(input, context);
}

}  // namespace busway::phase
