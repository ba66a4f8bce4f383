/* What a library does to whoever opens it: DOES_CRASH, DOES_EXIT_7, DOES_EXIT_0, DOES_LOOP, or
 * DOES_CRASH_AT_END when it is closed. */
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
  volatile int* nowhere = NULL;
  *nowhere = 1;
#endif
}
