#include "phase/chain_plan.hpp"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "base/duration_words.hpp"
#include "base/escape.hpp"
#include "base/nearest.hpp"
#include "phase/limits.hpp"
#include "phase/names.hpp"

namespace busway::phase_detail {
namespace {

using Plan = std::vector<PlannedPhase>;
using Places = std::map<std::string_view, std::size_t>;

std::string show(std::string_view name) { return quote(name, kNameBytesMax); }

void require_timeout(const PlannedPhase& one, const std::string& who) {
  if (!one.timeout || *one.timeout > one.timeout->zero()) return;
  throw Error(ErrorCode::invalid_option, who + ": the timeout of phase " + show(one.name) + " is " +
                                             duration_words(*one.timeout) +
                                             "; it is longer than 0");
}

Plan named_phases(std::span<const phase::ChainStep> steps, const std::string& who) {
  Plan plan;
  plan.reserve(steps.size());
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const phase::ChainStep& step = steps[i];
    PlannedPhase one;
    one.name = require_name(step.phase.get(), who + ": phase " + std::to_string(i));
    one.phase = step.phase;
    one.timeout = step.timeout;
    try {
      if (!one.timeout) one.timeout = step.phase->timeout();
    } catch (...) {  // it fails with this when it is executed
    }
    require_timeout(one, who);
    plan.push_back(std::move(one));
  }
  return plan;
}

Places places_of(const Plan& plan, const std::string& who) {
  Places places;
  for (std::size_t i = 0; i < plan.size(); ++i) {
    const auto [place, added] = places.emplace(plan[i].name, i);
    if (added) continue;
    throw Error(ErrorCode::already_exists, who + ": phases " + std::to_string(place->second) +
                                               " and " + std::to_string(i) + " are both named " +
                                               show(plan[i].name) +
                                               "; each phase of a chain needs a name of its own");
  }
  return places;
}

std::size_t find_place(const Places& places, const std::string& name, const PlannedPhase& by,
                       const std::string& who) {
  if (const auto place = places.find(name); place != places.end()) return place->second;
  std::vector<std::string_view> names;
  for (const auto& [known, index] : places) names.push_back(known);
  const std::string_view meant = nearest(name, names);
  throw Error(ErrorCode::not_found,
              who + ": phase " + show(by.name) + " comes after " + show(name) +
                  ", and the chain has no phase of that name" +
                  (meant.empty() ? std::string() : "; did you mean " + show(meant) + "?"));
}

/// A circle among the phases that can never begin, as "a -> b -> a": each arrow is an `after` read
/// backwards.
std::string circle_of(const Plan& plan, const std::vector<std::size_t>& open) {
  std::vector<std::size_t> way;
  std::size_t at = static_cast<std::size_t>(
      std::find_if(open.begin(), open.end(), [](std::size_t count) { return count != 0; }) -
      open.begin());
  while (std::find(way.begin(), way.end(), at) == way.end()) {
    way.push_back(at);
    const std::vector<std::size_t>& after = plan[at].after;
    // One of them cannot begin either, else this one could.
    at = *std::find_if(after.begin(), after.end(), [&](std::size_t i) { return open[i] != 0; });
  }
  std::string text = show(plan[at].name);
  for (auto place = way.rbegin(); place != way.rend(); ++place) {
    text += " -> " + show(plan[*place].name);
    if (*place == at) break;
  }
  return text;
}

void require_no_circle(const Plan& plan, const std::string& who) {
  std::vector<std::size_t> open;  // predecessors that have not begun
  std::vector<std::size_t> ready;
  for (std::size_t i = 0; i < plan.size(); ++i) {
    open.push_back(plan[i].after.size());
    if (plan[i].after.empty()) ready.push_back(i);
  }
  std::size_t reached = 0;
  while (!ready.empty()) {
    const std::size_t one = ready.back();
    ready.pop_back();
    ++reached;
    for (const std::size_t next : plan[one].next) {
      if (--open[next] == 0) ready.push_back(next);
    }
  }
  if (reached == plan.size()) return;
  throw Error(ErrorCode::invalid_argument,
              who + ": the phases wait for each other in a circle: " + circle_of(plan, open));
}

}  // namespace

std::vector<PlannedPhase> make_plan(std::span<const phase::ChainStep> steps,
                                    const std::string& who) {
  if (steps.empty()) {
    throw Error(ErrorCode::invalid_argument,
                who + ": the chain has no phase; give it at least one");
  }
  if (steps.size() > kPhasesMax) {
    throw Error(ErrorCode::too_many, who + ": the chain has " + std::to_string(steps.size()) +
                                         " phases; at most " + std::to_string(kPhasesMax) +
                                         " may be in one");
  }
  Plan plan = named_phases(steps, who);
  const Places places = places_of(plan, who);
  for (std::size_t i = 0; i < plan.size(); ++i) {
    for (const std::string& name : steps[i].after) {
      const std::size_t place = find_place(places, name, plan[i], who);
      std::vector<std::size_t>& after = plan[i].after;
      if (std::find(after.begin(), after.end(), place) != after.end()) continue;
      after.push_back(place);
      plan[place].next.push_back(i);
    }
  }
  require_no_circle(plan, who);
  return plan;
}

}  // namespace busway::phase_detail
