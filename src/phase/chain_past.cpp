#include "phase/chain_past.hpp"

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "busway/bus.hpp"
#include "busway/events/phase_event_data.hpp"
#include "busway/store.hpp"
#include "busway/topics.hpp"
#include "busway/typed_event.hpp"

namespace busway::phase_detail {
namespace {

const std::vector<Pattern>& topics_of_chains() {
  static const std::vector<Pattern> topics{
      Pattern::exact(topics::kPhaseStarted), Pattern::exact(topics::kPhaseCompleted),
      Pattern::exact(topics::kChainStarted), Pattern::exact(topics::kChainCompleted)};
  return topics;
}

/// Oldest first.
std::vector<Event> events_of(const Bus& bus, const std::string& session_id) {
  std::vector<Event> events;
  if (const std::shared_ptr<Store> store = bus.store()) {
    StoreQuery query{.patterns = topics_of_chains(), .session_id = session_id};
    for (bool more = true; more;) {
      StorePage page = store->read(query);
      for (StoredEvent& one : page.events) events.push_back(std::move(one.event));
      more = page.more;
      query.after = page.next;
    }
    if (!events.empty()) return events;
  }
  for (Event& event : bus.history(topics_of_chains())) {
    if (event.session_id() == session_id) events.push_back(std::move(event));
  }
  std::reverse(events.begin(), events.end());
  return events;
}

}  // namespace

ChainPast chain_past(const Bus& bus, const std::string& session_id) {
  ChainPast past;
  for (const Event& event : events_of(bus, session_id)) {
    if (event.topic() == topics::kChainStarted) {
      past.started = true;
      continue;
    }
    if (event.topic() == topics::kChainCompleted) {
      past.completed = true;
      continue;
    }
    const auto* const data = event.try_as<PhaseEventData>();
    if (data == nullptr) continue;
    if (event.topic() == topics::kPhaseStarted) {
      if (past.outputs.empty() && past.data.is_null() && past.request.empty()) {
        past.data = data->input;
        past.metadata = data->metadata;
        if (past.metadata.is_object() && past.metadata.contains("request")) {
          past.request = past.metadata.at("request").get<std::string>();
          past.metadata.erase("request");
        }
      }
      past.started = true;
      continue;
    }
    std::erase_if(past.outputs, [&](const auto& one) { return one.first == data->phase_name; });
    past.outputs.emplace_back(data->phase_name, data->output);
  }
  return past;
}

}  // namespace busway::phase_detail
