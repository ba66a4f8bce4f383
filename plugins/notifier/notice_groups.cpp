#include "notice_groups.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace notifier {
namespace {

using nlohmann::json;

constexpr const char* kSeveral = "(several)";
constexpr std::size_t kNamedMax = 5;  // of those that a notice stands for

void count_in(std::optional<Notice>& waits, Notice&& notice) {
  if (waits) {
    notice.count += waits->count;
    notice.first = waits->first;
  }
  waits = std::move(notice);
}

std::int64_t ns_of(WallTime time) { return time.time_since_epoch().count(); }
WallTime time_of(const json& ns) {
  return WallTime(std::chrono::nanoseconds(ns.get<std::int64_t>()));
}

}  // namespace

void NoticeGroups::add(Notice notice, WallTime now) {
  std::string kind = notice.kind();
  if (!groups_.contains(kind) && !has_room()) {
    notice.text = "of more than " + std::to_string(options_.groups_max) +
                  " kinds at once, the last: " + line_of(notice);
    notice.topic = kSeveral;
    notice.source.clear();
    notice.subject.clear();
    notice.payload = nullptr;
    kind = kSeveral;
  }
  const auto [place, is_new] = groups_.try_emplace(std::move(kind));
  Group& group = place->second;
  // One that was quiet for long enough is as one that was never seen.
  if (is_new || (!group.waits && group.due <= now)) group.due = now + options_.wait;
  count_in(group.waits, std::move(notice));
}

bool NoticeGroups::has_room() {
  if (groups_.size() < options_.groups_max) return true;
  const auto quiet = std::find_if(groups_.begin(), groups_.end(),
                                  [](const auto& one) { return !one.second.waits; });
  if (quiet == groups_.end()) return false;
  groups_.erase(quiet);
  return true;
}

std::vector<NoticeGroups::Groups::iterator> NoticeGroups::due_groups(WallTime now) {
  std::vector<Groups::iterator> due;
  for (auto group = groups_.begin(); group != groups_.end();) {
    if (group->second.due > now) {
      ++group;
    } else if (!group->second.waits) {
      group = groups_.erase(group);
    } else {
      due.push_back(group++);
    }
  }
  // In the order in which their first events came.
  std::stable_sort(due.begin(), due.end(), [](const auto& a, const auto& b) {
    return a->second.waits->first < b->second.waits->first;
  });
  return due;
}

std::vector<Notice> NoticeGroups::take_due(WallTime now) {
  forget_sent(now);
  std::vector<Notice> out;
  const std::vector<Groups::iterator> due = due_groups(now);
  const std::size_t left = options_.notices_max - std::min(sent_.size(), options_.notices_max);
  if (left == 0) return out;

  std::vector<Notice> rest;
  for (const Groups::iterator group : due) {
    const bool alone = due.size() <= left || out.size() + 1 < left;
    (alone ? out : rest).push_back(std::move(*group->second.waits));
    group->second.waits.reset();
    group->second.due = now + options_.interval;
  }
  if (!rest.empty()) out.push_back(together(rest));
  sent_.insert(sent_.end(), out.size(), now);
  return out;
}

std::vector<Notice> NoticeGroups::take_all() {
  std::vector<Notice> out;
  for (auto& [kind, group] : groups_) {
    if (group.waits) out.push_back(std::move(*group.waits));
    group.waits.reset();
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const Notice& a, const Notice& b) { return a.first < b.first; });
  return out;
}

std::optional<WallTime> NoticeGroups::next() const {
  std::optional<WallTime> first;
  for (const auto& [kind, group] : groups_) {
    if (!group.waits) continue;
    if (!first || group.due < *first) first = group.due;
  }
  if (first && sent_.size() >= options_.notices_max) {
    const auto frees = sent_[sent_.size() - options_.notices_max] + options_.within;
    first = std::max(*first, frees);
  }
  return first;
}

void NoticeGroups::forget_sent(WallTime now) {
  while (!sent_.empty() && sent_.front() + options_.within <= now) sent_.pop_front();
}

json NoticeGroups::save() const {
  json groups = json::array();
  for (const auto& [kind, group] : groups_) {
    groups.push_back({{"kind", kind},
                      {"due", ns_of(group.due)},
                      {"waits", group.waits ? to_json(*group.waits) : json()}});
  }
  json sent = json::array();
  for (const WallTime time : sent_) sent.push_back(ns_of(time));
  return {{"groups", std::move(groups)}, {"sent", std::move(sent)}};
}

void NoticeGroups::load(const json& saved) {
  Groups groups;
  for (const json& one : saved.at("groups")) {
    Group group{.due = time_of(one.at("due"))};
    if (!one.at("waits").is_null()) group.waits = from_json(one.at("waits"));
    groups.insert_or_assign(one.at("kind").get<std::string>(), std::move(group));
  }
  std::deque<WallTime> sent;
  for (const json& time : saved.at("sent")) sent.push_back(time_of(time));
  groups_ = std::move(groups);
  sent_ = std::move(sent);
}

Notice together(const std::vector<Notice>& notices) {
  Notice sum{.topic = kSeveral, .count = 0};
  std::map<std::string, std::uint64_t> topics;
  for (const Notice& one : notices) {
    if (sum.count == 0) sum.first = one.first;
    sum.first = std::min(sum.first, one.first);
    sum.last = std::max(sum.last, one.last);
    sum.count += one.count;
    topics[one.topic] += one.count;
  }
  std::vector<std::pair<std::string, std::uint64_t>> most(topics.begin(), topics.end());
  std::stable_sort(most.begin(), most.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  sum.text = std::to_string(notices.size()) + " kinds of notice at once: ";
  for (std::size_t i = 0; i < most.size() && i < kNamedMax; ++i) {
    if (i > 0) sum.text += ", ";
    sum.text += most[i].first + " x " + std::to_string(most[i].second);
  }
  if (most.size() > kNamedMax) {
    sum.text += " and " + std::to_string(most.size() - kNamedMax) + " more topics";
  }
  return sum;
}

}  // namespace notifier
