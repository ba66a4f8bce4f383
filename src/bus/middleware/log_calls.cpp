#include "busway/middleware/log_calls.hpp"

#include <array>
#include <span>
#include <string>
#include <utility>

#include "base/escape.hpp"
#include "bus/middleware/watched_call.hpp"
#include "busway/error.hpp"

namespace busway {
namespace {

std::string_view message_of(Outcome::Kind kind) noexcept {
  switch (kind) {
    case Outcome::Kind::done: return "a handler is done";
    case Outcome::Kind::fail: return "a handler failed";
    case Outcome::Kind::retry: return "a handler wants to try again";
    case Outcome::Kind::dead_letter: return "a handler gave an event up";
  }
  return "a handler is done";
}

std::string reason_of(const Outcome& outcome) {
  if (outcome.kind() != Outcome::Kind::retry) return escape(outcome.reason());
  const auto after = std::chrono::duration_cast<std::chrono::milliseconds>(outcome.after());
  return "a retry after " + std::to_string(after.count()) + "ms";
}

}  // namespace

LogCalls::LogCalls(LogSink sink, LogCallsLevels levels) : sink_(std::move(sink)), levels_(levels) {
  if (!sink_) throw Error(ErrorCode::invalid_argument, "LogCalls: the sink holds nothing to call");
}

Outcome LogCalls::operator()(const Event& event, Context& context, const Next& next) const {
  const auto log = [&](const Outcome& outcome, std::chrono::nanoseconds took) {
    const bool well = outcome.kind() == Outcome::Kind::done;
    const std::string topic = escape(event.topic());
    const std::string id = to_string(event.id());
    const std::string subscription = escape(context.subscription());
    const std::string attempt = std::to_string(context.attempt());
    const std::string took_us = std::to_string(took.count() / 1'000);
    const std::string reason = well ? std::string() : reason_of(outcome);
    const std::array fields{LogField{"topic", topic},
                            LogField{"id", id},
                            LogField{"subscription", subscription},
                            LogField{"attempt", attempt},
                            LogField{"took_us", took_us},
                            LogField{"reason", reason}};
    sink_(well ? levels_.done : levels_.failed, message_of(outcome.kind()),
          std::span(fields).first(fields.size() - (well ? 1 : 0)));
  };
  return detail::watched_call(context, next,
                              [&](const Outcome& outcome, std::chrono::nanoseconds took) {
                                detail::call_harmlessly([&] { log(outcome, took); });
                              });
}

}  // namespace busway
