// apps/busway/command.hpp -- the commands of the tool: one file a command.
//  Each add_ function declares its command and options; when the command line names the command,
// `chosen` gets what runs it and gives the exit code.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace busway::app {

using Chosen = std::function<int()>;

void add_audit(CLI::App& tool, Chosen& chosen);
void add_dlq(CLI::App& tool, Chosen& chosen);
void add_history(CLI::App& tool, Chosen& chosen);
void add_bench(CLI::App& tool, Chosen& chosen);
void add_pub(CLI::App& tool, Chosen& chosen);
void add_replay(CLI::App& tool, Chosen& chosen);
void add_stats(CLI::App& tool, Chosen& chosen);
void add_status(CLI::App& tool, Chosen& chosen);
void add_store(CLI::App& tool, Chosen& chosen);
void add_sub(CLI::App& tool, Chosen& chosen);
void add_check(CLI::App& tool, Chosen& chosen);
void add_match(CLI::App& tool, Chosen& chosen);
void add_plugins(CLI::App& tool, Chosen& chosen);
void add_run(CLI::App& tool, Chosen& chosen);

}  // namespace busway::app
