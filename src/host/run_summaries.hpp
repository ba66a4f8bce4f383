// host/run_summaries.hpp -- keeps what plugins say they found, and what they had done by then.
// Layer: host
//
// Model      Listens to run.summary of plugins, and to plugin.stopping, after which their
//            subscriptions end. Values of secret keys are masked: a summary is there to be shown.
// Threads    [any-thread]
// Ownership  The bus must outlive it.
// Errors     A summary that is no flat object is a failed delivery: the plugin that published it
//            learns why.
// Cost       One subscription.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "busway/bus.hpp"
#include "busway/host_report.hpp"
#include "busway/subscription.hpp"
#include "config/secrets.hpp"

namespace busway::host_detail {

class RunSummaries {
 public:
  explicit RunSummaries(Bus& bus, config::SecretKeys secrets = {});
  RunSummaries(const RunSummaries&) = delete;
  RunSummaries& operator=(const RunSummaries&) = delete;

  [[nodiscard]] HostReport report(const std::vector<PluginInfo>& plugins) const;

 private:
  struct Kept {
    Json found;
    DeliveryCounters deliveries{};
  };

  void take(const Event& event);
  [[nodiscard]] DeliveryCounters counted(const std::string& owner) const;

  Bus& bus_;
  const config::SecretKeys secrets_;
  mutable std::mutex mutex_;
  std::map<std::string, Kept, std::less<>> kept_;  // guarded by mutex_; by plugin
  Subscription subscription_;                      // last: ends before what its handler uses
};

}  // namespace busway::host_detail
