#include "host/control_requests.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/escape.hpp"
#include "base/nearest.hpp"
#include "busway/error.hpp"
#include "event/json_guard.hpp"

namespace busway::host_detail {
namespace {

constexpr std::size_t kDepthMax = 16;

using Words = std::vector<std::string_view>;

/// Checked: an object with these keys and no others.
struct Request {
  const Json& object;

  [[nodiscard]] const std::string& text(const char* key) const {
    return object.at(key).get_ref<const std::string&>();
  }
};

struct Verb {
  std::string_view name;
  Words keys;  // beside "do"; each is wanted and holds a text
  void (*run)(PluginManager& plugins, const Request& request, ControlReply& reply);
};

// -- The verbs ------------------------------------------------------------------------------------

void list_plugins(PluginManager& plugins, const Request& /*request*/, ControlReply& reply) {
  Json all = Json::array();
  std::vector<PluginInfo> asked = plugins.examine(kHealthPatience);
  for (const PluginInfo& info : with_changes_since(std::move(asked), plugins.list()))
    all.push_back(to_json(info));
  (void)reply.send(to_line({{"plugins", std::move(all)}}));
}

void reload_plugin(PluginManager& plugins, const Request& request, ControlReply& reply) {
  const std::string& id = request.text("plugin");
  plugins.reload(id);
  const std::optional<PluginInfo> info = plugins.find(id);
  (void)reply.send(to_line({{"plugin", info ? to_json(*info) : Json()}}));
}

const std::vector<Verb>& all_verbs() {
  static const std::vector<Verb> verbs{
      {"plugins", {}, list_plugins},
      {"reload", {"plugin"}, reload_plugin},
  };
  return verbs;
}

// -- Reading a request ----------------------------------------------------------------------------

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorCode::invalid_argument, message);
}

std::string listed(const Words& words) {
  std::string list;
  for (const std::string_view word : words) list += (list.empty() ? "" : ", ") + quote(word);
  return list;
}

/// "; did you mean X?", or which there are.
std::string cure(std::string_view wrong, const Words& known, std::string_view what) {
  const std::string_view near = nearest(wrong, known);
  return near.empty() ? "; " + std::string(what) + ": " + listed(known)
                      : "; did you mean " + quote(near) + '?';
}

const std::string& require_text(const Json& object, std::string_view key, const std::string& what) {
  const auto found = object.find(key);
  if (found == object.end()) refuse("the request has no key " + quote(key) + ", " + what);
  if (found->is_string()) return found->get_ref<const std::string&>();
  refuse("the key " + quote(key) + " of the request is " + quote(to_line(*found)) +
         "; it takes a text, " + what);
}

const Verb& verb_of(const Json& request) {
  if (!request.is_object()) {
    refuse("the request is " + quote(to_line(request)) +
           R"(; it takes an object, such as {"do":"plugins"})");
  }
  Words names;
  for (const Verb& verb : all_verbs()) names.push_back(verb.name);
  const std::string& wanted = require_text(request, "do", "what to do: " + listed(names));
  for (const Verb& verb : all_verbs()) {
    if (verb.name == wanted) return verb;
  }
  refuse("there is no request " + quote(wanted) + cure(wanted, names, "there are"));
}

void check_keys(const Json& request, const Verb& verb) {
  Words known{"do"};
  known.insert(known.end(), verb.keys.begin(), verb.keys.end());
  for (const auto& [key, value] : request.items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    refuse(quote(key) + " is no key of the request " + quote(verb.name) +
           cure(key, known, "its keys"));
  }
  for (const std::string_view key : verb.keys) {
    (void)require_text(request, key, "which the request " + quote(verb.name) + " needs");
  }
}

}  // namespace

void answer_control(PluginManager& plugins, std::string_view line, ControlReply& reply) {
  try {
    const Json request = detail::parse_json(line, kDepthMax);
    const Verb& verb = verb_of(request);
    check_keys(request, verb);
    verb.run(plugins, Request{request}, reply);
  } catch (const Error& error) {
    (void)reply.send(error_line(error.code(), error.what()));
  } catch (const std::exception& error) {
    (void)reply.send(error_line(ErrorCode::internal, error.what()));
  }
}

std::vector<PluginInfo> with_changes_since(std::vector<PluginInfo> asked,
                                           const std::vector<PluginInfo>& now) {
  for (PluginInfo& info : asked) {
    if (!info.health) continue;
    const auto found = std::find_if(now.begin(), now.end(),
                                    [&](const PluginInfo& other) { return other.id == info.id; });
    if (found == now.end()) continue;
    if (found->state == PluginState::running && found->generation == info.generation) continue;
    info = *found;
    if (info.state == PluginState::running) {
      info.health = {PluginHealthInfo::Level::unknown,
                     "it was put in the place of an earlier build while that was asked"};
    }
  }
  return asked;
}

Json to_json(const PluginInfo& info) {
  using Milliseconds = std::chrono::duration<double, std::milli>;
  Json health;
  if (info.health)
    health = {{"level", to_string(info.health->level)}, {"message", info.health->message}};
  return {{"id", info.id},
          {"version", info.version},
          {"description", info.description},
          {"path", info.path},
          {"state", to_string(info.state)},
          {"generation", info.generation},
          {"required", info.required},
          {"source", to_string(info.source)},
          {"last_error", info.last_error},
          {"still_mapped", info.still_mapped},
          {"place", info.place},
          {"held_ms", Milliseconds(info.held).count()},
          {"isolation", to_string(info.isolation)},
          {"process_id", info.process_id},
          {"restarts", info.restarts},
          {"queued", info.queued},
          {"health", std::move(health)}};
}

}  // namespace busway::host_detail
