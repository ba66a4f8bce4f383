// apps/busway/exit_code.hpp -- what the tool's exit code says.
//
// They stand in --help and in docs/busway_tool.md; programs may rely on them.
#pragma once

namespace busway::app {

enum ExitCode : int {
  kDone = 0,
  kProblems = 1,    // done, but: a plugin failed, events were left over; check --strict: warnings;
                    // audit verify, store check: not whole; pub, replay: some were not taken, or a
                    // signal ended it; history, sub: damaged events were left out
  kUsage = 2,       // the command line cannot be used: a faulty pattern, a host not named
  kFaultyFile = 3,  // the configuration is refused
  kFailed = 4,  // anything else went wrong: a file, host or store that cannot be reached or read
  kSignalBase = 128  // with the number of the second SIGINT or SIGTERM, which ends at once
};

inline constexpr const char* kExitCodesHelp =
    "Exit codes:\n"
    "  0      done\n"
    "  1      done with problems: a plugin failed, events were left over; check --strict: "
    "warnings;\n"
    "         audit verify, store check: faults were found; pub: lines were not stored, or nobody "
    "can\n"
    "         say; replay: events were refused; history, sub: damaged events were left out; pub,\n"
    "         replay, bench, store backup: a signal ended it\n"
    "  2      the command line cannot be used: an unknown option, a faulty pattern, time or "
    "address\n"
    "         of a store, a host that must be named\n"
    "  3      the configuration is refused\n"
    "  4      anything else went wrong: no host answers, a plugin was not reloaded, a file cannot "
    "be\n"
    "         read; a store does not exist, cannot be opened or reached, or has no such event, "
    "letter\n"
    "         or durable name\n"
    "  128+N  ended at once by a second signal N";

}  // namespace busway::app
