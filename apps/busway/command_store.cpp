// busway store info|check|backup|trim|vacuum, busway store durable list|rm: a store and its house.
#include <CLI/CLI.hpp>
#include <chrono>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "base/escape.hpp"
#include "busway/error.hpp"
#include "command.hpp"
#include "config/scalar.hpp"
#include "exit_code.hpp"
#include "progress.hpp"
#include "signal_watch.hpp"
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
  return with_store(looking(options.store), Missing::is_an_error, [&](Store& store) {
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

/// Text for people, or one JSON object.
void say(const HouseOptions& options, const Json& object, const std::string& text) {
  if (!options.json && text.empty()) return;
  const StandardOutput out;
  out.write(options.json ? object.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n'
                         : text);
}

int check(const HouseOptions& options) {
  Progress progress("events");
  return with_store(
      looking(options.store), Missing::is_an_error,
      [&](Store& store) -> int {
        const std::vector<std::string> faults = store.check();
        progress.clear();
        for (const std::string& fault : faults) {
          if (!options.json) print_error(escape(fault, 400));
        }
        if (faults.empty() && !options.json) print_note("the store is sound");
        say(options, {{"sound", faults.empty()}, {"faults", faults}}, {});
        return faults.empty() ? kDone : kProblems;
      },
      &progress);
}

int backup(const HouseOptions& options) {
  const SignalWatch signals;
  Progress progress("bytes");
  return with_store(
      looking(options.store), Missing::is_an_error,
      [&](Store& store) {
        store.backup(options.path);
        progress.clear();
        if (!options.json) print_note("a copy is at " + escape(options.path));
        std::error_code unknown;
        const auto bytes = std::filesystem::file_size(options.path, unknown);
        say(options, {{"path", options.path}, {"bytes", unknown ? 0 : bytes}}, {});
        return kDone;
      },
      &progress, &signals);
}

int trim(const HouseOptions& options) {
  if (options.retention.keeps_all()) {
    print_error("say what goes: --max-age, --max-events or --max-size");
    return kUsage;
  }
  Progress progress("events looked at");
  return with_store(
      options.store, Missing::is_an_error,
      [&](Store& store) {
        const TrimResult result = store.trim(options.retention);
        progress.clear();
        say(options, {{"removed", result.removed}, {"held", result.held}},
            "removed=" + std::to_string(result.removed) + " held=" + std::to_string(result.held) +
                '\n');
        return kDone;
      },
      &progress);
}

int vacuum(const HouseOptions& options) {
  Progress progress("pages");
  return with_store(
      options.store, Missing::is_an_error,
      [&](Store& store) {
        const std::uint64_t before = store.stats().bytes;
        store.vacuum();
        progress.clear();
        say(options, {{"bytes_before", before}, {"bytes", store.stats().bytes}}, {});
        return kDone;
      },
      &progress);
}

int durables(const HouseOptions& options) {
  return with_store(looking(options.store), Missing::is_an_error, [&](Store& store) {
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
    if (!store.remove(options.name)) {
      if (has_durable(store, options.name)) print_error("it was made again meanwhile");
      return kFailed;
    }
    say(options, {{"removed", options.name}}, {});
    return kDone;
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
  const auto with_json = [&](CLI::App& made) -> CLI::App& {
    made.add_flag("--json", options->json, "Print one JSON object");
    return made;
  };
  with_json(*verb(*command, "check", "Read all of it and compare checksums", &check));
  with_json(*verb(*command, "backup", "Copy it while it is in use", &backup))
      .add_option("PATH", options->path, "A file that does not exist")
      ->required();
  CLI::App* const trimming = &with_json(
      *verb(*command, "trim", "Remove old events; what is not settled stays in any case", &trim));
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
  with_json(*verb(*command, "vacuum", "Give back space that is not used", &vacuum));
  CLI::App* const names = command->add_subcommand("durable", "Look after its durable names");
  names->require_subcommand(1);
  verb(*names, "list", "Print them with their lag", &durables)
      ->add_flag("--json", options->json, "Print each as JSON, one line each");
  with_json(*verb(*names, "rm", "Delete one with all it has not settled", &remove))
      .add_option("NAME", options->name, "The durable name")
      ->required();
}

}  // namespace busway::app
