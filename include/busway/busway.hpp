// busway/busway.hpp -- start here: the event bus without typed payloads, JSON bodies or Asio.
// Layer: bus
//
// Model      Read bus.hpp first, then event.hpp, subscription_options.hpp, publish_result.hpp.
//            Json is only declared here: a program that makes or reads one, Json{{"x", 1}},
//            includes <nlohmann/json.hpp> too. Where the linker misses publish<T>() or
//            if_same<T>(), typed.hpp is not included. Beyond this header: typed.hpp (C++ structs as
//            payloads), topics.hpp (well-known topics), cloud_events.hpp (the wire form),
//            manual_executor.hpp (game loops, tests), middleware.hpp (policy around handlers),
//            default_bus.hpp and on.hpp (one bus a program), plugin.hpp and plugin_manager.hpp
//            (plugins), host.hpp (a whole program from a file).
// Threads    See each header; the tags are explained in docs/threads.md.
// Ownership  None.
// Errors     None.
// Cost       Compiles in about half the time of boost/signals2.hpp.
// Example    examples/01_hello
#pragma once

#include "busway/bus.hpp"
#include "busway/error.hpp"
#include "busway/event.hpp"
#include "busway/pattern.hpp"
#include "busway/subscription.hpp"
