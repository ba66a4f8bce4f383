// busway/middleware/log_calls.hpp -- one log line for each call of a handler, when it has ended.
// Layer: bus
//
// Model      with(LogCalls(sink), handler). The line has the fields topic, id, subscription,
//            attempt, took_us (microseconds, by the clock of the bus) and, unless all went well,
//            reason. Put first it sees what the middlewares behind it decide; put last, the
//            handler's own calls alone.
// Threads    [any-thread], as far as the sink is.
// Ownership  Owns a copy of the sink.
// Errors     What the handler throws is logged as a failure and passes on. A sink that throws is
//            ignored.
// Cost       Some string conversions and the sink's work, a call.
// Example    examples/09_middleware
#pragma once

#include <string_view>

#include "busway/log.hpp"
#include "busway/middleware.hpp"

namespace busway {

struct LogCallsLevels {
  LogLevel done = LogLevel::info;
  LogLevel failed = LogLevel::warning;  ///< also: to be tried again, or given up
};

class LogCalls {
 public:
  explicit LogCalls(LogSink sink, LogCallsLevels levels = {});

  Outcome operator()(const Event& event, Context& context, const Next& next) const;

 private:
  LogSink sink_;
  LogCallsLevels levels_;
};

}  // namespace busway
