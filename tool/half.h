/*
 * half.h: what one end of one data connection knows after a trial: half of the result.
 *
 * The two ends fill in the same record, so that they can be read side by side; the receiver's travels back over
 * the control connection. Fixed size; a value that could not be had is MISSING.
 */
#ifndef TINYGRAM_HALF_H
#define TINYGRAM_HALF_H

#include <stdint.h>

#include "sockopt.h"
#include "tcpinfo.h"

struct half {
    uint64_t bytes;
    uint64_t calls;       /* write or read calls that moved bytes */
    uint64_t short_calls; /* calls that moved less than was asked (sender) */
    uint64_t reply_bytes; /* exchange: of the replies, at either end; else MISSING */
    uint64_t reply_calls; /* exchange: reads (sender) or writes (receiver) that moved them */
    uint64_t first_ns;    /* sender: before the first write; receiver: after the first read */
    uint64_t last_ns;     /* sender: after the last write; receiver: after the last read that had bytes */
    uint64_t call_ns;     /* sum of the time inside the sending calls; MISSING without an event log */
    uint64_t blocked_ns;  /* time asleep (wait block) or trying again (wait spin) in the sending calls */
    uint64_t cpu_ns;
    uint64_t run_queue_ns;
    uint64_t switches;
    uint64_t digest_high; /* meaningful when checked_bytes is not MISSING */
    uint64_t digest_low;
    uint64_t checked_bytes;
    uint64_t digest_inline;        /* 1: the digest was computed between the reads, 0: after the last */
    uint64_t zerocopy_completions; /* MISSING unless MSG_ZEROCOPY was used */
    uint64_t zerocopy_copied;
    uint64_t events_recorded;
    uint64_t events_dropped;
    uint64_t events_stride;
    uint64_t samples_recorded;
    uint64_t samples_dropped;
    struct sockopt_values start; /* in effect before the first byte */
    struct sockopt_values end;   /* in effect after the last */
    struct tcpinfo info;         /* at the end */
};

struct event_log;

/* Copies what the logs counted into the half. */
void half_count_events(struct half *half, const struct event_log *events, const struct event_log *samples);

/* A half in which nothing has happened yet. */
struct half half_empty(void);

#endif
