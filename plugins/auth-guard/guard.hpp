// guard.hpp -- what is suspicious about logins.
//
// Model      too_many_failures       an address has failed failures_max times in the window; told
//                                    when it begins, and again each `remind` while it goes on.
//                                    It is over when a whole window was quiet.
//            success_after_failures  a login of an address, or of a user from wherever, that has
//                                    failed success_after times in the window
//            new_address             a user comes from an address that is none of the last ones
//            Bounded: addresses and users that were not seen for longest are forgotten first,
//            and a state leaves out those of them that do not fit it.
// Threads    [not-concurrent]
// Ownership  Owns what it remembers.
// Errors     restore() throws what nlohmann throws for a state that is none.
// Cost       O(times that are kept) a login.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "bounds.hpp"
#include "failures.hpp"
#include "settings.hpp"
#include "shared/lru_map.hpp"

namespace auth_guard {

struct Login {
  std::string user_id{};  // this and the address: of at most kNameBytesMax
  std::string address{};  // empty: not known, and then no rule about addresses applies
  Time time{};            // not before 1970
  std::uint64_t count = 1;
};

struct Finding {
  std::string reason{};
  std::string user_id{};
  std::string address{};
  std::uint64_t failures = 0;  // of the address, or of the user; new_address: 0
};

class Guard {
 public:
  explicit Guard(const Rules& rules);

  [[nodiscard]] std::vector<Finding> failed(const Login& login);
  [[nodiscard]] std::vector<Finding> succeeded(const Login& login);

  [[nodiscard]] nlohmann::json save(std::size_t list_bytes_max = kListBytesMax) const;
  void restore(const nlohmann::json& state);

  [[nodiscard]] std::size_t addresses() const noexcept { return addresses_.size(); }
  /// That have logged in.
  [[nodiscard]] std::size_t users() const noexcept { return known_.size(); }
  /// How many addresses and users were forgotten for want of room.
  [[nodiscard]] std::uint64_t forgotten() const noexcept {
    return addresses_.evicted() + failing_.evicted() + known_.evicted();
  }

 private:
  struct Address {
    Failures failures;         // since a success that was told
    std::optional<Time> last;  // failure, whatever succeeded since
    std::uint64_t total = 0;   // since it was last quiet
    std::optional<Time> told;  // that there are too many
  };
  using Known = std::vector<std::string>;  // addresses, last seen first

  [[nodiscard]] std::optional<Finding> check_success(const Login& login);
  [[nodiscard]] std::optional<Finding> check_address(const Login& login);

  const Rules rules_;
  const std::size_t kept_;  // failures of each
  shared::LruMap<Address> addresses_;
  shared::LruMap<Failures> failing_;  // by user
  shared::LruMap<Known> known_;       // by user; names that never logged in push nobody out
};

}  // namespace auth_guard
