#include "output_cache.hpp"

#include <iterator>
#include <utility>

namespace cache {

std::optional<std::string_view> OutputCache::find(std::string_view phase, std::string_view key,
                                                  WallTime now) {
  const auto found = by_name_.find(name_of(phase, key));
  if (found == by_name_.end()) {
    ++counts_.misses;
    return std::nullopt;
  }
  const Entries::iterator entry = found->second;
  if (too_old(*entry, now)) {
    drop(entry);
    ++counts_.expired;
    ++counts_.misses;
    return std::nullopt;
  }
  by_use_.splice(by_use_.begin(), by_use_, entry);
  ++counts_.hits;
  return entry->output;
}

bool OutputCache::keep(std::string_view phase, std::string_view key, std::string output,
                       WallTime now) {
  Entry fresh{.name = name_of(phase, key), .output = std::move(output), .kept_at = now};
  fresh.key_begin = fresh.name.size() - key.size();
  fresh.phase_begin = fresh.key_begin - phase.size();
  // What was kept before is no longer what the phase gives.
  if (const auto before = by_name_.find(fresh.name); before != by_name_.end()) drop(before->second);
  if (fresh.bytes() > limits_.bytes_max || limits_.entries_max == 0) {
    ++counts_.too_large;
    return false;
  }
  bytes_ += fresh.bytes();
  by_use_.push_front(std::move(fresh));
  by_name_.emplace(by_use_.front().name, by_use_.begin());
  ++counts_.kept;
  while (by_use_.size() > limits_.entries_max || bytes_ > limits_.bytes_max) {
    drop(std::prev(by_use_.end()));
    ++counts_.evicted;
  }
  return true;
}

void OutputCache::sweep(WallTime now) {
  for (auto entry = by_use_.begin(); entry != by_use_.end();) {
    if (too_old(*entry, now)) {
      entry = drop(entry);
      ++counts_.expired;
    } else {
      ++entry;
    }
  }
}

std::size_t OutputCache::clear(std::optional<std::string_view> phase) {
  std::size_t gone = 0;
  for (auto entry = by_use_.begin(); entry != by_use_.end();) {
    if (phase && entry->phase() != *phase) {
      ++entry;
    } else {
      entry = drop(entry);
      ++gone;
    }
  }
  return gone;
}

void OutputCache::for_each(const std::function<bool(const Entry&)>& visit) const {
  for (const Entry& entry : by_use_) {
    if (!visit(entry)) return;
  }
}

std::string OutputCache::name_of(std::string_view phase, std::string_view key) {
  // With its size before it no name can reach into the key.
  std::string name = std::to_string(phase.size());
  name.append(1, ':').append(phase).append(key);
  return name;
}

OutputCache::Entries::iterator OutputCache::drop(Entries::iterator entry) {
  bytes_ -= entry->bytes();
  by_name_.erase(entry->name);
  return by_use_.erase(entry);
}

}  // namespace cache
