#include "sessions.hpp"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

namespace auth_guard {

using nlohmann::json;

void Sessions::begin(std::string_view user_id, Session session) {
  std::vector<Session>& all = users_.touch(user_id);
  // The same session again is that session, begun anew.
  std::erase_if(all, [&](const Session& one) {
    return session.session_id.empty() ? one.session_id.empty() && one.address == session.address
                                      : one.session_id == session.session_id;
  });
  if (all.size() == rules_.of_user_max) all.erase(all.begin());
  all.push_back(std::move(session));
}

void Sessions::end(std::string_view user_id, std::string_view session_id,
                   std::string_view address) {
  std::vector<Session>* all = users_.find(user_id);
  if (all == nullptr) return;
  if (session_id.empty() && address.empty()) {
    all->clear();
  } else {
    const auto is_it = [&](const Session& one) {
      return session_id.empty() ? one.address == address : one.session_id == session_id;
    };
    const auto latest = std::find_if(all->rbegin(), all->rend(), is_it);
    if (latest != all->rend()) all->erase(std::next(latest).base());
  }
  if (all->empty()) users_.erase(user_id);
}

std::vector<Session> Sessions::of(std::string_view user_id, Time now) const {
  const std::vector<Session>* all = users_.peek(user_id);
  if (all == nullptr) return {};
  std::vector<Session> found;
  std::copy_if(all->begin(), all->end(), std::back_inserter(found),
               [&](const Session& one) { return one.since >= now - rules_.age_max; });
  return found;
}

json Sessions::save(std::size_t bytes_max) const {
  BoundedList out(bytes_max);
  for (const auto& [user_id, sessions] : users_) {
    json list = json::array();
    for (const Session& one : sessions) {
      list.push_back({{"session_id", one.session_id},
                      {"address", one.address},
                      {"since", one.since.time_since_epoch().count()}});
    }
    if (!out.add({{"user_id", user_id}, {"sessions", std::move(list)}})) break;
  }
  return out.take();
}

void Sessions::restore(const json& state) {
  for (auto user = state.rbegin(); user != state.rend(); ++user) {
    for (const json& one : user->at("sessions")) {
      begin(bounded_name(user->at("user_id").get<std::string>()),
            {.session_id = bounded_name(one.at("session_id").get<std::string>()),
             .address = bounded_name(one.at("address").get<std::string>()),
             .since = Time(std::chrono::nanoseconds(one.at("since").get<std::int64_t>()))});
    }
  }
}

}  // namespace auth_guard
