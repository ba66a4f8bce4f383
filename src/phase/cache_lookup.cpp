#include "phase/cache_lookup.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <utility>

#include "base/sha256.hpp"
#include "bus/publish_guards.hpp"
#include "busway/events/phase_lookup.hpp"
#include "busway/topics.hpp"
#include "busway/typed_event.hpp"
#include "event/json_guard.hpp"
#include "phase/limits.hpp"

namespace busway::phase_detail {
namespace {

/// Whether it holds a number that JSON writes as null. After check_json(): not deep.
bool has_no_number(const Json& value) {
  if (value.is_number_float()) return !std::isfinite(value.get<double>());
  if (!value.is_structured()) return false;
  return std::any_of(value.begin(), value.end(),
                     [](const Json& member) { return has_no_number(member); });
}

void log(const detail::BusCore& core, LogLevel level, const std::string& name,
         std::string_view why) noexcept {
  const std::array fields{LogField{"phase", name}, LogField{"reason", why}};
  core.log(level, "the output of a phase could not be looked up", fields);
}

RequestResult ask(detail::BusCore& core, const std::string& name, const std::string& key,
                  const phase::PhaseInput& input, const phase::PhaseContext& context) {
  std::chrono::nanoseconds timeout = kLookupTimeout;
  if (const auto deadline = context.deadline()) {
    timeout =
        std::min<std::chrono::nanoseconds>(timeout, *deadline - core.options().clock->steady());
  }
  if (timeout <= timeout.zero()) return {ErrorCode::timed_out, "the deadline has passed"};
  const detail::BlockGuard payload(typed_payload(PhaseLookup{name, key}).take());
  const EventOptions options{.source = name, .session_id = input.session_id};
  return core.request(
      topics::kPhaseLookup,
      {.type = nullptr, .object = nullptr, .block = payload.mine, .options = &options}, timeout,
      context.stop_token(), detail::BusCore::Repliers::by_name);
}

}  // namespace

std::string cache_key(const std::string& name, const phase::PhaseInput& input) {
  const Json words{name, input.request};
  try {
    detail::check_json(words);
    detail::check_json(input.data);
  } catch (const Error&) {
    return {};
  }
  if (has_no_number(input.data)) return {};
  std::string text = detail::dump_json(words);
  text.back() = ',';
  text += detail::dump_json(input.data) + ']';
  return sha256(std::as_bytes(std::span(text)));
}

Lookup look_up(detail::BusCore& core, const std::string& name, const phase::PhaseInput& input,
               const phase::PhaseContext& context) noexcept {
  Lookup found;
  try {
    if (!core.is_subscribed_by_name(topics::kPhaseLookup)) return found;
    std::string key = cache_key(name, input);
    if (key.empty()) {
      log(core, LogLevel::debug, name, "JSON cannot tell its input");
      return found;
    }
    const RequestResult result = ask(core, name, key, input, context);
    found.key = std::move(key);
    if (!result.ok()) {
      if (result.code() != ErrorCode::handler_failed || !result.failures().empty()) {
        log(core, LogLevel::debug, name, result.message());
      }
      return found;
    }
    if (!result.reply().has_payload()) return found;
    const Json& output = result.json();
    if (!output.is_null()) found.output = output;
  } catch (const std::exception& error) {
    log(core, LogLevel::warning, name, error.what());
  } catch (...) {
    log(core, LogLevel::warning, name, "an exception of an unknown type");
  }
  return found;
}

}  // namespace busway::phase_detail
