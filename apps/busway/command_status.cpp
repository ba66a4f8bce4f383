// busway status ID: how far an event of a store has come.
#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/escape.hpp"
#include "busway/error.hpp"
#include "command.hpp"
#include "exit_code.hpp"
#include "standard_output.hpp"
#include "store_access.hpp"
#include "table.hpp"
#include "terminal.hpp"

namespace busway::app {
namespace {

struct StatusOptions {
  StoreChoice store;
  std::string id;
  bool json = false;
};

std::string_view state_word(StoredDelivery::State state) {
  switch (state) {
    case StoredDelivery::State::pending: return "pending";
    case StoredDelivery::State::processing: return "processing";
    case StoredDelivery::State::retrying: return "retrying";
    case StoredDelivery::State::completed: return "completed";
    case StoredDelivery::State::dead_lettered: return "dead_lettered";
  }
  return "";
}

int status(const StatusOptions& options) {
  const std::optional<EventId> id = EventId::parse(options.id);
  if (!id) {
    print_error(quote(options.id, 80) + " is no id of an event; an id has 36 characters");
    return kUsage;
  }
  return with_store(looking(options.store), Missing::is_an_error, [&](Store& store) -> int {
    const std::optional<StoredStatus> found = store.status(*id);
    if (!found) {
      const std::uint64_t damaged = store.stats().corrupt;
      print_error("the store has no event " + options.id +
                  (damaged == 0
                       ? std::string()
                       : " that is sound; it may be one of the " + std::to_string(damaged) +
                             " that are damaged, which busway store check tells"));
      return kFailed;
    }
    const StandardOutput out;
    if (options.json) {
      Json deliveries = Json::array();
      for (const StoredDelivery& one : found->deliveries) {
        Json row{{"durable", one.durable},
                 {"state", state_word(one.state)},
                 {"attempts", one.attempts},
                 {"error", one.error}};
        if (one.changed) row["changed"] = words_of(*one.changed);
        if (one.due) row["due"] = words_of(*one.due);
        if (one.lease_until) row["lease_until"] = words_of(*one.lease_until);
        deliveries.push_back(std::move(row));
      }
      out.write(Json{{"id", options.id},
                     {"sequence", found->stored.sequence},
                     {"topic", found->stored.event.topic()},
                     {"time", words_of(found->stored.event.time())},
                     {"appended", words_of(found->appended)},
                     {"status", to_string(found->status)},
                     {"deliveries", std::move(deliveries)}}
                    .dump(-1, ' ', false, Json::error_handler_t::replace) +
                '\n');
      return kDone;
    }
    out.write(line_of(found->stored) + "appended " + words_of(found->appended) + '\n' +
              std::string(to_string(found->status)) + '\n');
    if (found->deliveries.empty()) return kDone;
    Table table({"DURABLE", "STATE", "ATTEMPTS", "CHANGED", "DUE", "LEASE ENDS", "ERROR"});
    const auto shown = [](const std::optional<WallTime>& time) {
      return time ? words_of(*time) : std::string();
    };
    for (const StoredDelivery& one : found->deliveries) {
      table.add({{escape(one.durable)},
                 {std::string(state_word(one.state))},
                 {std::to_string(one.attempts)},
                 {shown(one.changed)},
                 {shown(one.due)},
                 {shown(one.lease_until)},
                 {escape(one.error, 200)}});
    }
    out.write(table.text());
    return kDone;
  });
}

}  // namespace

void add_status(CLI::App& tool, Chosen& chosen) {
  const auto options = std::make_shared<StatusOptions>();
  CLI::App* const command =
      tool.add_subcommand("status", "Tell how far an event of a store has come");
  command->add_option("ID", options->id, "The event's id")->required();
  add_store_option(*command, options->store);
  command->add_flag("--json", options->json, "Print one JSON object");
  command->footer(kExitCodesHelp);
  command->callback([options, &chosen] { chosen = [options] { return status(*options); }; });
}

}  // namespace busway::app
