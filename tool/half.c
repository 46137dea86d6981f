/* half.c: see half.h. */
#include "half.h"

#include "clock.h"
#include "events.h"

struct half
half_empty(void)
{
    return (struct half){.reply_bytes = MISSING,
                         .reply_calls = MISSING,
                         .first_ns = MISSING,
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

void
half_count_events(struct half *half, const struct event_log *events, const struct event_log *samples)
{
    half->events_recorded = events->count;
    half->events_dropped = events->dropped;
    half->events_stride = events->stride;
    half->samples_recorded = samples->count;
    half->samples_dropped = samples->dropped;
}
