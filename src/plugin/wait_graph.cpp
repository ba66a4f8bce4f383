#include "plugin/wait_graph.hpp"

#include <map>
#include <mutex>

namespace busway::plugin_host_detail {
namespace {

struct Graph {
  std::mutex mutex;
  std::map<const PluginWorker*, const PluginWorker*> waits_for;
};

/// Never destroyed: a worker that was left behind may still leave its edge at the program's end.
Graph& graph() {
  static Graph* const one = new Graph;
  return *one;
}

}  // namespace

WaitEdge::WaitEdge(const PluginWorker* from, const PluginWorker* to) : from_(from) {
  if (from == nullptr) return;
  Graph& all = graph();
  const std::lock_guard lock(all.mutex);
  for (const PluginWorker* at = to; at != nullptr;) {
    if (at == from) {
      entered_ = false;
      return;
    }
    const auto next = all.waits_for.find(at);
    at = next == all.waits_for.end() ? nullptr : next->second;
  }
  all.waits_for.emplace(from, to);
}

WaitEdge::~WaitEdge() {
  if (from_ == nullptr || !entered_) return;
  Graph& all = graph();
  const std::lock_guard lock(all.mutex);
  all.waits_for.erase(from_);
}

}  // namespace busway::plugin_host_detail
