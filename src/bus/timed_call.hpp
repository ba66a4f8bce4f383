// bus/timed_call.hpp -- a synchronous handler with a timeout: called on a worker of the bus while
// the publisher waits, at most until the deadline.
// Layer: bus
//
// Model      The publisher posts the call, waits, and takes its result; or goes on at the deadline,
//            and the call keeps its event and its subscription until it returns. The timeout counts
//            from the publish, so it bounds what the publisher waits, a wait for a thread included.
//            On a bus whose ManualExecutor this thread pumps the handler runs here, and a result
//            that comes late is discarded.
// Threads    call_timed() on the publisher's thread.
// Ownership  Counted: by the publisher and by the worker.
// Errors     The failure goes to the dispatch: timed_out; breaker_open where max_abandoned calls
//            are left behind already.
// Cost       One allocation, a copy of the event, two changes of thread: some 3 us where a
//            worker is free.
#pragma once

#include "busway/event.hpp"

namespace busway::detail {

struct Dispatch;
struct Subscriber;

void call_timed(Subscriber& subscriber, const Event& event, Dispatch& dispatch);

}  // namespace busway::detail
