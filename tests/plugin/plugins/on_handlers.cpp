// Handlers that stand beside functions, in the file of the class.
#include "busway/on.hpp"  // does no harm, in whichever order
#include "busway/plugin.hpp"

namespace {

using busway::Json;
using busway::PluginContext;
using busway::PluginEvent;
using Mode = busway::Plugin::Mode;

class OnHandlers : public busway::Plugin {
 public:
  void on_member(const PluginEvent& event) {
    ++heard_;
    publish("on.member_heard", {{"topic", event.topic()}, {"heard", heard_}});
  }

 protected:
  void start() override { publish("on.started"); }

 private:
  int heard_ = 0;
};

void answer(const Json& question, PluginContext& context) {
  context.reply({{"twice", question.at("n").get<int>() * 2}});
}
BUSWAY_ON(answer, "on.ask", {.name = std::string("answer"), .mode = Mode::sync, .priority = 7})

BUSWAY_ON(&OnHandlers::on_member, {"on.member", "on.started"}, {.mode = Mode::sync})

}  // namespace

BUSWAY_PLUGIN(OnHandlers)
