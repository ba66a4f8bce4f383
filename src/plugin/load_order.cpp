#include "plugin/load_order.hpp"

#include <algorithm>
#include <map>
#include <string_view>

#include "base/escape.hpp"
#include "base/nearest.hpp"
#include "busway/error.hpp"

namespace busway::plugin_host_detail {
namespace {

enum class Mark : unsigned char { unseen, open, done };

struct Node {
  const Requirement* plugin;
  Mark mark = Mark::unseen;
};

using Nodes = std::map<std::string_view, Node>;

[[noreturn]] void fail_missing(const std::string& id, const std::string& required,
                               const Nodes& nodes) {
  std::vector<std::string_view> known;
  for (const auto& entry : nodes) known.push_back(entry.first);
  const std::string_view near = nearest(required, known);
  throw Error(ErrorCode::plugin_requires,
              "the plugin " + quote(id) + " requires " + quote(required) + ", which is not loaded" +
                  (near.empty() ? std::string() : " (did you mean " + quote(near) + "?)"));
}

[[noreturn]] void fail_circle(const std::vector<std::string>& path, const std::string& again) {
  std::string circle;
  for (auto at = std::find(path.begin(), path.end(), again); at != path.end(); ++at) {
    circle += *at + " -> ";
  }
  throw Error(ErrorCode::plugin_requires, "plugins require each other in a circle: " + circle +
                                              again + "; take one of these requirements away");
}

/// A step of the walk: a plugin, and how many of its requirements have been looked at.
struct Step {
  Node* node;
  std::size_t next = 0;
};

void visit(Node& first, Nodes& nodes, std::vector<std::string>& order) {
  std::vector<Step> steps{{&first}};
  std::vector<std::string> path{first.plugin->id};
  first.mark = Mark::open;
  while (!steps.empty()) {
    Step& step = steps.back();
    const Requirement& plugin = *step.node->plugin;
    if (step.next == plugin.required.size()) {
      step.node->mark = Mark::done;
      order.push_back(plugin.id);
      path.pop_back();
      steps.pop_back();
      continue;
    }
    const std::string& required = plugin.required[step.next++];
    const auto found = nodes.find(required);
    if (found == nodes.end()) fail_missing(plugin.id, required, nodes);
    if (found->second.mark == Mark::open) fail_circle(path, required);
    if (found->second.mark == Mark::done) continue;
    found->second.mark = Mark::open;
    path.push_back(required);
    steps.push_back({&found->second});
  }
}

}  // namespace

std::vector<std::string> load_order(const std::vector<Requirement>& plugins) {
  Nodes nodes;
  for (const Requirement& plugin : plugins) nodes.emplace(plugin.id, Node{&plugin});
  std::vector<std::string> order;
  for (const Requirement& plugin : plugins) {
    Node& node = nodes.at(plugin.id);
    if (node.mark == Mark::unseen) visit(node, nodes, order);
  }
  return order;
}

}  // namespace busway::plugin_host_detail
