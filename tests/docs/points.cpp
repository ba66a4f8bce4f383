// The hand-over of state that docs/writing_a_plugin.md shows, in a plugin that is loaded by
// writing_a_plugin.cpp.
#include <busway/plugin.hpp>

#include <map>
#include <stdexcept>
#include <string>

namespace {

class Points : public busway::Plugin {
  // begin: state
  std::uint32_t state_version() const override { return 2; }
  busway::Json save_state() override { return {{"points", points_}, {"round", round_}}; }

  void restore_state(std::uint32_t version, const busway::Json& state) override {
    if (version > 2) throw std::runtime_error("a state of version " + std::to_string(version));
    points_ = state.at("points");
    if (version == 2) round_ = state.at("round");
  }
  // end: state

  void start() override {
    subscribe("point", [this](const busway::Json& who) {
      ++points_[who];
      ++round_;
      publish("points", {{"points", points_}, {"round", round_}});
    });
  }

  std::map<std::string, int> points_;
  int round_ = 0;
};

}  // namespace

BUSWAY_PLUGIN(Points)
