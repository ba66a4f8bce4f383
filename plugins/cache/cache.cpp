// The cache: keeps what phases gave, so that the same need not be worked out again.
//
//   hears       phase.completed {phase_name, output, metadata.cache_key}
//   answers     phase.lookup    {name, key}; null when it is not known
//               cache.stats     {}
//               cache.clear     {phase_name?}
//   publishes   cache.miss      CacheMiss
//
// cache.hit is published by the phase, which alone knows that it made use of the answer. README.md
// lists the configuration and the fields.
#include <busway/plugin.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "output_cache.hpp"
#include "settings.hpp"
#include "shared/announcing_plugin.hpp"
#include "shared/answering.hpp"
#include "shared/timeline.hpp"

namespace {

using busway::Json;
using busway::Outcome;
using busway::PluginContext;
using busway::PluginEvent;
using namespace cache;

/// How often old entries are looked for; they are not used in between either.
constexpr std::chrono::nanoseconds kSweepEvery = std::chrono::minutes(1);

class Cache : public shared::AnnouncingPlugin {
 private:
  void setup(const Json& config) override {
    settings_ = read_settings(config);
    outputs_.emplace(settings_.limits);
  }

  void start() override {
    // One mailbox: a look-up comes after what its publisher had completed before.
    subscribe({"phase.completed", "phase.lookup"}, &Cache::on_phase, {.name = "phases"});
    subscribe("cache.stats", &Cache::on_stats, {.name = "statistics"});
    subscribe("cache.clear", &Cache::on_clear, {.name = "clear"});
    sweep_later();
  }

  /// What cannot be read will not be readable when it is tried again.
  Outcome on_phase(const PluginEvent& event, PluginContext& context) {
    const WallTime now = timeline_.hear(event.time());
    try {
      if (event.topic() == "phase.lookup") {
        look_up(event.json(), now, context);
      } else {
        keep(event.json(), now);
      }
    } catch (const std::exception& error) {
      return Outcome::dead_letter(std::string(event.topic()) + " cannot be read: " + error.what());
    }
    return Outcome::done();
  }

  void look_up(const Json& payload, WallTime now, PluginContext& context) {
    const auto phase = payload.at("name").get<std::string>();
    const auto key = payload.at("key").get<std::string>();
    if (!settings_.wants(phase)) {
      context.reply(nullptr);
      return;
    }
    if (const std::optional<std::string_view> output = outputs_->find(phase, key, now)) {
      context.reply(Json::parse(*output));
      return;
    }
    // First, so that it stands before what the phase publishes once it has the answer.
    announce("cache.miss", {{"phase_name", phase}, {"cache_key", key}});
    context.reply(nullptr);
  }

  /// No key: nobody will ask. No output: the answer would say that there is none. A cached one is
  /// here already, and as old as it is.
  void keep(const Json& payload, WallTime now) {
    const auto phase = payload.at("phase_name").get<std::string>();
    const auto metadata = payload.find("metadata");
    const auto output = payload.find("output");
    if (metadata == payload.end() || !metadata->is_object() || output == payload.end()) return;
    const std::string key = metadata->value("cache_key", "");
    const bool was_cached = metadata->value("cached", Json()) == true;
    if (key.empty() || was_cached || output->is_null() || !settings_.wants(phase)) return;
    outputs_->keep(phase, key, output->dump(), now);
    sweep_later();
  }

  void on_stats(const PluginEvent& event, PluginContext& context) {
    outputs_->sweep(timeline_.hear(event.time()));
    const CacheCounts& counts = outputs_->counts();
    const auto asked = static_cast<double>(counts.hits + counts.misses);
    context.reply({{"entries", outputs_->entries()},
                   {"entries_max", settings_.limits.entries_max},
                   {"bytes", outputs_->bytes()},
                   {"bytes_max", settings_.limits.bytes_max},
                   {"hits", counts.hits},
                   {"misses", counts.misses},
                   {"hit_rate", asked == 0 ? 0 : static_cast<double>(counts.hits) / asked},
                   {"kept", counts.kept},
                   {"evicted", counts.evicted},
                   {"expired", counts.expired},
                   {"too_large", counts.too_large}});
  }

  void on_clear(const PluginEvent& event, PluginContext& context) {
    shared::answer(context, [&]() -> Json {
      return {
          {"removed", outputs_->clear(shared::text_in(shared::question_of(event), "phase_name"))}};
    });
  }

  void sweep_later() {
    if (sweeping_ || outputs_->entries() == 0) return;
    sweeping_ = true;
    after(kSweepEvery, [this, due = timeline_.in(kSweepEvery)] {
      sweeping_ = false;
      outputs_->sweep(timeline_.hear(due));
      sweep_later();
    });
  }

  void stop() override { sweeping_ = false; }

  Json save_state() override {
    Json entries = Json::array();
    std::size_t left = settings_.state_bytes_max;
    outputs_->for_each([&](const OutputCache::Entry& entry) {
      if (entry.bytes() > left) return false;
      left -= entry.bytes();
      entries.push_back({{"phase_name", entry.phase()},
                         {"key", entry.key()},
                         {"kept_at", entry.kept_at.time_since_epoch().count()},
                         {"output", Json::parse(entry.output)}});
      return true;
    });
    const CacheCounts& counts = outputs_->counts();
    return {{"now", timeline_.now().time_since_epoch().count()},
            {"entries", std::move(entries)},
            {"counts",
             {counts.hits, counts.misses, counts.kept, counts.evicted, counts.expired,
              counts.too_large}}};
  }

  void restore_state(std::uint32_t version, const Json& state) override {
    shared::require_version(version, 1);
    const auto time = [](const Json& ns) {
      return WallTime(std::chrono::nanoseconds(ns.get<std::int64_t>()));
    };
    timeline_.hear(time(state.at("now")));
    const Json& entries = state.at("entries");
    for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {  // the oldest first
      outputs_->keep(entry->at("phase_name").get<std::string>(),
                     entry->at("key").get<std::string>(), entry->at("output").dump(),
                     time(entry->at("kept_at")));
    }
    const Json& counts = state.at("counts");
    const auto count = [&](std::size_t i) { return counts.at(i).get<std::uint64_t>(); };
    outputs_->set_counts({count(0), count(1), count(2), count(3), count(4), count(5)});
  }

  Settings settings_;
  std::optional<OutputCache> outputs_;
  shared::Timeline timeline_;
  bool sweeping_ = false;
};

}  // namespace

BUSWAY_PLUGIN(Cache)
