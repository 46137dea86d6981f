/*
 * trial.h: what is left of a trial when it is over: both ends' halves and event logs, and how it ended.
 *
 * send.c and recv.c fill it in; result.c derives every number from it; record.c and show.c write it down.
 */
#ifndef TINYGRAM_TRIAL_H
#define TINYGRAM_TRIAL_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "err.h"
#include "events.h"
#include "half.h"
#include "stamps.h"

struct config;

/* One end of one data connection. The logs may be empty. */
struct end {
    bool known; /* false: this end's account never came */
    struct half half;
    struct event_log events; /* write_event at the sender, read_event at the receiver */
    struct event_log samples;
    struct event_log exchanges;  /* sender: of struct write_event */
    struct event_log replies;    /* sender: of struct read_event, the parts of long replies */
    struct event_log planned;    /* sender: of uint64_t */
    struct event_log stamps;     /* sender: of struct stamp */
    struct histogram *durations; /* sender: of the exchanges behind the first few */
    uint64_t units;              /* sender: exchanges or messages */
};

struct trial {
    const char *role; /* pair, send or recv */
    const struct config *config;
    struct timespec started; /* CLOCK_REALTIME, for people */
    enum status status;
    char error[ERR_TEXT_BYTES];
    bool interrupted;

    uint64_t source_bytes; /* of the file or the repeated block; MISSING at a receiver */
    uint64_t stream_bytes; /* announced for each connection; MISSING: as long as --duration lasted */
    int verify;            /* as resolved: full, sampled or off */
    bool same_clock;       /* the timestamps of both ends can be compared */
    uint64_t worked_ns;    /* of an arm: all its slices together; MISSING: it worked in one stretch */
    uint64_t confirmed_ns; /* when the receiver's confirmation was there; MISSING without one */

    struct clock_bridge bridge[2]; /* CLOCK_REALTIME against CLOCK_MONOTONIC before and after */

    uint64_t connections;
    struct end *sender;   /* [connections], or NULL at a receiver */
    struct end *receiver; /* [connections] */
};

/* Frees what an end holds. */
void end_free(struct end *end);

/* Keeps this thread's error as the outcome, unless an earlier one is kept. */
void trial_fail(struct trial *trial);

#endif
