// apps/busway/exit_code.hpp -- what the tool's exit code says.
//
// They stand in --help and in docs/busway_tool.md; programs may rely on them.
#pragma once

namespace busway::app {

enum ExitCode : int {
  kDone = 0,
  kProblems = 1,     // done, but: a plugin failed, events were left over; check --strict: warnings;
                     // audit verify: not whole
  kUsage = 2,        // the command line cannot be used: a faulty pattern, a host not named
  kFaultyFile = 3,   // the configuration is refused
  kFailed = 4,       // anything else went wrong
  kSignalBase = 128  // with the number of the second SIGINT or SIGTERM, which ends at once
};

inline constexpr const char* kExitCodesHelp =
    "Exit codes: 0 done; 1 done with problems (a plugin failed, events were left over; check\n"
    "--strict: warnings); 2 the command line cannot be used, a faulty pattern or a host that must "
    "be\n"
    "named included; 3 the configuration is refused; 4 anything else went wrong: no host answers, "
    "a\n"
    "plugin was not reloaded; 128+N ended at once by a second signal N.";

}  // namespace busway::app
