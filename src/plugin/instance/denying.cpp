// What a plugin's rules do not let it do, and who is told of it.
#include <optional>
#include <string>

#include "base/escape.hpp"
#include "bus/bus_core.hpp"
#include "busway/pattern.hpp"
#include "plugin/plugin_instance.hpp"

namespace busway::plugin_host_detail {

void PluginInstance::deny_publish(std::string_view topic) {
  deny("the plugin " + facts_.id + " may not publish " + quote(topic) + "; allowed is " +
       may_publish_->words() + ": add the topic to publish in its manifest");
}

void PluginInstance::require_may_subscribe(const std::vector<std::string>& patterns) {
  for (const std::string& text : patterns) {
    const Pattern wanted = Pattern::parse(text, core_.options().wildcards);
    if (may_subscribe_->covers(wanted)) continue;
    deny(
        "the plugin " + facts_.id + " may not subscribe to " + quote(text) + "; allowed is " +
        may_subscribe_->words() + ": add " + quote(text) +
        (wanted.kind() == PatternKind::exact
             ? " to subscribe in its manifest"
             : " to subscribe in its manifest, or a pattern that surely matches all that it does"));
  }
}

void PluginInstance::deny(const std::string& message) {
  if (const std::optional<std::uint64_t> untold = line_->denials().note(clock_->steady())) {
    (void)unless_retired([&] { on_denied_(*this, message, *untold); });
  }
  throw Error(ErrorCode::denied, message);
}

}  // namespace busway::plugin_host_detail
