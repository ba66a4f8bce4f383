#include "config/section.hpp"

#include <algorithm>
#include <cassert>

namespace busway::config {
namespace {

// The last word of a path such as retry_policy.max_delay.
std::string_view last_word(std::string_view path) {
  return path.substr(path.find_last_of('.') + 1);
}

}  // namespace

Place Checker::place_of(std::string_view key) const {
  Place place = place_;
  if (!key.empty()) place.path += (place.path.empty() ? "" : ".") + std::string(key);
  if (const Node* const node = node_.find(key); node != nullptr) place.at = node->at;
  return place;
}

void Checker::error(std::string_view key, std::string message) const {
  place_of(key).error(std::move(message));
}

void Checker::warning(std::string_view key, std::string message) const {
  place_of(key).warning(std::move(message));
}

std::vector<KeyInfo> SectionBase::keys() const {
  std::vector<KeyInfo> all;
  for (const Key& key : keys_) {
    all.push_back(key.info);
    for (KeyInfo nested : key.nested) {
      nested.path = key.info.path + '.' + nested.path;
      all.push_back(std::move(nested));
    }
  }
  return all;
}

void SectionBase::add(Key key) {
  assert(std::none_of(keys_.begin(), keys_.end(),
                      [&](const Key& known) { return known.info.path == key.info.path; }));
  keys_.push_back(std::move(key));
}

void SectionBase::adopt(const SectionBase& part, const std::function<void*(void*)>& member_of) {
  for (Key key : part.keys_) {
    if (key.read) {
      key.read = [member_of, read = std::move(key.read)](const Node& node, void* target,
                                                         const Place& place) {
        read(node, member_of(target), place);
      };
    }
    add(std::move(key));
  }
}

SectionBase::Key& SectionBase::last() {
  assert(!keys_.empty());
  return keys_.back();
}

void SectionBase::read_map(const Node& node, void* target, const Place& place) const {
  if (node.kind != Node::Kind::map && node.kind != Node::Kind::null) {
    std::vector<std::string> names;
    for (const Key& key : keys_) {
      if (key.state != Key::State::not_yet) names.push_back(key.info.path);
    }
    place.error("expected a map with the keys " + show(names) + ", found " +
                std::string(describe(node.kind)));
    return;
  }
  // In the order of the declaration: a later key may rely on what an earlier one set.
  for (const Key& key : keys_) {
    const Entry* const entry = node.entry(key.info.path);
    if (entry == nullptr) {
      if (key.state == Key::State::required)
        place.error("the key " + key.info.path + " is missing");
    } else if (key.state == Key::State::not_yet) {
      place.key(*entry).error("this version does not offer it yet; remove it");
    } else {
      key.read(*entry->value, target, place.key(*entry));
    }
  }
  for (const Entry& entry : node.entries) report_unknown(entry, place);
}

void SectionBase::report_unknown(const Entry& entry, const Place& place) const {
  std::vector<std::string> names;
  for (const Key& key : keys_) {
    if (key.info.path == entry.key) return;
    if (key.state != Key::State::not_yet) names.push_back(key.info.path);
  }
  Place at = place.key(entry);
  at.at = entry.at;
  // A known key on the wrong level is a likelier slip than a mistyped one.
  for (const Key& key : keys_) {
    for (const KeyInfo& nested : key.nested) {
      if (last_word(nested.path) != entry.key || key.info.type != "section") continue;
      at.error("unknown key here; it belongs under " + key.info.path + ", as " + key.info.path +
               '.' + nested.path);
      return;
    }
  }
  at.error("unknown key" + suggestion(entry.key, names));
}

}  // namespace busway::config
