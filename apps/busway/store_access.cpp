#include "store_access.hpp"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/escape.hpp"
#include "busway/cloud_events.hpp"
#include "busway/error.hpp"
#include "busway/store_provider.hpp"
#include "event/cloud_events/rfc3339.hpp"
#include "exit_code.hpp"
#include "terminal.hpp"

namespace busway::app {
namespace {

constexpr std::size_t kPayloadBytesMax = 200;

}  // namespace

void add_store_option(CLI::App& command, StoreChoice& choice) {
  command.add_option("--store", choice.address, "The store: sqlite:PATH")
      ->required()
      ->type_name("URL");
}

std::string fault_of_count(const std::string& text) {
  const bool digits = !text.empty() && text.size() < 20 &&
                      text.find_first_not_of("0123456789") == std::string::npos;
  return digits ? std::string() : quote(text, 80) + " is no whole number from 0 on";
}

int with_store(const StoreChoice& choice, Missing missing, const std::function<int(Store&)>& use) {
  try {
    StoreOptions options;
    options.create = missing == Missing::is_made;
    options.log = log_to_terminal(LogLevel::warning);
    const std::shared_ptr<Store> store = open_store(choice.address, options);
    const int code = use(*store);
    store->close();
    return code;
  } catch (const Error& error) {
    print_error(error.what());
    switch (error.code()) {
      case ErrorCode::invalid_option:
      case ErrorCode::invalid_pattern:
      case ErrorCode::invalid_topic:
      case ErrorCode::invalid_argument:
      case ErrorCode::not_yet: return kUsage;
      default: return kFailed;
    }
  }
}

std::vector<Pattern> read_patterns(const std::vector<std::string>& texts) {
  std::vector<Pattern> patterns;
  patterns.reserve(texts.size());
  for (const std::string& text : texts) patterns.push_back(Pattern::parse(text));
  return patterns;
}

std::string words_of(WallTime time) { return detail::format_rfc3339(time); }

std::string line_of(const StoredEvent& stored) {
  const Event& event = stored.event;
  std::string line = std::to_string(stored.sequence) + '\t' + words_of(event.time()) + '\t' +
                     escape(event.topic(), 255);
  if (!event.source().empty()) line += " from " + escape(event.source(), 80);
  if (event.has_payload()) {
    const auto bytes = event.bytes();
    line += '\t' +
            escape({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, kPayloadBytesMax);
  }
  return line + '\n';
}

std::string json_of(const StoredEvent& stored) {
  Json envelope = to_cloud_event(stored.event);
  envelope["sequence"] = std::to_string(stored.sequence);
  return envelope.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace busway::app
