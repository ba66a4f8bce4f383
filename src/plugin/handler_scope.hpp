// plugin/handler_scope.hpp -- makes the bus see this thread as inside a handler.
// Layer: plugin
//
// Model      For calls into a plugin that the bus does not make itself: what is published meanwhile
//            is caused by the event, and ending a subscription does not wait.
// Threads    Belongs to its thread.
// Ownership  Refers to the event.
// Errors     None.
// Cost       A dozen stores.
#pragma once

#include "bus/dispatch.hpp"
#include "bus/thread_state.hpp"

namespace busway::plugin_host_detail {

class HandlerScope {
 public:
  HandlerScope(detail::BusCore& core, const Event& event)
      : dispatch_(core, event), outer_(detail::thread_locals.current) {
    dispatch_.outer = outer_;
    detail::thread_locals.current = &dispatch_;
  }
  HandlerScope(const HandlerScope&) = delete;
  HandlerScope& operator=(const HandlerScope&) = delete;
  ~HandlerScope() { detail::thread_locals.current = outer_; }

 private:
  detail::Dispatch dispatch_;
  detail::Dispatch* const outer_;
};

}  // namespace busway::plugin_host_detail
