// What abi_member.cpp does, in C++ on plugin.h alone: for a standard library with which the class
// does not compile, because it has no std::jthread.
#include <cstdlib>
#include <exception>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>

#include "busway/plugin.h"

struct busway_plugin {
  void handle(std::uint64_t tag, const busway_event& event);
  void on_timer();
  void publish(const std::string& topic);
  [[noreturn]] void fail() const;
  void require(busway_status status) const;
  void subscribe(const std::string& pattern, std::uint32_t mode);

  const busway_host_api* api;
  busway_host* host;
  std::map<std::uint64_t, std::string> topics;
  int count;
};

namespace {

busway_view view(const std::string& text) { return {text.data(), text.size()}; }
std::string text(const busway_view& view) { return {view.data, view.size}; }

// No exception crosses: it becomes a status and its words.
template <class F>
busway_status guard(const busway_host_api* api, busway_host* host, F f) noexcept {
  try {
    f();
    return BUSWAY_OK;
  } catch (const std::exception& error) {
    api->set_message(host, {error.what(), std::char_traits<char>::length(error.what())});
    return BUSWAY_FAILED;
  }
}

}  // namespace

void busway_plugin::require(busway_status status) const {
  if (status != BUSWAY_OK) throw std::runtime_error(text(api->last_message(host)));
}

void busway_plugin::subscribe(const std::string& pattern, std::uint32_t mode) {
  busway_subscribe_options options{};
  options.size = sizeof options;
  options.mode = mode;
  const busway_view patterns = view(pattern);
  const std::uint64_t tag = topics.size() + 1;
  topics[tag] = pattern;
  require(api->subscribe(host, &patterns, 1, &options, tag, nullptr));
}

void busway_plugin::publish(const std::string& topic) {
  const std::string payload = "{\"count\":" + std::to_string(count) + "}";
  busway_message message{};
  message.size = sizeof message;
  message.payload_kind = BUSWAY_PAYLOAD_JSON;
  message.priority = BUSWAY_PRIORITY_NORMAL;
  message.topic = view(topic);
  message.payload = view(payload);
  require(api->publish(host, &message, nullptr));
}

void busway_plugin::fail() const {
  throw std::runtime_error(text(api->plugin_id(host)) + " threw this on purpose, in its handler");
}

void busway_plugin::handle(std::uint64_t tag, const busway_event& event) {
  const std::string& topic = topics.at(tag);
  if (topic == "abi.throw") fail();
  if (topic == "abi.count") {
    count += std::stoi(text(event.payload));
    publish("abi.counted");
  } else {
    require(api->schedule(host, 1000000, 1, nullptr));
  }
}

void busway_plugin::on_timer() { publish("abi.timer_ran"); }

namespace {

template <class F>
busway_status call(busway_plugin* plugin, F f) noexcept {
  return guard(plugin->api, plugin->host, [&] { f(*plugin); });
}

busway_status create(const busway_host_api* api, busway_host* host, busway_plugin** out) {
  return guard(api, host, [&] {
    *out = std::make_unique<busway_plugin>(busway_plugin{api, host, {}, 0}).release();
  });
}

void destroy(busway_plugin* plugin) { delete plugin; }

busway_status start(busway_plugin* plugin) {
  return call(plugin, [](busway_plugin& self) {
    self.subscribe("abi.count", BUSWAY_MODE_ASYNC);
    self.subscribe("abi.throw", BUSWAY_MODE_SYNC);
    self.subscribe("abi.timer", BUSWAY_MODE_ASYNC);
  });
}

busway_status on_event(busway_plugin* plugin, std::uint64_t tag, const busway_event* event,
                       const busway_delivery* /*delivery*/) {
  return call(plugin, [&](busway_plugin& self) { self.handle(tag, *event); });
}

busway_status on_timer(busway_plugin* plugin, std::uint64_t /*tag*/) {
  return call(plugin, [](busway_plugin& self) { self.on_timer(); });
}

busway_status save_state(busway_plugin* plugin, std::uint32_t* out_version) {
  return call(plugin, [&](busway_plugin& self) {
    *out_version = 1;
    self.require(self.api->write_state(self.host, view(std::to_string(self.count))));
  });
}

busway_status restore_state(busway_plugin* plugin, std::uint32_t /*version*/, busway_view state) {
  return call(plugin, [&](busway_plugin& self) { self.count = std::stoi(text(state)); });
}

busway_plugin_api make_table() {
  static const std::string id = BUSWAY_PLUGIN_ID;
  busway_plugin_api table{};
  table.size = sizeof table;
  table.abi = BUSWAY_ABI;
  table.id = view(id);
  table.create = create;
  table.destroy = destroy;
  table.on_event = on_event;
  table.start = start;
  table.on_timer = on_timer;
  table.save_state = save_state;
  table.restore_state = restore_state;
  return table;
}

}  // namespace

const busway_plugin_api* busway_plugin_entry(std::uint32_t min_abi, std::uint32_t max_abi) {
  static const busway_plugin_api table = make_table();
  return BUSWAY_ABI < min_abi || BUSWAY_ABI > max_abi ? nullptr : &table;
}
