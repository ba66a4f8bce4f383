#include "host/configured_patterns.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/escape.hpp"
#include "busway/error.hpp"
#include "busway/topic_name.hpp"
#include "match/pattern_cover.hpp"

namespace busway::host_detail {
namespace {

using config::Node;

/// What a key's value is for.
enum class Use : unsigned char { pattern, topic, other };

Use use_of(std::string_view key) {
  if (key == "pattern" || key == "patterns") return Use::pattern;
  if (key == "topic" || key == "topics") return Use::topic;
  return Use::other;
}

enum class Filtered : unsigned char { yes, no };

class Walk {
 public:
  Walk(const std::string& file, Wildcards wildcards, config::Issues& issues)
      : file_(file), wildcards_(wildcards), issues_(issues) {}

  void map(const Node& node, const std::string& path) {
    const Filtered filtered = node.entry("filter") == nullptr ? Filtered::no : Filtered::yes;
    for (const config::Entry& entry : node.entries) {
      const std::string inner = path + '.' + entry.key;
      const Use use = use_of(entry.key);
      if (use == Use::other) {
        any(*entry.value, inner);
      } else {
        values(*entry.value, inner, use, filtered);
      }
    }
  }

  std::vector<PatternReading> take() { return std::move(readings_); }

 private:
  void any(const Node& node, const std::string& path) {
    if (node.kind == Node::Kind::map) map(node, path);
    for (std::size_t i = 0; i < node.items.size(); ++i) {
      any(*node.items[i], path + '[' + std::to_string(i) + ']');
    }
  }

  void values(const Node& node, const std::string& path, Use use, Filtered filtered) {
    switch (node.kind) {
      case Node::Kind::scalar:
        if (node.source == Node::Source::faulty) return;  // reported before
        if (use == Use::pattern) {
          pattern(node, path, filtered);
        } else {
          topic(node, path);
        }
        return;
      case Node::Kind::list:
        for (std::size_t i = 0; i < node.items.size(); ++i) {
          values(*node.items[i], path + '[' + std::to_string(i) + ']', use, filtered);
        }
        return;
      case Node::Kind::map: map(node, path); return;
      case Node::Kind::null: return;
    }
  }

  void pattern(const Node& node, const std::string& path, Filtered filtered) {
    try {
      note(node, path, Pattern::parse(node.text, wildcards_), filtered);
    } catch (const Error& error) {
      issues_.error(node.at, path, error.what());
    }
  }

  void topic(const Node& node, const std::string& path) {
    try {
      const Pattern read = Pattern::parse(node.text, wildcards_);
      if (read.kind() == PatternKind::exact) {
        if (const std::optional<std::string> problem = check_topic(read.text())) {
          issues_.warning(node.at, path, *problem);
          return;
        }
      }
      note(node, path, read, Filtered::no);
    } catch (const Error& error) {
      issues_.warning(node.at, path, error.what());
    }
  }

  void note(const Node& node, const std::string& path, const Pattern& read, Filtered filtered) {
    if (match_detail::matches_every_topic(read) && filtered == Filtered::no) {
      issues_.warning(node.at, path,
                      quote(node.text) +
                          " matches every topic and no filter stands beside it; name the topics "
                          "that are needed, or add a filter");
    }
    if (read.kind() == PatternKind::exact &&
        read.text().find_first_of(".:/") == std::string_view::npos) {
      issues_.warning(
          node.at, path,
          quote(node.text) + " is a topic of one word, which no pattern such as " +
              quote(std::string(read.text()) + ".*") +
              " can group with others; say what it is about and what happened, as in user.created");
    }
    readings_.push_back({.file = file_, .line = node.at.line, .path = path, .pattern = read});
  }

  const std::string& file_;
  const Wildcards wildcards_;
  config::Issues& issues_;
  std::vector<PatternReading> readings_;
};

}  // namespace

std::vector<PatternReading> read_configured_patterns(const config::Document& document,
                                                     Wildcards wildcards, config::Issues& issues) {
  Walk walk(document.file, wildcards, issues);
  if (document.root == nullptr) return {};
  const config::Entry* plugins = document.root->entry("plugins");
  if (plugins == nullptr) return {};
  for (std::size_t i = 0; i < plugins->value->items.size(); ++i) {
    const config::Entry* config = plugins->value->items[i]->entry("config");
    if (config == nullptr) continue;
    walk.map(*config->value, "plugins[" + std::to_string(i) + "].config");
  }
  return walk.take();
}

}  // namespace busway::host_detail
