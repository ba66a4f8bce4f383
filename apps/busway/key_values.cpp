#include "key_values.hpp"

#include <nlohmann/json.hpp>

#include "base/escape.hpp"

namespace busway::app {
namespace {

constexpr std::size_t kTextBytesMax = 100'000;

/// The counters that a reader wants to see even when they are zero come first; the others only when
/// not.
void add_deliveries(KeyValueLine& line, const DeliveryCounters& counters) {
  line.add("delivered", counters.delivered).add("failed", counters.failed);
  if (counters.timed_out != 0) line.add("timed_out", counters.timed_out);
  if (counters.dropped != 0) line.add("dropped", counters.dropped);
  if (counters.dead_lettered != 0) line.add("dead_lettered", counters.dead_lettered);
  if (counters.in_flight != 0) line.add("in_flight", counters.in_flight);
}

Json to_json(const DeliveryCounters& counters) {
  return {{"matched", counters.matched},     {"delivered", counters.delivered},
          {"failed", counters.failed},       {"retried", counters.retried},
          {"timed_out", counters.timed_out}, {"dropped", counters.dropped},
          {"in_flight", counters.in_flight}, {"dead_lettered", counters.dead_lettered}};
}

}  // namespace

KeyValueLine& KeyValueLine::add(std::string_view key, std::string_view value) {
  if (!text_.empty()) text_ += ' ';
  text_ += escape(key, kTextBytesMax);
  text_ += '=';
  const std::string safe = escape(value, kTextBytesMax);
  const bool plain =
      !safe.empty() && safe == value && safe.find_first_of(" =\"") == std::string::npos;
  text_ += plain ? safe : quote(value, kTextBytesMax);
  return *this;
}

KeyValueLine& KeyValueLine::add(std::string_view key, std::uint64_t value) {
  return add(key, std::string_view(std::to_string(value)));
}

KeyValueLine& KeyValueLine::add_all(const Json& object) {
  for (const auto& [key, value] : object.items()) {
    if (value.is_string()) {
      add(key, std::string_view(value.get_ref<const std::string&>()));
    } else {
      add(key, std::string_view(value.dump()));
    }
  }
  return *this;
}

std::string to_lines(const HostReport& report) {
  std::string text;
  if (!report.found.empty()) text += KeyValueLine().add_all(report.found).line();
  for (const PluginReport& plugin : report.plugins) {
    KeyValueLine line;
    line.add("plugin", plugin.info.id).add("state", to_string(plugin.info.state));
    add_deliveries(line, plugin.deliveries);
    line.add_all(plugin.found);
    if (!plugin.info.last_error.empty()) line.add("error", plugin.info.last_error);
    text += line.line();
  }
  for (const TopicStats& topic : report.stats.topics) {
    text += KeyValueLine()
                .add("topic", topic.topic)
                .add("published", topic.published)
                .add("matched", topic.matched)
                .line();
  }
  KeyValueLine bus;
  bus.add("published", report.stats.published).add("matched", report.stats.matched);
  add_deliveries(bus, report.stats);
  bus.add("unmatched", report.stats.unmatched).add("filtered", report.stats.filtered);
  return text + bus.add("refused", report.stats.refused).line();
}

Json to_json(const HostReport& report) {
  Json plugins = Json::array();
  for (const PluginReport& plugin : report.plugins) {
    plugins.push_back({{"id", plugin.info.id},
                       {"version", plugin.info.version},
                       {"state", to_string(plugin.info.state)},
                       {"error", plugin.info.last_error},
                       {"deliveries", to_json(plugin.deliveries)},
                       {"found", plugin.found}});
  }
  Json topics = Json::array();
  for (const TopicStats& topic : report.stats.topics) {
    topics.push_back(
        {{"topic", topic.topic}, {"published", topic.published}, {"matched", topic.matched}});
  }
  Json bus = to_json(static_cast<const DeliveryCounters&>(report.stats));
  bus["published"] = report.stats.published;
  bus["unmatched"] = report.stats.unmatched;
  bus["filtered"] = report.stats.filtered;
  bus["refused"] = report.stats.refused;
  return {{"summary", report.found},
          {"plugins", std::move(plugins)},
          {"topics", std::move(topics)},
          {"bus", std::move(bus)}};
}

std::string dump(const Json& object) {
  return object.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace busway::app
