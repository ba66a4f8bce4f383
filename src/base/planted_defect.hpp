// base/planted_defect.hpp -- defects that a test puts in, to prove that the simulation finds them.
//
// Model      What is compiled with BUSWAY_PLANT_DEFECTS, for tests/simulation alone, asks which
//            defect it has; everywhere else planted() is a constant false and leaves no code.
// Threads    Set before the bus is made.
// Ownership  None.
// Errors     None.
// Cost       None without the macro.
#pragma once

namespace busway::detail {

enum class Defect : unsigned char {
  none,
  after_close,          // a pump goes on with its run when the mailbox closes or pauses
  strict_is_passed,     // later events pass a retry that waits in strict order
  retry_is_lost,        // a retry whose time has come does not get back into the mailbox
  dropped_not_counted,  // what a mailbox drops is counted nowhere
};

#ifdef BUSWAY_PLANT_DEFECTS
inline Defect planted_now = Defect::none;
[[nodiscard]] inline bool planted(Defect which) noexcept { return planted_now == which; }
#else
[[nodiscard]] constexpr bool planted(Defect) noexcept { return false; }
#endif

}  // namespace busway::detail
