#include "config/yaml_tree.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <sstream>
#include <unordered_map>
#include <utility>

#include "base/escape.hpp"
#include "config/expand.hpp"
#include "config/limits.hpp"
#include "config/source_lines.hpp"

namespace busway::config {
namespace {

// The tags yaml-cpp gives to what has none: "?" plain, "!" quoted or a block.
constexpr std::string_view kPlainTag = "?";
constexpr std::string_view kQuotedTag = "!";
constexpr std::string_view kTextTag = "tag:yaml.org,2002:str";

// Ends the parse; what is wrong stands in the issues.
struct Abort {};

Location location(const YAML::Mark& mark) {
  return mark.is_null() ? Location{} : Location{mark.line + 1, mark.column + 1};
}

class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(const SourceLines& lines, const Variables& variables, Issues& issues)
      : lines_(lines), variables_(variables), issues_(issues) {}

  [[nodiscard]] NodePtr root() const { return root_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ == 1) return;
    const Location at = location(mark);
    abort(at, lines_.line(at.line).starts_with("---")
                  ? "a second document begins here; a configuration file holds one"
                  : "this does not belong to what stands above; check the indentation");
  }

  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const Location at = location(mark);
    if (wants_key()) abort(at, "a key is missing before ':'");
    auto node = std::make_shared<Node>();
    // The mark of nothing may be on the next line; the key's line is the one to look at.
    node->at = place_of_value(at);
    finish(std::move(node), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const Location at = location(mark);
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) abort(at, "the alias stands inside the very value it repeats");
    const NodePtr node = found->second;
    if (wants_key()) {
      if (node->kind != Node::Kind::scalar) abort(at, "a key must be a word, not a map or a list");
      begin_entry(node->text, at);
      return;
    }
    count(at, node->nodes, node->bytes);
    attach(node);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    const Location at = location(mark);
    check_scalar(at, tag, value);
    if (wants_key()) {
      check_indent(at);
      count(at, 1, value.size());
      if (anchor != YAML::NullAnchor) anchors_[anchor] = scalar(at, tag, value);
      if (value == "<<" && tag == kPlainTag) {
        abort(at, "merge keys (<<) are not supported; repeat the keys, or alias a whole value");
      }
      begin_entry(value, at);
      return;
    }
    auto node = scalar(at, tag, value);
    expand_variables(*node);
    count(at, 1, node->text.size());
    finish(std::move(node), anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override {
    open(Node::Kind::list, mark, tag, anchor, style);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override {
    open(Node::Kind::map, mark, tag, anchor, style);
  }
  void OnMapEnd() override { close(); }

 private:
  // A map or list that is being read.
  struct Frame {
    std::shared_ptr<Node> node;
    YAML::anchor_t anchor = YAML::NullAnchor;
    YAML::EmitterStyle::value style = YAML::EmitterStyle::Default;
    std::unordered_map<std::string, Location> keys{};
    std::string key{};
    Location key_at{};
    enum class Next : unsigned char { key, value, value_of_duplicate } next = Next::key;
  };

  [[noreturn]] void abort(Location at, std::string message) {
    issues_.error(at, path(), std::move(message));
    throw Abort{};
  }

  [[nodiscard]] bool in_map() const {
    return !frames_.empty() && frames_.back().node->kind == Node::Kind::map;
  }
  [[nodiscard]] bool wants_key() const {
    return in_map() && frames_.back().next == Frame::Next::key;
  }
  [[nodiscard]] Location place_of_value(Location at) const {
    return in_map() ? frames_.back().key_at : at;
  }

  // The keys that lead to the value being read.
  [[nodiscard]] std::string path() const {
    std::string text;
    for (const Frame& frame : frames_) {
      if (frame.node->kind == Node::Kind::list) {
        text += '[' + std::to_string(frame.node->items.size()) + ']';
      } else if (frame.next != Frame::Next::key) {
        if (!text.empty()) text += '.';
        text += frame.key;
      }
    }
    return text;
  }

  void check_scalar(Location at, const std::string& tag, const std::string& value) {
    if (tag != kPlainTag && tag != kQuotedTag && tag != kTextTag) refuse_tag(at, tag);
    if (value.find('\0') != std::string::npos) abort(at, "the text holds a NUL character (\\0)");
    if (tag != kPlainTag && lines_.quote_at(at) == SourceLines::Quote::open) {
      abort(at, "the quote that opens here is never closed");
    }
  }

  [[noreturn]] void refuse_tag(Location at, const std::string& tag) {
    abort(at, "the tag " + escape(tag, 60) + " is not supported; only !!str is");
  }

  void check_indent(Location at) {
    if (frames_.back().style != YAML::EmitterStyle::Flow && lines_.indented_by_tab(at.line)) {
      abort(at, "the line is indented with a tab; YAML wants spaces");
    }
  }

  static std::shared_ptr<Node> scalar(Location at, const std::string& tag,
                                      const std::string& value) {
    auto node = std::make_shared<Node>();
    node->kind = Node::Kind::scalar;
    node->style = tag == kPlainTag ? Node::Style::plain : Node::Style::quoted;
    node->at = at;
    node->text = value;
    return node;
  }

  void expand_variables(Node& node) {
    if (node.text.find("${") == std::string::npos) return;
    Expansion result = expand(node.text, variables_, kTextBytesMax);
    if (!result.problem.empty()) {
      issues_.error(node.at, path(), std::move(result.problem));
      node.source = Node::Source::faulty;
      return;
    }
    node.text = std::move(result.text);
    node.source = result.source;
  }

  void count(Location at, std::size_t nodes, std::size_t bytes) {
    if (nodes > kNodesMax - nodes_) {
      abort(at, "the file holds more than " + std::to_string(kNodesMax) +
                    " nodes, each counted as often as an alias repeats it");
    }
    if (bytes > kTextBytesMax - bytes_) {
      abort(at, "the file holds more than " + std::to_string(kTextBytesMax) +
                    " bytes of text once aliases and variables are expanded");
    }
    nodes_ += nodes;
    bytes_ += bytes;
  }

  void open(Node::Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
            YAML::EmitterStyle::value style) {
    const Location at = location(mark);
    if (wants_key()) abort(at, "a key must be a word, not a map or a list");
    if (tag != kPlainTag) refuse_tag(at, tag);
    if (frames_.size() >= kDepthMax) {
      abort(at, "maps and lists are nested more than " + std::to_string(kDepthMax) + " deep");
    }
    count(at, 1, 0);
    Frame frame;
    frame.node = std::make_shared<Node>();
    frame.node->kind = kind;
    frame.node->at = place_of_value(at);
    frame.anchor = anchor;
    frame.style = style;
    frames_.push_back(std::move(frame));
  }

  void close() {
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    finish(std::move(frame.node), frame.anchor);
  }

  void begin_entry(const std::string& key, Location at) {
    if (key.size() > kKeyBytesMax) {
      abort(at, "the key " + quote(key, 40) + " has more than " + std::to_string(kKeyBytesMax) +
                    " bytes");
    }
    Frame& frame = frames_.back();
    frame.key = key;
    frame.key_at = at;
    frame.next = Frame::Next::value;
    const auto [first, inserted] = frame.keys.emplace(key, at);
    if (inserted) return;
    issues_.error(at, path(),
                  "the key stands twice in this map, first in line " +
                      std::to_string(first->second.line) + "; remove one");
    frame.next = Frame::Next::value_of_duplicate;
  }

  void finish(std::shared_ptr<Node> node, YAML::anchor_t anchor) {
    node->bytes += node->text.size();
    for (const NodePtr& item : node->items) add_size(*node, *item, 0);
    for (const Entry& entry : node->entries) add_size(*node, *entry.value, entry.key.size());
    // The anchor becomes known only now: an alias within the value finds nothing.
    if (anchor != YAML::NullAnchor) anchors_[anchor] = node;
    attach(std::move(node));
  }

  static void add_size(Node& parent, const Node& child, std::size_t key_bytes) {
    parent.nodes += child.nodes + (key_bytes > 0 ? 1U : 0U);
    parent.bytes += child.bytes + key_bytes;
  }

  void attach(NodePtr node) {
    if (frames_.empty()) {
      root_ = std::move(node);
      return;
    }
    Frame& frame = frames_.back();
    if (frame.node->kind == Node::Kind::list) {
      frame.node->items.push_back(std::move(node));
      return;
    }
    if (frame.next == Frame::Next::value) {
      frame.node->entries.push_back({std::move(frame.key), frame.key_at, std::move(node)});
    }
    frame.next = Frame::Next::key;
  }

  const SourceLines& lines_;
  const Variables& variables_;
  Issues& issues_;
  NodePtr root_;
  std::vector<Frame> frames_;
  std::unordered_map<YAML::anchor_t, NodePtr> anchors_;
  std::size_t nodes_ = 0;
  std::size_t bytes_ = 0;
  int documents_ = 0;
};

// What usually lies behind a message of the parser.
std::string hint(std::string_view message, std::string_view line) {
  if (line.find("${") != std::string_view::npos && line.find_first_of("{[") < line.find("${")) {
    return "; between { } or [ ] write \"${NAME}\" in quotes";
  }
  if (message == YAML::ErrorMsg::MAP_VALUE) {
    return "; check the indentation, and put a value that holds \": \" in quotes";
  }
  if (message == YAML::ErrorMsg::UNKNOWN_TOKEN) {
    return "; put a value that begins with @, ` or % in quotes";
  }
  if (message == YAML::ErrorMsg::UNKNOWN_ANCHOR) {
    return "; an alias repeats a value that was marked before with &NAME, and a text that begins "
           "with "
           "* stands in quotes";
  }
  if (message == YAML::ErrorMsg::END_OF_MAP || message == YAML::ErrorMsg::END_OF_SEQ) {
    return "; check the indentation and the quotes";
  }
  if (message == YAML::ErrorMsg::INVALID_ESCAPE || message.starts_with("unknown escape")) {
    return "; in double quotes a backslash is written \\\\, in single quotes as it is";
  }
  return {};
}

void report(const YAML::Exception& problem, const SourceLines& lines, Issues& issues) {
  const Location at = location(problem.mark);
  // After a tab the parser may give up on that line or, having misread it, on the next.
  for (int line = at.line; line >= std::max(1, at.line - 1); --line) {
    if (!lines.indented_by_tab(line)) continue;
    issues.error({line, 1}, {}, "the line is indented with a tab; YAML wants spaces");
    return;
  }
  issues.error(at, {},
               "not valid YAML: " + escape(problem.msg) + hint(problem.msg, lines.line(at.line)));
}

}  // namespace

NodePtr parse_yaml(const std::string& text, const Variables& variables, Issues& issues) {
  const SourceLines lines(text);
  TreeBuilder builder(lines, variables, issues);
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Abort&) {
    return nullptr;
  } catch (const YAML::Exception& problem) {
    report(problem, lines, issues);
    return nullptr;
  }
  if (builder.root() != nullptr) return builder.root();
  issues.warning({}, {}, "holds nothing but comments; every default applies");
  auto empty = std::make_shared<Node>();
  empty->kind = Node::Kind::map;
  return empty;
}

}  // namespace busway::config
