// sessions.hpp -- who is logged in, and from where.
//
// Model      A login begins a session, named by its id, or where it has none by its address; a
//            logout ends the one of its id, else the latest of its address, else all of the user.
//            One that is older than age_max is over. Bounded: users and sessions that began
//            earliest are forgotten first; a state leaves out users that do not fit it.
// Threads    [not-concurrent]
// Ownership  Owns what it remembers.
// Errors     restore() throws what nlohmann throws for a state that is none.
// Cost       O(sessions of the user).
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "bounds.hpp"
#include "failures.hpp"
#include "settings.hpp"
#include "shared/lru_map.hpp"

namespace auth_guard {

struct Session {
  std::string session_id{};
  std::string address{};
  Time since{};
};

class Sessions {
 public:
  explicit Sessions(const SessionRules& rules) : rules_(rules), users_(rules.users_max) {}

  void begin(std::string_view user_id, Session session);
  void end(std::string_view user_id, std::string_view session_id, std::string_view address);

  /// Of one user those that are not over, the earliest first. Whoever asks changes nothing.
  [[nodiscard]] std::vector<Session> of(std::string_view user_id, Time now) const;
  [[nodiscard]] std::size_t users() const noexcept { return users_.size(); }

  [[nodiscard]] nlohmann::json save(std::size_t bytes_max = kListBytesMax) const;
  void restore(const nlohmann::json& state);

 private:
  const SessionRules rules_;
  shared::LruMap<std::vector<Session>> users_;
};

}  // namespace auth_guard
