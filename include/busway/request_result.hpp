// busway/request_result.hpp -- the answer to bus.request(), or why there is none.
// Layer: bus
//
// Model      code is ok and reply() holds the payload as an event of the request's topic, or the
//            code says: no_responder, timed_out, would_block, why the publish was refused, or
//            handler_failed when only synchronous handlers got it and none replied.
// Threads    A value.
// Ownership  Owns the reply.
// Errors     reply() throws Error(code) when there is none.
// Cost       None beyond the request.
// Example    examples/05_request_reply
#pragma once

#include <string>
#include <utility>

#include "busway/error.hpp"
#include "busway/event.hpp"
#include "busway/failure_list.hpp"

namespace busway {

class RequestResult {
 public:
  RequestResult(ErrorCode code, std::string message, Event reply = {}, FailureList failures = {})
      : code_(code),
        message_(std::move(message)),
        reply_(std::move(reply)),
        failures_(std::move(failures)) {}

  [[nodiscard]] bool ok() const noexcept { return code_ == ErrorCode::ok; }
  [[nodiscard]] ErrorCode code() const noexcept { return code_; }
  [[nodiscard]] const std::string& message() const noexcept { return message_; }

  /// What is known to have gone wrong with single deliveries, also when another one replied.
  [[nodiscard]] const FailureList& failures() const noexcept { return failures_; }

  [[nodiscard]] const Event& reply() const {
    if (!ok()) throw Error(code_, message_);
    return reply_;
  }
  [[nodiscard]] const Json& json() const { return reply().json(); }
  template <class T>
  [[nodiscard]] const T& as() const {
    return reply().template as<T>();
  }

 private:
  ErrorCode code_;
  std::string message_;
  Event reply_;
  FailureList failures_;
};

}  // namespace busway
