// busway stats: what a store holds, by topic and by durable name, all of one moment.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/escape.hpp"
#include "busway/error.hpp"
#include "command.hpp"
#include "exit_code.hpp"
#include "key_values.hpp"
#include "standard_output.hpp"
#include "store_access.hpp"
#include "table.hpp"

namespace busway::app {
namespace {

struct StatsOptions {
  StoreChoice store;
  std::size_t topics = 20;
  bool json = false;
};

std::string json_text(const StoreCensus& census, const std::string& address, std::size_t shown) {
  Json topics = Json::array();
  for (std::size_t i = 0; i < shown; ++i) {
    topics.push_back({{"topic", census.topics[i].topic}, {"events", census.topics[i].events}});
  }
  Json durables = Json::array();
  for (const DurableCount& one : census.durables) {
    Json row{{"name", one.info.name},
             {"backlog", one.backlog},
             {"leased", one.info.leased},
             {"retrying", one.info.retrying},
             {"dead_letters", one.info.dead_letters},
             {"instances", one.info.instances},
             {"cursor", one.info.cursor}};
    if (one.oldest) row["oldest"] = words_of(*one.oldest);
    durables.push_back(std::move(row));
  }
  return Json{{"address", address},
              {"events", census.stats.events},
              {"first_sequence", census.stats.first_sequence},
              {"last_sequence", census.stats.last_sequence},
              {"bytes", census.stats.bytes},
              {"dead_letters", census.stats.dead_letters},
              {"corrupt", census.stats.corrupt},
              {"topics_found", census.topics.size()},
              {"topics", std::move(topics)},
              {"durables", std::move(durables)}}
             .dump(-1, ' ', false, Json::error_handler_t::replace) +
         '\n';
}

std::string text_of(const StoreCensus& census, std::size_t shown) {
  const StoreStats& all = census.stats;
  KeyValueLine totals;
  totals.add("events", all.events)
      .add("topics", census.topics.size())
      .add("durables", census.durables.size())
      .add("dead_letters", all.dead_letters)
      .add("corrupt", all.corrupt)
      .add("first_sequence", all.first_sequence)
      .add("last_sequence", all.last_sequence)
      .add("bytes", all.bytes);
  std::string text = totals.line();
  if (shown != 0) {
    Table topics({"TOPIC", "EVENTS"});
    std::uint64_t rest = all.events;
    for (std::size_t i = 0; i < shown; ++i) {
      const TopicCount& one = census.topics[i];
      topics.add({{escape(one.topic, 255)}, {std::to_string(one.events)}});
      rest -= std::min(rest, one.events);
    }
    if (shown < census.topics.size()) {
      topics.add(
          {{std::to_string(census.topics.size() - shown) + " more"}, {std::to_string(rest)}});
    }
    text += '\n' + topics.text();
  }
  if (!census.durables.empty()) {
    Table names({"DURABLE", "BACKLOG", "LEASED", "RETRYING", "DEAD", "OLDEST"});
    for (const DurableCount& one : census.durables) {
      names.add({{escape(one.info.name)},
                 {std::to_string(one.backlog)},
                 {std::to_string(one.info.leased)},
                 {std::to_string(one.info.retrying)},
                 {std::to_string(one.info.dead_letters)},
                 {one.oldest ? words_of(*one.oldest) : std::string()}});
    }
    text += '\n' + names.text();
  }
  return text;
}

int stats(const StatsOptions& options) {
  return with_store(looking(options.store), Missing::is_an_error, [&](Store& store) {
    const StoreCensus census = store.census();
    const std::size_t shown =
        options.topics == 0 ? census.topics.size() : std::min(options.topics, census.topics.size());
    const StandardOutput out;
    out.write(options.json ? json_text(census, store.info().address, shown)
                           : text_of(census, shown));
    return kDone;
  });
}

}  // namespace

void add_stats(CLI::App& tool, Chosen& chosen) {
  const auto options = std::make_shared<StatsOptions>();
  CLI::App* const command =
      tool.add_subcommand("stats", "Count what a store holds, by topic and by durable name");
  add_store_option(*command, options->store);
  command
      ->add_option("--topics", options->topics,
                   "The topics with most events, at most so many; 0: all (default 20)")
      ->check(&fault_of_count);
  command->add_flag("--json", options->json, "Print one JSON object");
  command->footer(std::string("It looks at every event: some seconds for ten million.\n\n") +
                  kExitCodesHelp);
  command->callback([options, &chosen] { chosen = [options] { return stats(*options); }; });
}

}  // namespace busway::app
