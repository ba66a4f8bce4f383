// platform/sanitizer.hpp -- which checker this translation unit is built for.
//
// Threads    Constants.
// Cost       None at run time.
#pragma once

#if defined(__SANITIZE_THREAD__)
#define BUSWAY_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define BUSWAY_THREAD_SANITIZER 1
#endif
#endif

#ifndef BUSWAY_THREAD_SANITIZER
#define BUSWAY_THREAD_SANITIZER 0
#endif

namespace busway::platform_detail {

inline constexpr bool kThreadSanitizer = BUSWAY_THREAD_SANITIZER == 1;

}  // namespace busway::platform_detail
