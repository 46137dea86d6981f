/*
 * sending.h: the sender's end of one data connection, from connect() to the half of the result.
 */
#ifndef TINYGRAM_SENDING_H
#define TINYGRAM_SENDING_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "events.h"
#include "half.h"
#include "net.h"
#include "pace.h"
#include "workload.h"

struct config;
struct source;
struct send_call;

/* A connection on which no byte moves for this long is given up. */
#define PROGRESS_LIMIT_NS (UINT64_C(10) * UINT64_C(1000000000))

struct sending {
    const struct config *config;
    const struct source *source;
    const struct workload *workload;
    const struct send_call *call;
    uint64_t index;
    int fd;
    struct endpoint local;

    uint64_t stream_bytes; /* to be sent; MISSING: until stop_ns */
    uint64_t source_at;    /* where in the source the next chunk begins */
    uint64_t duration_ns;
    uint64_t stop_ns;     /* when --duration ends; MISSING: never */
    uint64_t deadline_ns; /* when the trial is given up */

    struct event_log writes;     /* of struct write_event */
    struct event_log exchanges;  /* of struct write_event: number (from 1), start and end of each exchange */
    struct event_log replies;    /* of struct read_event: parts of replies that came in several, at most one a ms */
    struct event_log planned;    /* of uint64_t: when each message or exchange should have begun; a schedule only */
    struct event_log stamps;     /* of struct stamp */
    struct histogram *durations; /* of all exchanges behind the first few, in fixed memory */
    struct exchange *exchange;
    struct schedule schedule;
    uint64_t begin_ns;        /* of the schedule */
    uint64_t units_done;      /* exchanges or messages */
    struct event_log samples; /* of struct sample */
    uint64_t next_sample_ns;

    int pipe[2];                  /* splice */
    size_t splice_left;           /* bytes in the pipe */
    uint64_t zerocopy_unfinished; /* sends whose completion was not yet seen */

    struct half half;
    int failed_status; /* the error of a sending that ran in a thread of its own */
    char failed_text[ERR_TEXT_BYTES];
};

/* Connects to `to` with the requested options, reads them back and prepares the workload. `sending` holds config,
 * source, workload, index and deadline. Returns 0, or -1 with an error. Close with sending_close() in any case. */
int sending_open(struct sending *sending, const struct endpoint *to);

/* Runs the whole workload on the calling thread, half-closes the connection and completes sending->half.
 * Returns 0, or -1 with an error. */
int sending_run(struct sending *sending);

/* Moves what is left of the sending into its end of a trial: half, logs and histogram. */
struct end;
void sending_account(struct sending *sending, struct end *end);

/* Prepares the log of kernel timestamps, when they are asked for. Returns 0, or -1 with an error. */
int sending_prepare_stamps(struct sending *sending);

/* Keeps the sentence for a sending call that failed with errno `code`. Returns -1. */
int sending_explain(const struct sending *sending, int code);

void sending_close(struct sending *sending);

#endif
