#include "match/pattern_index.hpp"

#include <algorithm>
#include <array>

#include "match/condition.hpp"
#include "match/hashing.hpp"
#include "match/segments.hpp"

namespace busway {

using match_detail::Clauses;
using match_detail::Shape;
using match_detail::TagTable;

namespace {

constexpr std::uint32_t kNone = 0xFFFFFFFF;

// Exact names show what topics look like; a few of them are enough to learn which strings are
// common.
constexpr std::uint32_t kObservedEvery = 8;

std::uint32_t text_tag(PatternKind kind, std::string_view text) noexcept {
  const std::uint64_t seed = match_detail::process_seed() + static_cast<std::uint64_t>(kind);
  return static_cast<std::uint32_t>(match_detail::hash_text(text, seed) >> 32U);
}

// The tag under which equal patterns meet. A segments pattern stands where a topic's words lead.
std::uint32_t identity_tag(const Pattern& pattern) noexcept {
  if (pattern.kind() == PatternKind::segments) {
    if (const auto shaped = match_detail::shape_of(pattern.text())) return shaped->tag;
  }
  return text_tag(pattern.kind(), pattern.text());
}

// A list of numbers that seldom needs the heap.
class ShortList {
 public:
  void push_back(std::uint32_t number) {
    if (count_ < few_.size()) {
      few_[count_++] = number;
      return;
    }
    if (many_.empty()) many_.assign(few_.begin(), few_.end());
    many_.push_back(number);
    count_ = many_.size();
  }
  void make_unique() noexcept {
    std::sort(begin(), end());
    count_ = static_cast<std::size_t>(std::unique(begin(), end()) - begin());
  }
  [[nodiscard]] std::uint32_t* begin() noexcept {
    return many_.empty() ? few_.data() : many_.data();
  }
  [[nodiscard]] std::uint32_t* end() noexcept { return begin() + count_; }

 private:
  std::array<std::uint32_t, 64> few_;
  std::size_t count_ = 0;
  std::vector<std::uint32_t> many_;
};

}  // namespace

PatternIndex::PatternIndex() = default;
PatternIndex::~PatternIndex() = default;

PatternIndex::Handle PatternIndex::add(const Pattern& pattern, Value value) {
  const NodeId id = node_of(pattern);
  try {
    if (free_entry_ == kNone) {
      const std::uint32_t fresh = entries_.add();
      entries_[fresh].node = kNone;
      free_entry_ = fresh;
    }
    const std::uint32_t entry = free_entry_;
    const std::uint32_t next_free = entries_[entry].node;
    const std::uint32_t position = nodes_[id].values.add(value, entry);
    entries_[entry] = {id, position};
    free_entry_ = next_free;
    ++size_;
    return {entry};
  } catch (...) {
    drop_if_empty(id);
    throw;
  }
}

void PatternIndex::remove(Handle handle) noexcept {
  Entry& entry = entries_[handle.entry];
  const NodeId id = entry.node;
  const std::uint32_t moved = nodes_[id].values.remove(entry.position);
  entries_[moved].position = entry.position;
  entry.node = free_entry_;
  free_entry_ = handle.entry;
  --size_;
  drop_if_empty(id);
}

const Pattern& PatternIndex::pattern(Handle handle) const noexcept {
  return *nodes_[entries_[handle.entry].node].pattern;
}

PatternIndex::Value PatternIndex::value(Handle handle) const noexcept {
  const Entry& entry = entries_[handle.entry];
  return nodes_[entry.node].values[entry.position];
}

PatternIndex::NodeId PatternIndex::node_of(const Pattern& pattern) {
  const Tag tag = identity_tag(pattern);
  const NodeId known = nodes_by_tag_.find_if(
      tag, [&](TagTable::Value id) { return *nodes_[id].pattern == pattern; });
  return known != TagTable::kNoValue ? known : new_node(pattern, tag);
}

PatternIndex::NodeId PatternIndex::new_node(const Pattern& pattern, Tag tag) {
  if (free_node_ == kNone) {
    const NodeId fresh = nodes_.add();
    nodes_[fresh].at = kNone;
    free_node_ = fresh;
  }
  const NodeId id = free_node_;
  const NodeId next_free = nodes_[id].at;
  Node& node = nodes_[id];
  nodes_by_tag_.insert(tag, id);
  try {
    node.pattern = pattern;
    node.tag = tag;
    file(node, id);
  } catch (...) {
    node.pattern.reset();
    node.at = next_free;
    nodes_by_tag_.erase(tag, id);
    throw;
  }
  free_node_ = next_free;
  return id;
}

void PatternIndex::file(Node& node, NodeId id) {
  const Pattern& pattern = *node.pattern;
  if (pattern.kind() == PatternKind::exact) {
    node.place = Place::exact;
    if (id % kObservedEvery == 0) observe(pattern.text());
    return;
  }
  if (pattern.kind() == PatternKind::segments && pattern.text() != "*") {
    if (const auto shaped = match_detail::shape_of(pattern.text())) {
      if (const auto place = shapes_.add(shaped->shape)) {
        node.place = Place::shape;
        node.at = *place;
        return;
      }
    }
  }
  const Clauses clauses = match_detail::condition_of(pattern);
  if (!clauses.empty() && file_under_strings(node, id, clauses)) return;
  unfiled_.push_back(id);
  node.place = Place::nowhere;
  node.at = static_cast<std::uint32_t>(unfiled_.size() - 1);
}

void PatternIndex::observe(std::string_view name) noexcept {
  if (name.size() > kTopicBytesMax) return;
  std::array<char, kTopicBytesMax + 2> buffer;
  filter_.observe(match_detail::mark_topic(name, buffer.data()));
}

bool PatternIndex::file_under_strings(Node& node, NodeId id, const Clauses& clauses) {
  if (free_filed_ == kNone) {
    const std::uint32_t fresh = filed_.add();
    filed_[fresh].next_free = kNone;
    free_filed_ = fresh;
  }
  const std::uint32_t place = free_filed_;
  Filed& filed = filed_[place];
  filed.filing = filter_.add(clauses, place);
  if (filed.filing.count == 0) return false;
  filed.necessary = match_detail::NecessaryStrings(clauses);
  filed.node = id;
  node.place = Place::filter;
  node.at = place;
  free_filed_ = filed.next_free;
  return true;
}

void PatternIndex::unfile(const Node& node) noexcept {
  switch (node.place) {
    case Place::exact: break;
    case Place::shape: shapes_.release(node.at); break;
    case Place::filter: {
      Filed& filed = filed_[node.at];
      filter_.remove(filed.filing, node.at);
      filed.filing = {};
      filed.next_free = free_filed_;
      free_filed_ = node.at;
      break;
    }
    case Place::nowhere:
      unfiled_[node.at] = unfiled_.back();
      nodes_[unfiled_.back()].at = node.at;
      unfiled_.pop_back();
      break;
  }
}

void PatternIndex::drop_if_empty(NodeId id) noexcept {
  Node& node = nodes_[id];
  if (node.values.size() > 0) return;
  unfile(node);
  nodes_by_tag_.erase(node.tag, id);
  node.pattern.reset();
  node.at = free_node_;
  free_node_ = id;
}

void PatternIndex::match(std::string_view topic, std::vector<Value>& out) const {
  if (topic.empty() || topic.size() > kTopicBytesMax) {
    match_one_by_one(topic, out);
    return;
  }
  // All slots are asked for before the first is read, so that their cache misses overlap.
  const match_detail::WordHashes words(topic);
  const Tag exact_tag = text_tag(PatternKind::exact, topic);
  nodes_by_tag_.prefetch(exact_tag);
  std::array<ShapeProbe, match_detail::kShapesMax> shapes;
  std::size_t shape_count = 0;
  if (!words.has_empty) {
    for (std::uint32_t i = 0; i < shapes_.all().size(); ++i) {
      const Shape& shape = shapes_.all()[i];
      if (!shape.fits(words)) continue;
      shapes[shape_count] = {i, shape.tag_of(words.hash.data())};
      nodes_by_tag_.prefetch(shapes[shape_count++].tag);
    }
  }
  match_filtered(topic, out);
  if (const NodeId id = find_exact(topic, exact_tag); id != kNone) nodes_[id].values.append_to(out);
  for (std::size_t i = 0; i < shape_count; ++i) {
    const NodeId id = nodes_by_tag_.find_if(shapes[i].tag, [&](TagTable::Value candidate) {
      const Node& node = nodes_[candidate];
      return node.place == Place::shape && node.at == shapes[i].place &&
             match_detail::words_match(node.pattern->text(), topic);
    });
    if (id != kNone) nodes_[id].values.append_to(out);
  }
}

PatternIndex::NodeId PatternIndex::find_exact(std::string_view topic, Tag tag) const {
  return nodes_by_tag_.find_if(tag, [&](TagTable::Value candidate) {
    const Node& node = nodes_[candidate];
    return node.place == Place::exact && node.pattern->text() == topic;
  });
}

void PatternIndex::match_filtered(std::string_view topic, std::vector<Value>& out) const {
  for (const NodeId id : unfiled_) {
    if (nodes_[id].pattern->matches(topic)) nodes_[id].values.append_to(out);
  }
  if (filter_.empty()) return;

  std::array<char, kTopicBytesMax + 2 + match_detail::StringFilter::kReadBehind> marked_bytes{};
  const std::string_view marked = match_detail::mark_topic(topic, marked_bytes.data());
  match_detail::StringFilter::Probes probes;
  filter_.collect(marked, probes);
  ShortList candidates;
  filter_.find(probes, [&](std::uint32_t place) {
    __builtin_prefetch(&filed_[place]);
    candidates.push_back(place);
  });
  ShortList likely;
  for (const std::uint32_t place : candidates) {
    if (!filed_[place].necessary.hold_in(marked)) continue;
    __builtin_prefetch(&nodes_[filed_[place].node]);
    likely.push_back(filed_[place].node);
  }
  likely.make_unique();
  for (const NodeId id : likely) {
    if (nodes_[id].pattern->matches(topic)) nodes_[id].values.append_to(out);
  }
}

// No legal topic comes here; the answer is right all the same.
void PatternIndex::match_one_by_one(std::string_view topic, std::vector<Value>& out) const {
  for (NodeId id = 0; id < nodes_.size(); ++id) {
    const Node& node = nodes_[id];
    if (node.pattern && node.pattern->matches(topic)) node.values.append_to(out);
  }
}

}  // namespace busway
