/*
 * receiving.h: the receiver's end of one data connection, from accept() to the half of the result.
 */
#ifndef TINYGRAM_RECEIVING_H
#define TINYGRAM_RECEIVING_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "events.h"
#include "half.h"
#include "pattern.h"
#include "sink.h"
#include "workload.h"

/* What the receiver was told to do, checked and complete. */
struct receive_plan {
    struct sink_plan sink;
    struct sockopt_values requested;
    bool log;
    bool spin;
    bool stamps;
    bool rearms;            /* TCP_QUICKACK is set again before each read */
    bool rcvbuf_late;       /* SO_RCVBUF is set on the accepted socket, not on the listener */
    struct pattern pattern; /* of an exchange */
    uint64_t events_max;
    uint64_t sample_every_ns; /* or MISSING */
    uint64_t deadline_ns;
};

/* Tries of a spinning end between two looks at the clock. */
#define TRIES_PER_LOOK 1024

struct receiving {
    const struct receive_plan *plan;
    const struct workload *workload;
    int fd;
    bool waits; /* the socket is non-blocking and somebody polls for it: STEP_WAIT is an answer */

    struct sink sink;
    struct event_log reads;   /* of struct read_event */
    struct event_log samples; /* of struct sample */
    uint64_t next_sample_ns;

    uint64_t item;    /* exchange: the pattern's item that is due */
    uint64_t missing; /* exchange: bytes of the request that are still to be read, */
    bool replying;    /* or of the reply that are still to be written */
    bool rearms;      /* exchange: TCP_QUICKACK is set again before each read of this request */
    unsigned char *reply;

    struct half half;
    int failed_status; /* 0, or the error that ended it */
    char failed_text[ERR_TEXT_BYTES];
};

/* Applies the requested options to the accepted socket `fd`, reads them back and proves them, and makes the event
 * logs (in shared memory: a forked worker may fill them). The descriptor belongs to `receiving` from now on, also on
 * failure. Returns 0, or -1 with an error. */
int receiving_open(struct receiving *receiving, int fd);

/* Allocates everything else that the workload needs, in the process or thread that will run it; to be freed there
 * by receiving_release(). On failure the error is also kept in the record. Returns 0, or -1 with an error. */
int receiving_prepare(struct receiving *receiving);
void receiving_release(struct receiving *receiving);

/* Reads until the sender's half-close, on the calling thread; then finishes. The outcome is kept in the record. */
void receiving_run(struct receiving *receiving);

/* Keeps the calling thread's error in the record, where another process or thread can see it. */
void receiving_fail(struct receiving *receiving);

/* After the last read, which ended with `step`: completes the record, whatever the outcome. */
void receiving_complete(struct receiving *receiving, enum step step);

/* Reads what is there without blocking; completes the record when the stream has ended. Returns true then. */
bool receiving_continue(struct receiving *receiving);

/* What a call that moved nothing and left errno `code` means, at the given number of tries in a row: STEP_MORE to try
 * again, STEP_WAIT, or STEP_FAILED with an error. */
enum step receiving_nothing(const struct receiving *receiving, int code, unsigned tries);

void receiving_close(struct receiving *receiving);

#endif
