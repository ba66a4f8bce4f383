// busway dlq list|show|redrive|purge: the dead letters of a store.
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
  TimeRange times;
  std::optional<ErrorCode> code;
  std::size_t limit = 0;
  bool all = false;
  bool json = false;
};

StoredLetterQuery query_of(const DlqOptions& options, const std::vector<Pattern>& patterns) {
  return {.patterns = patterns,
          .durable = options.durable,
          .id = options.id,
          .since = options.times.since,
          .until = options.times.until,
          .code = options.code,
          .limit = options.limit};
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

bool knows_name(Store& store, const DlqOptions& options) {
  return options.durable.empty() || has_durable(store, options.durable);
}

int no_such_letter(std::uint64_t id) {
  print_error("the store has no dead letter " + std::to_string(id) + " that fits");
  return kFailed;
}

int show(const DlqOptions& options) {
  return with_store(looking(options.store), Missing::is_an_error, [&](Store& store) -> int {
    const std::vector<StoredLetter> found = store.dead_letters({.id = options.id});
    if (found.empty()) return no_such_letter(*options.id);
    const StoredLetter& letter = found.front();
    const StandardOutput out;
    if (options.json) {
      out.write(json_line(letter));
      return kDone;
    }
    std::string text = "letter " + std::to_string(letter.id) + " of " + escape(letter.durable) +
                       (letter.redriving ? ", being redriven" : "") + '\n' +
                       line_of({letter.event, letter.sequence, 0});
    Table table({"GIVEN UP", "ATTEMPTS", "CODE", "REASON"});
    for (const StoredLetter::Death& one : letter.history) {
      table.add({{words_of(one.time)},
                 {std::to_string(one.attempts)},
                 {std::string(to_string(one.code))},
                 {escape(one.reason, 1000)}});
    }
    out.write(text + table.text());
    return kDone;
  });
}

int list(const DlqOptions& options) {
  return with_store(looking(options.store), Missing::is_an_error, [&](Store& store) -> int {
    if (!knows_name(store, options)) return kFailed;
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
  if (options.all || options.id || options.code || options.times.since || options.times.until ||
      !options.durable.empty() || !options.patterns.empty()) {
    return true;
  }
  print_error("name letters by --id, --durable, --code, a time or a pattern, or say --all");
  return false;
}

int act(const DlqOptions& options, const std::string& word,
        std::size_t (Store::*what)(const StoredLetterQuery&)) {
  if (!says_which(options)) return kUsage;
  return with_store(options.store, Missing::is_an_error, [&](Store& store) -> int {
    if (!knows_name(store, options)) return kFailed;
    const std::vector<Pattern> patterns = read_patterns(options.patterns);
    const std::size_t count = (store.*what)(query_of(options, patterns));
    const StandardOutput out;
    out.write(options.json ? Json{{word, count}}.dump() + '\n'
                           : word + '=' + std::to_string(count) + '\n');
    return options.id && count == 0 ? no_such_letter(*options.id) : kDone;
  });
}

void add_selection(CLI::App& command, DlqOptions& options) {
  command.add_option("PATTERN", options.patterns, "Topics of the letters; none: all");
  add_store_option(command, options.store);
  command.add_option("--durable", options.durable, "Those of this durable name");
  command.add_option("--id", options.id, "The letter of this number")->check(&fault_of_count);
  add_time_options(command, options.times, "Those given up");
  command
      .add_option_function<std::string>(
          "--code",
          [&options](const std::string& text) {
            options.code = parse_error_code(text);
            if (options.code) return;
            throw CLI::ValidationError("--code", quote(text, 80) +
                                                     " is no error code: it takes one such as "
                                                     "handler_failed or timed_out");
          },
          "Those given up for this: handler_failed, timed_out, ...")
      ->type_name("CODE");
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
  CLI::App* const all = command->add_subcommand("list", "Print them, oldest first");
  add_selection(*all, *options);
  all->callback([options, &chosen] { chosen = [options] { return list(*options); }; });
  CLI::App* const one =
      command->add_subcommand("show", "Print one with all that is known of its failures");
  one->add_option("LETTER", options->id, "Its number")->required()->check(&fault_of_count);
  add_store_option(*one, options->store);
  one->add_flag("--json", options->json, "Print JSON");
  one->footer(kExitCodesHelp);
  one->callback([options, &chosen] { chosen = [options] { return show(*options); }; });
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
