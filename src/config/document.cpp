#include "config/document.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "busway/config_error.hpp"
#include "config/file_text.hpp"
#include "config/issues.hpp"
#include "config/yaml_tree.hpp"

namespace busway::config {
namespace {

// Known before anything of the file is shown. What is wrong with the list is reported with the
// other keys.
void add_secret_keys(const Node& root, SecretKeys& secrets) {
  const Entry* const entry = root.entry("secret_keys");
  if (entry == nullptr) return;
  for (const NodePtr& item : entry->value->items) {
    if (item->kind == Node::Kind::scalar) secrets.add(item->text);
  }
}

Document parse(const std::string& text, const std::string& name, const ReadOptions& options,
               Issues& issues) {
  NodePtr root = parse_yaml(text, options.variables, issues);
  if (root != nullptr && root->kind == Node::Kind::null) {
    auto empty = std::make_shared<Node>();
    empty->kind = Node::Kind::map;
    root = std::move(empty);
  }
  if (root != nullptr && root->kind != Node::Kind::map) {
    issues.error(root->at, {},
                 "the file must be a map of sections such as event_broker:, found " +
                     std::string(describe(root->kind)));
    root = nullptr;
  }
  SecretKeys secrets = options.secrets;
  if (root != nullptr) add_secret_keys(*root, secrets);
  return {.file = name, .root = std::move(root), .warnings = {}, .secrets = std::move(secrets)};
}

Document strict(Document document, const Issues& issues) {
  issues.throw_if_errors();
  document.warnings = issues.sorted();
  return document;
}

// Literal secrets in a file that everyone may read.
void warn_of_exposed(const Node& node, const std::string& path, const std::string& command,
                     const SecretKeys& secrets, Issues& issues) {
  for (const Entry& entry : node.entries) {
    const std::string inner = path.empty() ? entry.key : path + '.' + entry.key;
    const Node& value = *entry.value;
    if (value.kind == Node::Kind::scalar && value.source == Node::Source::literal &&
        !value.text.empty() && secrets.contains(entry.key)) {
      issues.warning(value.at, inner,
                     "a secret stands in a file that everyone on this machine may read; take it "
                     "from a variable, ${NAME}, or run: " +
                         command);
    }
    warn_of_exposed(value, inner, command, secrets, issues);
  }
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    warn_of_exposed(*node.items[i], path + '[' + std::to_string(i) + ']', command, secrets, issues);
  }
}

// Takes the next key or [index] off a path; false at its end.
bool next_step(std::string_view& path, std::string_view& key, std::size_t& index) {
  if (path.empty()) return false;
  key = {};
  if (path.front() == '[') {
    const char* const end = path.data() + path.size();
    const auto [stop, error] = std::from_chars(path.data() + 1, end, index);
    if (error != std::errc() || stop == end || *stop != ']') return false;
    path.remove_prefix(static_cast<std::size_t>(stop - path.data()) + 1);
  } else {
    key = path.substr(0, path.find_first_of(".["));
    path.remove_prefix(key.size());
  }
  if (!path.empty() && path.front() == '.') path.remove_prefix(1);
  return true;
}

}  // namespace

const Entry* Node::entry(std::string_view key) const noexcept {
  const auto found = std::find_if(entries.begin(), entries.end(),
                                  [key](const Entry& entry) { return entry.key == key; });
  return found == entries.end() ? nullptr : &*found;
}

std::string_view describe(Node::Kind kind) noexcept {
  switch (kind) {
    case Node::Kind::null: return "no value";
    case Node::Kind::scalar: return "a single value";
    case Node::Kind::list: return "a list";
    case Node::Kind::map: return "a map";
  }
  return "no value";
}

const Node* Node::find(std::string_view path) const noexcept {
  const Node* node = this;
  std::string_view key;
  std::size_t index = 0;
  while (node != nullptr && next_step(path, key, index)) {
    if (key.empty()) {
      node = index < node->items.size() ? node->items[index].get() : nullptr;
    } else {
      const Entry* entry = node->entry(key);
      node = entry == nullptr ? nullptr : entry->value.get();
    }
  }
  return path.empty() ? node : nullptr;
}

ConfigIssue Document::issue_at(std::string path, std::string message,
                               ConfigIssue::Severity severity) const {
  Location at;
  for (std::string_view shorter = path; root != nullptr && !shorter.empty();) {
    if (const Node* node = root->find(shorter); node != nullptr) {
      at = node->at;
      break;
    }
    const std::size_t cut = shorter.find_last_of(".[");
    shorter = shorter.substr(0, cut == std::string_view::npos ? 0 : cut);
  }
  return {.file = file,
          .line = at.line,
          .column = at.column,
          .path = std::move(path),
          .message = std::move(message),
          .severity = severity};
}

Document open_document(const std::string& path, const ReadOptions& options, Issues& issues) {
  const FileText file = read_file_text(path);
  Document document = parse(file.text, path, options, issues);
  if (document.root != nullptr && file.readable == Readable::by_everyone) {
    warn_of_exposed(*document.root, {}, "chmod o-r " + shell_word(path), document.secrets, issues);
  }
  return document;
}

Document open_text(std::string_view text, const std::string& name, const ReadOptions& options,
                   Issues& issues) {
  return parse(check_text(text, name), name, options, issues);
}

Document read_document(const std::string& path, const ReadOptions& options) {
  Issues issues(path);
  Document document = open_document(path, options, issues);
  return strict(std::move(document), issues);
}

Document parse_document(std::string_view text, const std::string& name,
                        const ReadOptions& options) {
  Issues issues(name);
  Document document = open_text(text, name, options, issues);
  return strict(std::move(document), issues);
}

}  // namespace busway::config
