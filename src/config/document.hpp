// config/document.hpp -- a configuration file as a tree of values that know their lines.
// Layer: config
//
// Model      Made by read_document (a file) or parse_document (a text) and never changed. Variables
//            are expanded, aliases share the node they name, keys of a map are unique and in the
//            order of the file.
// Threads    Immutable: [any-thread].
// Ownership  Nodes are shared; a Document may be copied cheaply.
// Errors     ConfigError; see the functions. A name given with a text stands for the file in
//            messages.
// Cost       One pass; a file beyond a bound of config/limits.hpp is refused before it can cost
//            more.
// Example    tests/config/document_test.cpp
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "busway/config_issue.hpp"
#include "config/secrets.hpp"

namespace busway::config {

/// Counted from 1; 0 means unknown.
struct Location {
  int line = 0;
  int column = 0;
};

struct Node;
using NodePtr = std::shared_ptr<const Node>;

struct Entry {
  std::string key;
  Location at;
  NodePtr value;
};

struct Node {
  enum class Kind : unsigned char { null, scalar, list, map };
  /// Whether a scalar was written plain or in quotes (or as a block): only plain ones have a type.
  enum class Style : unsigned char { plain, quoted };
  /// Whether a scalar's text came, at least in part, from ${VAR}; faulty: that failed and was
  /// reported.
  enum class Source : unsigned char { literal, variable, faulty };

  Kind kind = Kind::null;
  Style style = Style::plain;
  Source source = Source::literal;
  Location at{};
  std::string text{};            // of a scalar, after expansion
  std::vector<NodePtr> items{};  // of a list
  std::vector<Entry> entries{};  // of a map
  std::size_t nodes = 1;         // in this subtree, aliases expanded
  std::size_t bytes = 0;         // of text in this subtree, aliases expanded

  [[nodiscard]] const Entry* entry(std::string_view key) const noexcept;
  /// The node below this one at a path such as "redis.host" or "[0].path", or null; "" is this
  /// node.
  [[nodiscard]] const Node* find(std::string_view path) const noexcept;
};

/// "a map", "a list", "no value", or "the text".
[[nodiscard]] std::string_view describe(Node::Kind kind) noexcept;

/// The value of a variable, or nothing when it is not set.
using Variables = std::function<std::optional<std::string>(const std::string&)>;

/// The environment of the process; HOSTNAME is the host's name even where none is exported.
[[nodiscard]] std::optional<std::string> process_variable(const std::string& name);

struct ReadOptions {
  Variables variables = process_variable;
  SecretKeys secrets{};
};

struct Document {
  std::string file{};
  NodePtr root{};  // a map
  std::vector<ConfigIssue> warnings{};
  SecretKeys secrets{};  // those of the options and of the file's secret_keys

  /// An issue that points to a path of this document, or to the nearest parent that exists.
  [[nodiscard]] ConfigIssue issue_at(std::string path, std::string message,
                                     ConfigIssue::Severity severity) const;
};

class Issues;

/// Checks the file itself (kind, permissions, size, encoding), then parses it. The root is null
/// when nothing can be made of the text; else reading may go on, to find all that is wrong at once,
/// and the issues tell whether to use it.
[[nodiscard]] Document open_document(const std::string& path, const ReadOptions& options,
                                     Issues& issues);
[[nodiscard]] Document open_text(std::string_view text, const std::string& name,
                                 const ReadOptions& options, Issues& issues);

/// The same, all of it or a ConfigError.
[[nodiscard]] Document read_document(const std::string& path, const ReadOptions& options = {});

[[nodiscard]] Document parse_document(std::string_view text, const std::string& name,
                                      const ReadOptions& options = {});

}  // namespace busway::config
