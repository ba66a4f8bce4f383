#include "delivery/wait_graph.hpp"

#include <algorithm>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "delivery/mailbox.hpp"

namespace busway::delivery_detail {

struct WaitEdge::Graph {
  std::mutex mutex;
  std::unordered_map<std::thread::id, WaitEdge*> waiting;
};

/// Never destroyed: a thread that was left behind may still leave its wait at the program's end.
WaitEdge::Graph& WaitEdge::graph() {
  static auto* const one = new Graph;
  return *one;
}

/// Whether nothing of `what` can go on before the thread `back` does. A thread on the way that
/// comes up again adds nothing: it goes on if the others do.
bool WaitEdge::leads_to(const Graph& all, const std::vector<WaitFor>& what, Needs needs,
                        std::thread::id back, Found& found) {
  const auto thread_leads = [&](std::thread::id one) {
    if (one == back) return true;
    const auto wait = all.waiting.find(one);
    if (wait == all.waiting.end()) return false;
    const auto [known, is_new] = found.emplace(one, true);
    if (!is_new) return known->second;
    const bool leads = leads_to(all, wait->second->what_, wait->second->needs_, back, found);
    found[one] = leads;
    return leads;
  };
  const auto leads = [&](const WaitFor& one) {
    if (one.mailbox_ != nullptr) {
      std::vector<std::thread::id> busy;
      return one.mailbox_->all_busy(one.event_, busy) &&
             std::all_of(busy.begin(), busy.end(), thread_leads);
    }
    const std::thread::id thread =
        one.call_ != nullptr ? one.call_->load(std::memory_order_acquire) : one.thread_;
    return thread != std::thread::id() && thread_leads(thread);
  };
  if (what.empty()) return false;
  return needs == Needs::all ? std::any_of(what.begin(), what.end(), leads)
                             : std::all_of(what.begin(), what.end(), leads);
}

WaitEdge::WaitEdge(std::vector<WaitFor> what, Needs needs) : what_(std::move(what)), needs_(needs) {
  if (!blocked_.allowed()) return;
  const std::thread::id self = std::this_thread::get_id();
  Graph& all = graph();
  const std::lock_guard lock(all.mutex);
  Found found;
  if (leads_to(all, what_, needs_, self, found)) return;
  entered_ = true;
  WaitEdge*& place = all.waiting[self];
  outer_ = std::exchange(place, this);
}

WaitEdge::~WaitEdge() {
  if (!entered_) return;
  Graph& all = graph();
  const std::lock_guard lock(all.mutex);
  if (outer_ != nullptr) {
    all.waiting[std::this_thread::get_id()] = outer_;
  } else {
    all.waiting.erase(std::this_thread::get_id());
  }
}

}  // namespace busway::delivery_detail
