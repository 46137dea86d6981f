/* half.c: see half.h. */
#include "half.h"

#include "clock.h"

struct half
half_empty(void)
{
    return (struct half){.first_ns = MISSING,
                         .last_ns = MISSING,
                         .call_ns = MISSING,
                         .blocked_ns = MISSING,
                         .cpu_ns = MISSING,
                         .run_queue_ns = MISSING,
                         .switches = MISSING,
                         .checked_bytes = MISSING,
                         .zerocopy_completions = MISSING,
                         .zerocopy_copied = MISSING,
                         .events_stride = 1};
}
