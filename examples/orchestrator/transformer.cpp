// Publishes what comes in as input.* again as transformed.*, in capitals.
//
//   hears       input.*        {text}
//   publishes   transformed.*  {text, from}
#include <busway/plugin.hpp>

#include <algorithm>
#include <cctype>
#include <string>

namespace {

using busway::Json;
using busway::PluginEvent;

class Transformer : public busway::Plugin {
 private:
  void start() override { subscribe("input.*", &Transformer::on_input); }

  void on_input(const PluginEvent& event) {
    const std::string topic(event.topic());
    std::string text = event.json().at("text");
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    publish("transformed." + topic.substr(topic.find('.') + 1), {{"text", text}, {"from", topic}});
  }
};

}  // namespace

BUSWAY_PLUGIN(Transformer)
