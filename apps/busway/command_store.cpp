// busway store info|check|backup|trim|vacuum, busway store durable list|rm: a store and its house.
#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/escape.hpp"
#include "busway/error.hpp"
#include "command.hpp"
#include "config/scalar.hpp"
#include "exit_code.hpp"
#include "standard_output.hpp"
#include "store_access.hpp"
#include "table.hpp"
#include "terminal.hpp"

namespace busway::app {
namespace {

constexpr std::chrono::milliseconds kAgeMax = std::chrono::hours(24 * 36'500);

struct HouseOptions {
  StoreChoice store;
  std::string path;
  std::string name;
  Retention retention;
  bool json = false;
};

int info(const HouseOptions& options) {
  return with_store(options.store, Missing::is_an_error, [&](Store& store) {
    const StoreInfo about = store.info();
    const StoreStats stats = store.stats();
    const StandardOutput out;
    if (options.json) {
      out.write(Json{{"provider", about.provider},
                     {"address", about.address},
                     {"engine", about.engine},
                     {"format", about.format},
                     {"durability", to_string(about.durability)},
                     {"notes", about.notes},
                     {"events", stats.events},
                     {"bytes", stats.bytes},
                     {"first_sequence", stats.first_sequence},
                     {"last_sequence", stats.last_sequence},
                     {"durables", stats.durables},
                     {"dead_letters", stats.dead_letters},
                     {"corrupt", stats.corrupt}}
                    .dump() +
                '\n');
      return kDone;
    }
    std::string text =
        about.address + "\n" + about.engine + ", format " + about.format +
        "\nan acknowledged event survives: " + std::string(to_string(about.durability)) +
        "\nevents " + std::to_string(stats.events) + ", sequences " +
        std::to_string(stats.first_sequence) + " to " + std::to_string(stats.last_sequence) + ", " +
        std::to_string(stats.bytes) + " bytes\ndurable names " + std::to_string(stats.durables) +
        ", dead letters " + std::to_string(stats.dead_letters) + ", set aside " +
        std::to_string(stats.corrupt) + '\n';
    for (const std::string& note : about.notes) text += "note: " + note + '\n';
    out.write(text);
    return kDone;
  });
}

int check(const HouseOptions& options) {
  return with_store(options.store, Missing::is_an_error, [&](Store& store) -> int {
    const std::vector<std::string> faults = store.check();
    for (const std::string& fault : faults) print_error(escape(fault, 400));
    if (faults.empty()) print_note("the store is sound");
    return faults.empty() ? kDone : kProblems;
  });
}

int backup(const HouseOptions& options) {
  return with_store(options.store, Missing::is_an_error, [&](Store& store) {
    store.backup(options.path);
    print_note("a copy is at " + escape(options.path));
    return kDone;
  });
}

int trim(const HouseOptions& options) {
  if (options.retention.keeps_all()) {
    print_error("say what goes: --max-age, --max-events or --max-size");
    return kUsage;
  }
  return with_store(options.store, Missing::is_an_error, [&](Store& store) {
    const TrimResult result = store.trim(options.retention);
    const StandardOutput out;
    out.write("removed=" + std::to_string(result.removed) + " held=" + std::to_string(result.held) +
              '\n');
    return kDone;
  });
}

int vacuum(const HouseOptions& options) {
  return with_store(options.store, Missing::is_an_error, [&](Store& store) {
    store.vacuum();
    return kDone;
  });
}

int durables(const HouseOptions& options) {
  return with_store(options.store, Missing::is_an_error, [&](Store& store) {
    const std::vector<DurableInfo> all = store.durables();
    const StandardOutput out;
    if (options.json) {
      std::string text;
      for (const DurableInfo& one : all) {
        Json patterns = Json::array();
        for (const Pattern& pattern : one.patterns) patterns.push_back(to_string(pattern));
        text += Json{{"name", one.name},
                     {"patterns", std::move(patterns)},
                     {"order", to_string(one.order)},
                     {"cursor", one.cursor},
                     {"lag", one.lag},
                     {"leased", one.leased},
                     {"retrying", one.retrying},
                     {"dead_letters", one.dead_letters},
                     {"instances", one.instances},
                     {"created", words_of(one.created)},
                     {"opened", words_of(one.opened)}}
                    .dump() +
                '\n';
      }
      out.write(text);
      return kDone;
    }
    Table table({"NAME", "PATTERNS", "ORDER", "LAG", "OUT", "RETRYING", "DEAD", "LAST OPENED"});
    for (const DurableInfo& one : all) {
      std::string patterns;
      for (const Pattern& pattern : one.patterns) {
        patterns += (patterns.empty() ? "" : " ") + to_string(pattern);
      }
      table.add({{escape(one.name)},
                 {escape(patterns, 80)},
                 {std::string(to_string(one.order))},
                 {std::to_string(one.lag)},
                 {std::to_string(one.leased)},
                 {std::to_string(one.retrying)},
                 {std::to_string(one.dead_letters)},
                 {words_of(one.opened)}});
    }
    if (!all.empty()) out.write(table.text());
    return kDone;
  });
}

int remove(const HouseOptions& options) {
  return with_store(options.store, Missing::is_an_error, [&](Store& store) -> int {
    if (store.remove(options.name)) return kDone;
    print_error("the store has no durable name " + quote(options.name, 80));
    return kFailed;
  });
}

}  // namespace

void add_store(CLI::App& tool, Chosen& chosen) {
  CLI::App* const command = tool.add_subcommand("store", "Look after a store");
  command->require_subcommand(1);
  const auto options = std::make_shared<HouseOptions>();
  const auto verb = [&](CLI::App& under, const char* name, const char* about,
                        int (*run)(const HouseOptions&)) {
    CLI::App* const made = under.add_subcommand(name, about);
    add_store_option(*made, options->store);
    made->footer(kExitCodesHelp);
    made->callback([options, run, &chosen] { chosen = [options, run] { return run(*options); }; });
    return made;
  };
  verb(*command, "info", "Tell what it is, what it promises and what it holds", &info)
      ->add_flag("--json", options->json, "Print one JSON object");
  verb(*command, "check", "Read all of it and compare checksums", &check);
  verb(*command, "backup", "Copy it while it is in use", &backup)
      ->add_option("PATH", options->path, "A file that does not exist")
      ->required();
  CLI::App* const trimming =
      verb(*command, "trim", "Remove old events; what is not settled stays in any case", &trim);
  trimming
      ->add_option_function<std::string>(
          "--max-age",
          [options](const std::string& text) {
            const auto reading = config::read_duration(text, std::chrono::milliseconds(1), kAgeMax);
            if (!reading.value) throw CLI::ValidationError("--max-age", reading.problem);
            options->retention.max_age = *reading.value;
          },
          "Those older than this go: 12h, 30d")
      ->type_name("T");
  trimming
      ->add_option_function<std::uint64_t>(
          "--max-events",
          [options](const std::uint64_t& count) { options->retention.max_events = count; },
          "The oldest beyond this number go")
      ->check(&fault_of_count);
  trimming
      ->add_option_function<std::string>(
          "--max-size",
          [options](const std::string& text) {
            const auto reading = config::read_size(text, 1, std::uint64_t{1} << 50U);
            if (!reading.value) throw CLI::ValidationError("--max-size", reading.problem);
            options->retention.max_bytes = *reading.value;
          },
          "The oldest beyond this size go: 500MiB")
      ->type_name("SIZE");
  verb(*command, "vacuum", "Give back space that is not used", &vacuum);
  CLI::App* const names = command->add_subcommand("durable", "Look after its durable names");
  names->require_subcommand(1);
  verb(*names, "list", "Print them with their lag", &durables)
      ->add_flag("--json", options->json, "Print each as JSON, one line each");
  verb(*names, "rm", "Delete one with all it has not settled", &remove)
      ->add_option("NAME", options->name, "The durable name")
      ->required();
}

}  // namespace busway::app
