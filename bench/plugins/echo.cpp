// The plugin that the rows about plugins load: it counts, and answers.
#include <busway/plugin.hpp>

#include <cstdint>

namespace {

class Echo : public busway::Plugin {
  void start() override {
    subscribe("there",
              [this](const busway::PluginEvent& event) { publish_bytes("back", event.bytes()); });
    subscribe("count",
              [this](const busway::PluginEvent&) {
                if (++count_ % kTellEvery == 0) publish("counted", count_);
              },
              {.overflow = Overflow::block});
  }
  busway::Json save_state() override { return count_; }
  void restore_state(std::uint32_t, const busway::Json& state) override { count_ = state; }

  static constexpr std::int64_t kTellEvery = 1000;
  std::int64_t count_ = 0;
};

}  // namespace

BUSWAY_PLUGIN(Echo)
