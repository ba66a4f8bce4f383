// The parts that docs/writing_a_plugin.md shows of other plugins, in one that is loaded by
// writing_a_plugin.cpp.
#include <busway/plugin.hpp>

#include <stop_token>
#include <string>

namespace {

class Hello : public busway::Plugin {
 public:
  void on_chat(const busway::PluginEvent& event) {
    publish("hello.heard", {{"topic", event.topic()}});
  }

 private:
  // begin: source
  void start() override {
    run_source([this](std::stop_token stop) {
      std::string line;
      while (!stop.stop_requested() && read_line(line)) publish("chat.line", {{"text", line}});
    });
  }
  // end: source

  void setup(const busway::Json&) override { lines_left_ = 2; }

  bool read_line(std::string& line) {
    line = std::to_string(lines_left_);
    return lines_left_-- > 0;
  }

  int lines_left_ = 0;
};

// begin: named_handlers
void on_question(const busway::Json& question, busway::PluginContext& context) {
  context.reply({{"answer", question.at("n").get<int>() * 2}});
}
BUSWAY_ON(on_question, "chat.question")

BUSWAY_ON(&Hello::on_chat, {"chat.message", "chat.notice"}, {.priority = 10})
// end: named_handlers

}  // namespace

BUSWAY_PLUGIN(Hello)
