/* What a library does to whoever opens it: DOES_CRASH, DOES_EXIT_7, DOES_EXIT_0, DOES_LOOP, or
 * DOES_CRASH_AT_END when it is closed. */
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#if defined(DOES_CRASH_AT_END)
__attribute__((destructor))
#else
__attribute__((constructor))
#endif
static void
at_load(void) {
#if defined(DOES_EXIT_7)
  exit(7);
#elif defined(DOES_EXIT_0)
  exit(0);
#elif defined(DOES_LOOP)
  for (;;) (void)sleep(1);
#else
  // Not the null pointer, which a sanitizer would find before the processor does.
  volatile int* nowhere = (volatile int*)(uintptr_t)4096;
  *nowhere = 1;
#endif
}
