// apps/busway/audit_verifier.hpp -- looks for what was done to an audit log.
//
// Model      Files in the order of their first lines, whatever order they are given in; each line's
//            own hash, then whether it follows the one before. The chain
//            begins where it is told to, unless it may begin anywhere: older files are removed some
//            day. Without a line there is no chain, and that is a problem; so is a file without any
//            line of an audit log, which is one problem however many lines it has.
// Threads    [not-concurrent]
// Errors     What is wrong with a log is a value. std::system_error that names the file when one
//            cannot be read.
// Cost       One line in memory, at most 64 MiB.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace busway::app {

struct AuditProblem {
  std::string file{};
  std::uint64_t line = 0;  // from 1
  std::string what{};
};

struct AuditFileReport {
  std::string file{};
  std::uint64_t lines = 0;
  std::uint64_t first = 0;  // numbers in the chain; 0: there are none
  std::uint64_t last = 0;
};

struct AuditReport {
  std::vector<AuditFileReport> files{};
  std::vector<AuditProblem> problems{};  // the first kAuditProblemsMax
  std::uint64_t problems_found = 0;
  std::uint64_t lines = 0;
  std::uint64_t first = 0;      // number of the first line; 0: there is none
  std::string head{};           // the hash of the last line
  bool has_known_hash = false;  // whether the line with the hash that was asked for is there

  [[nodiscard]] bool whole() const noexcept { return problems_found == 0; }
};

inline constexpr std::size_t kAuditProblemsMax = 100;

/// `known_hash`: of a line that is known to have been there; empty for none. `from`: the
/// number that the chain begins with; 0: any.
[[nodiscard]] AuditReport verify_audit(const std::vector<std::string>& files,
                                       const std::string& known_hash, std::uint64_t from);

}  // namespace busway::app
