#include "guard.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace auth_guard {
namespace {

using nlohmann::json;

json write_time(Time time) { return time.time_since_epoch().count(); }
Time read_time(const json& value) {
  return Time(std::chrono::nanoseconds(value.get<std::int64_t>()));
}

json write_failures(const Failures& failures) {
  json out = json::array();
  for (const Time time : failures.times()) out.push_back(write_time(time));
  return out;
}

Failures read_failures(const json& value, std::size_t kept, std::chrono::nanoseconds window) {
  Failures out;
  for (const json& one : value) out.add(read_time(one), 1, kept, window);
  return out;
}

}  // namespace

Guard::Guard(const Rules& rules)
    : rules_(rules),
      kept_(std::max(rules.failures_max, rules.success_after)),
      addresses_(rules.addresses_max),
      failing_(rules.users_max),
      known_(rules.users_max) {}

std::vector<Finding> Guard::failed(const Login& login) {
  if (!login.user_id.empty()) {
    failing_.touch(login.user_id).add(login.time, login.count, kept_, rules_.window);
  }
  if (login.address.empty()) return {};
  Address& address = addresses_.touch(login.address);
  if (address.last && *address.last < login.time - rules_.window) {
    address.told.reset();
    address.total = 0;
  }
  address.failures.add(login.time, login.count, kept_, rules_.window);
  address.total += login.count;
  const Time now = address.failures.last();
  address.last = now;
  // What was told at a time that has proved wrong does not keep quiet about all until then.
  if (address.told) address.told = std::min(*address.told, now);
  if (address.failures.within(rules_.window, now) < rules_.failures_max) return {};
  const bool is_due =
      !address.told || (rules_.remind.count() > 0 && *address.told <= now - rules_.remind);
  if (!is_due) return {};
  address.told = now;
  return {{.reason = "too_many_failures",
           .user_id = login.user_id,
           .address = login.address,
           .failures = address.total}};
}

std::vector<Finding> Guard::succeeded(const Login& login) {
  std::vector<Finding> findings;
  if (auto found = check_success(login)) findings.push_back(std::move(*found));
  if (auto found = check_address(login)) findings.push_back(std::move(*found));
  return findings;
}

std::optional<Finding> Guard::check_success(const Login& login) {
  std::size_t failures = 0;
  if (Address* address = login.address.empty() ? nullptr : addresses_.find(login.address)) {
    failures = address->failures.within(rules_.window, login.time);
    // Told once: the next success is one after the failures that come now.
    if (failures >= rules_.success_after) address->failures.clear();
  }
  if (Failures* user = login.user_id.empty() ? nullptr : failing_.find(login.user_id)) {
    failures = std::max(failures, user->within(rules_.window, login.time));
    failing_.erase(login.user_id);
  }
  if (failures < rules_.success_after) return std::nullopt;
  return Finding{.reason = "success_after_failures",
                 .user_id = login.user_id,
                 .address = login.address,
                 .failures = failures};
}

std::optional<Finding> Guard::check_address(const Login& login) {
  if (login.user_id.empty() || login.address.empty()) return std::nullopt;
  Known& known = known_.touch(login.user_id);
  const bool is_first = known.empty();
  const auto at = std::find(known.begin(), known.end(), login.address);
  const bool is_new = at == known.end();
  if (is_new) {
    if (known.size() == rules_.addresses_of_user_max) known.pop_back();
    known.insert(known.begin(), login.address);
  } else {
    std::rotate(known.begin(), at, at + 1);
  }
  if (!rules_.new_address || !is_new || is_first) return std::nullopt;
  return Finding{.reason = "new_address", .user_id = login.user_id, .address = login.address};
}

json Guard::save(std::size_t list_bytes_max) const {
  // Most recently used first: what does not fit is what would be forgotten first.
  BoundedList addresses(list_bytes_max);
  for (const auto& [name, one] : addresses_) {
    if (!addresses.add({{"address", name},
                        {"failures", write_failures(one.failures)},
                        {"total", one.total},
                        {"last", one.last ? write_time(*one.last) : json(nullptr)},
                        {"told", one.told ? write_time(*one.told) : json(nullptr)}})) {
      break;
    }
  }
  BoundedList failing(list_bytes_max);
  for (const auto& [name, one] : failing_) {
    if (!failing.add({{"user_id", name}, {"failures", write_failures(one)}})) break;
  }
  BoundedList known(list_bytes_max);
  for (const auto& [name, one] : known_) {
    if (!known.add({{"user_id", name}, {"addresses", one}})) break;
  }
  return {{"addresses", addresses.take()}, {"failing", failing.take()}, {"known", known.take()}};
}

void Guard::restore(const json& state) {
  const json& addresses = state.at("addresses");
  for (auto one = addresses.rbegin(); one != addresses.rend(); ++one) {
    Address& address = addresses_.touch(bounded_name(one->at("address").get<std::string>()));
    address.failures = read_failures(one->at("failures"), kept_, rules_.window);
    address.total = one->at("total").get<std::uint64_t>();
    // Earlier builds kept no time of its own.
    if (const auto last = one->find("last"); last != one->end() && !last->is_null()) {
      address.last = read_time(*last);
    } else if (!address.failures.empty()) {
      address.last = address.failures.last();
    }
    if (!one->at("told").is_null()) address.told = read_time(one->at("told"));
  }
  const json& failing = state.at("failing");
  for (auto one = failing.rbegin(); one != failing.rend(); ++one) {
    failing_.touch(bounded_name(one->at("user_id").get<std::string>())) =
        read_failures(one->at("failures"), kept_, rules_.window);
  }
  const json& known = state.at("known");
  for (auto one = known.rbegin(); one != known.rend(); ++one) {
    Known& addresses_of_user = known_.touch(bounded_name(one->at("user_id").get<std::string>()));
    addresses_of_user = one->at("addresses").get<Known>();
    for (std::string& address : addresses_of_user) address = bounded_name(std::move(address));
    if (addresses_of_user.size() > rules_.addresses_of_user_max) {
      addresses_of_user.resize(rules_.addresses_of_user_max);
    }
  }
}

}  // namespace auth_guard
