// busway dlq list|redrive|purge: the dead letters of a store.
#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/escape.hpp"
#include "busway/cloud_events.hpp"
#include "busway/error.hpp"
#include "command.hpp"
#include "exit_code.hpp"
#include "standard_output.hpp"
#include "store_access.hpp"
#include "table.hpp"
#include "terminal.hpp"

namespace busway::app {
namespace {

struct DlqOptions {
  StoreChoice store;
  std::vector<std::string> patterns;
  std::string durable;
  std::optional<std::uint64_t> id;
  std::size_t limit = 0;
  bool all = false;
  bool json = false;
};

StoredLetterQuery query_of(const DlqOptions& options, const std::vector<Pattern>& patterns) {
  return {
      .patterns = patterns, .durable = options.durable, .id = options.id, .limit = options.limit};
}

std::string json_line(const StoredLetter& letter) {
  Json history = Json::array();
  for (const StoredLetter::Death& one : letter.history) {
    history.push_back({{"time", words_of(one.time)},
                       {"code", to_string(one.code)},
                       {"reason", one.reason},
                       {"attempts", one.attempts}});
  }
  return Json{{"id", letter.id},
              {"durable", letter.durable},
              {"sequence", letter.sequence},
              {"redriving", letter.redriving},
              {"history", std::move(history)},
              {"event", to_cloud_event(letter.event)}}
             .dump(-1, ' ', false, Json::error_handler_t::replace) +
         '\n';
}

int list(const DlqOptions& options) {
  return with_store(options.store, Missing::is_an_error, [&](Store& store) {
    const std::vector<Pattern> patterns = read_patterns(options.patterns);
    const std::vector<StoredLetter> letters = store.dead_letters(query_of(options, patterns));
    const StandardOutput out;
    if (options.json) {
      std::string text;
      for (const StoredLetter& one : letters) text += json_line(one);
      out.write(text);
      return kDone;
    }
    Table table({"LETTER", "DURABLE", "TOPIC", "GIVEN UP", "ATTEMPTS", "REASON"});
    for (const StoredLetter& one : letters) {
      const StoredLetter::Death& last = one.history.back();
      table.add({{std::to_string(one.id)},
                 {escape(one.durable)},
                 {escape(one.event.topic())},
                 {words_of(last.time)},
                 {std::to_string(last.attempts)},
                 {escape(last.reason, 200) + (one.redriving ? " (being redriven)" : "")}});
    }
    if (!letters.empty()) out.write(table.text());
    print_note(std::to_string(letters.size()) +
               (letters.size() == 1 ? " dead letter" : " dead letters"));
    return kDone;
  });
}

/// Whether the command line says which ones: to mean all one has to say so.
bool says_which(const DlqOptions& options) {
  if (options.all || options.id || !options.durable.empty() || !options.patterns.empty()) {
    return true;
  }
  print_error("name letters by --id, --durable or a pattern, or say --all");
  return false;
}

int act(const DlqOptions& options, const std::string& word,
        std::size_t (Store::*what)(const StoredLetterQuery&)) {
  if (!says_which(options)) return kUsage;
  return with_store(options.store, Missing::is_an_error, [&](Store& store) -> int {
    const std::vector<Pattern> patterns = read_patterns(options.patterns);
    const std::size_t count = (store.*what)(query_of(options, patterns));
    const StandardOutput out;
    out.write(options.json ? Json{{word, count}}.dump() + '\n'
                           : word + '=' + std::to_string(count) + '\n');
    return options.id && count == 0 ? kFailed : kDone;
  });
}

void add_selection(CLI::App& command, DlqOptions& options) {
  command.add_option("PATTERN", options.patterns, "Topics of the letters; none: all");
  add_store_option(command, options.store);
  command.add_option("--durable", options.durable, "Those of this durable name");
  command.add_option("--id", options.id, "The letter of this number")->check(&fault_of_count);
  command.add_option("--limit", options.limit, "At most so many, oldest first")
      ->check(&fault_of_count);
  command.add_flag("--json", options.json, "Print JSON");
  command.footer(kExitCodesHelp);
}

}  // namespace

void add_dlq(CLI::App& tool, Chosen& chosen) {
  CLI::App* const command = tool.add_subcommand("dlq", "Look at the dead letters of a store");
  command->require_subcommand(1);
  const auto options = std::make_shared<DlqOptions>();
  CLI::App* const show = command->add_subcommand("list", "Print them, oldest first");
  add_selection(*show, *options);
  show->callback([options, &chosen] { chosen = [options] { return list(*options); }; });
  CLI::App* const again =
      command->add_subcommand("redrive", "Give them out again, as a first attempt");
  add_selection(*again, *options);
  again->add_flag("--all", options->all, "All of them");
  again->callback([options, &chosen] {
    chosen = [options] { return act(*options, "redriven", &Store::redrive); };
  });
  CLI::App* const forget = command->add_subcommand("purge", "Forget them");
  add_selection(*forget, *options);
  forget->add_flag("--all", options->all, "All of them");
  forget->callback([options, &chosen] {
    chosen = [options] { return act(*options, "purged", &Store::purge); };
  });
}

}  // namespace busway::app
