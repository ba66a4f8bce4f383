// plugin/wait_graph.hpp -- which plugin worker waits for which, so that no circle of them stands
// still.
// Layer: plugin
//
// Model      A worker waits for at most one other: the one that handles what it published to a sync
//            subscription. A wait that would close a circle is not entered. One graph a process.
// Threads    [any-thread]
// Ownership  Keeps addresses only; an edge ends before its workers do.
// Errors     None.
// Cost       One lock; steps as many as the chain is long.
#pragma once

namespace busway::plugin_host_detail {

class PluginWorker;

class WaitEdge {
 public:
  /// From null: a thread that is no worker, for which nobody waits.
  WaitEdge(const PluginWorker* from, const PluginWorker* to);
  WaitEdge(const WaitEdge&) = delete;
  WaitEdge& operator=(const WaitEdge&) = delete;
  ~WaitEdge();

  /// False: waiting would close a circle.
  [[nodiscard]] bool entered() const noexcept { return entered_; }

 private:
  const PluginWorker* from_;
  bool entered_ = true;
};

}  // namespace busway::plugin_host_detail
