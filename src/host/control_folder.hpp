// host/control_folder.hpp -- folders in which nobody else can put a socket, or take one away.
// Layer: host
//
// Model      A folder of this user, no symbolic link, that nobody else may write to; and none above
//            it in which others may give its name to another one: what others may write to must be
//            sticky, as /tmp is. Whoever owns a folder above it is trusted.
// Threads    [not-concurrent]
// Ownership  None; a lock ends with its descriptor.
// Errors     lock_control_folder() throws Error, which names path and folder: invalid_option for
//            one that must not be used, timed_out when another program keeps it locked, io_error
//            when the system refuses.
// Cost       A few system calls for each folder above.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "busway/error.hpp"
#include "platform/descriptor.hpp"

namespace busway::host_detail {

/// Hosts hold the lock for as long as it takes to open a socket.
inline constexpr std::chrono::milliseconds kControlLockPatience = std::chrono::seconds(5);

/// The folder of a socket with this absolute path, made with mode 0700 if only it is missing, and
/// locked until the descriptor is closed.
[[nodiscard]] platform_detail::Descriptor lock_control_folder(const std::string& path,
                                                              std::chrono::milliseconds patience);

/// Whether a socket in it is of this user's own making.
[[nodiscard]] bool is_control_folder(const std::string& folder) noexcept;

/// "the control socket PATH cannot be opened: WHY"
[[noreturn]] void refuse_control_socket(ErrorCode code, const std::string& path,
                                        std::string_view why);

}  // namespace busway::host_detail
