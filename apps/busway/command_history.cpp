// busway history: events of a store, by what they are.
#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "busway/error.hpp"
#include "command.hpp"
#include "exit_code.hpp"
#include "standard_output.hpp"
#include "store_access.hpp"
#include "terminal.hpp"

namespace busway::app {
namespace {

struct HistoryOptions {
  StoreChoice store;
  std::vector<std::string> patterns;
  std::size_t limit = 20;
  std::uint64_t after = 0;
  bool oldest_first = false;
  TimeRange times;
  std::string origin, source, user, session, instance, schema, entity, operation, correlation,
      status;
  bool json = false;
};

std::optional<std::string_view> given(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional<std::string_view>(text);
}

std::optional<EventStatus> status_of(const std::string& text) {
  for (const EventStatus one : {EventStatus::pending, EventStatus::processing,
                                EventStatus::completed, EventStatus::failed}) {
    if (to_string(one) == text) return one;
  }
  return std::nullopt;
}

int history(const HistoryOptions& options) {
  return with_store(looking(options.store), Missing::is_an_error, [&](Store& store) {
    const std::vector<Pattern> patterns = read_patterns(options.patterns);
    StoreQuery query{.direction = options.oldest_first ? StoreQuery::Direction::oldest_first
                                                       : StoreQuery::Direction::newest_first,
                     .patterns = patterns,
                     .after = options.after,
                     .since = options.times.since,
                     .until = options.times.until,
                     .source = given(options.source),
                     .user_id = given(options.user),
                     .session_id = given(options.session),
                     .instance_id = given(options.instance),
                     .schema = given(options.schema),
                     .entity = given(options.entity),
                     .operation = given(options.operation),
                     .correlation_id = given(options.correlation),
                     .status = status_of(options.status)};
    if (!options.origin.empty()) query.origin = parse_origin(options.origin);
    const StandardOutput out;
    std::size_t damaged = 0;
    std::size_t left = options.limit;
    for (bool more = true; more && (options.limit == 0 || left != 0);) {
      query.limit = options.limit == 0 ? 0 : left;
      const StorePage page = store.read(query);
      std::string text;
      for (const StoredEvent& one : page.events) {
        text += options.json ? json_of(one) : line_of(one);
      }
      out.write(text);
      left -= std::min(left, page.events.size());
      damaged += page.set_aside;
      more = page.more;
      query.after = page.next;
    }
    return tell_left_out(damaged);
  });
}

}  // namespace

void add_history(CLI::App& tool, Chosen& chosen) {
  const auto options = std::make_shared<HistoryOptions>();
  CLI::App* const command = tool.add_subcommand("history", "Print events that a store has kept");
  command->add_option("PATTERN", options->patterns, "Topics, as in subscribe(); none: all");
  add_store_option(*command, options->store);
  command->add_option("--limit", options->limit, "At most so many; 0: all (default 20)")
      ->check(&fault_of_count);
  command->add_option("--after", options->after, "Beyond this sequence, in the order printed")
      ->check(&fault_of_count);
  command->add_flag("--oldest-first", options->oldest_first, "Default: newest first");
  add_time_options(*command, options->times, "Events");
  command->add_option("--origin", options->origin, "Which part of the world it came from")
      ->check(CLI::IsMember({"internal", "system", "database", "websocket", "frontend", "plugin"}));
  const auto field = [&](const char* name, std::string& to, const char* about) {
    command->add_option(name, to, about);
  };
  field("--source", options->source, "Who published it");
  field("--user", options->user, "Its user_id");
  field("--session", options->session, "Its session_id");
  field("--instance", options->instance, "Its instance_id");
  field("--schema", options->schema, "Its schema");
  field("--entity", options->entity, "Its entity");
  field("--operation", options->operation, "Its operation");
  field("--correlation", options->correlation, "Its correlation_id");
  command->add_option("--status", options->status, "How far it has come")
      ->check(CLI::IsMember({"pending", "processing", "completed", "failed"}));
  command->add_flag("--json", options->json, "Print each as a CloudEvent, one line each");
  command->footer(kExitCodesHelp);
  command->callback([options, &chosen] { chosen = [options] { return history(*options); }; });
}

}  // namespace busway::app
