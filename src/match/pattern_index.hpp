// match/pattern_index.hpp -- finds the patterns that match a topic, out of a million.
// Layer: match
//
// Model      Maps patterns to values of the caller. Equal patterns share one node with a list of
//            values. exact     one hash probe
//            segments  one hash probe for each distinct shape (which words are literal, how many
//                      there are, whether ** ends it), at most kShapesMax shapes; others as globs
//            glob, regex   filed under strings of which a match must hold one (condition.hpp): a
//            whole
//                      word, a beginning, an end, or the 5- or 3-gram that the fewest others are
//                      filed under. What is filed under a string of the topic is checked: first
//                      against its other necessary strings, then by the pattern itself, which has
//                      the last word.
//            Patterns of which nothing is known (such as .* or ^\w+$) are checked for each topic.
// Threads    [not-concurrent]; const functions may run side by side.
// Ownership  Holds the patterns; the values are the caller's.
// Errors     add() gives the strong guarantee against std::bad_alloc.
// Cost       See docs/design/0002-matching.md. add() and remove() take constant time on a name with
//            any number of values, and never rebuild anything.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "busway/pattern.hpp"
#include "match/chunked_array.hpp"
#include "match/necessary_strings.hpp"
#include "match/shape_table.hpp"
#include "match/string_filter.hpp"
#include "match/tag_table.hpp"
#include "match/value_list.hpp"

namespace busway {

class PatternIndex {
 public:
  using Value = std::uintptr_t;

  /// Names one add() until its remove().
  struct Handle {
    std::uint32_t entry = 0xFFFFFFFF;
    friend bool operator==(Handle, Handle) = default;
  };

  PatternIndex();
  ~PatternIndex();
  PatternIndex(const PatternIndex&) = delete;
  PatternIndex& operator=(const PatternIndex&) = delete;

  [[nodiscard]] Handle add(const Pattern& pattern, Value value);
  void remove(Handle handle) noexcept;

  /// Appends the value of each pattern that matches, one for each add(), in no particular order.
  void match(std::string_view topic, std::vector<Value>& out) const;

  /// The pattern as first added; equal patterns share its text.
  [[nodiscard]] const Pattern& pattern(Handle handle) const noexcept;
  [[nodiscard]] Value value(Handle handle) const noexcept;

  /// How many add() are not removed yet.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// How many distinct patterns are checked for every topic.
  [[nodiscard]] std::size_t unfiled() const noexcept { return unfiled_.size(); }

 private:
  using NodeId = std::uint32_t;
  using Tag = match_detail::TagTable::Tag;

  // How a node is found when a topic is matched.
  enum class Place : unsigned char { exact, shape, filter, nowhere };

  struct Node {
    std::optional<Pattern> pattern;  // empty: the node is free
    match_detail::ValueList values;
    Tag tag = 0;
    Place place = Place::exact;
    std::uint32_t at = 0;  // in shapes_, filed_ or unfiled_, as place says; or the next free node
  };

  struct Entry {
    NodeId node;             // or the next free entry
    std::uint32_t position;  // in the node's values
  };

  // What the filter knows of a node, in one cache line: enough to refuse it and to take it out
  // again.
  struct alignas(64) Filed {
    match_detail::NecessaryStrings necessary;
    match_detail::StringFilter::Filing filing;
    NodeId node = 0;
    std::uint32_t next_free = 0xFFFFFFFF;
  };

  struct ShapeProbe {
    std::uint32_t place;
    Tag tag;
  };

  [[nodiscard]] NodeId node_of(const Pattern& pattern);
  [[nodiscard]] NodeId new_node(const Pattern& pattern, Tag tag);
  [[nodiscard]] NodeId find_exact(std::string_view topic, Tag tag) const;
  void file(Node& node, NodeId id);
  [[nodiscard]] bool file_under_strings(Node& node, NodeId id,
                                        const match_detail::Clauses& clauses);
  void observe(std::string_view name) noexcept;
  void unfile(const Node& node) noexcept;
  void drop_if_empty(NodeId id) noexcept;
  void match_filtered(std::string_view topic, std::vector<Value>& out) const;
  void match_one_by_one(std::string_view topic, std::vector<Value>& out) const;

  match_detail::TagTable nodes_by_tag_;
  match_detail::ChunkedArray<Node, 1024> nodes_;
  match_detail::ChunkedArray<Entry, 8192> entries_;
  match_detail::ChunkedArray<Filed, 256> filed_;
  match_detail::ShapeTable shapes_;
  match_detail::StringFilter filter_;
  std::vector<NodeId> unfiled_;
  NodeId free_node_ = 0xFFFFFFFF;
  std::uint32_t free_filed_ = 0xFFFFFFFF;
  std::uint32_t free_entry_ = 0xFFFFFFFF;
  std::size_t size_ = 0;
};

}  // namespace busway
