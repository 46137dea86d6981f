/*
 * stall.h: exchanges, messages and chunks whose delay sits on a kernel timer, and which mechanism put them there.
 *
 * The threshold is three quarters of the shortest timer in play: the delayed ACK, read from the connection where
 * TCP_INFO tells it (tcpi_ato), 40 ms otherwise. Where kernel timestamps are there the mechanism is the part of the
 * split in which the time was lost; otherwise it follows from what was set and counted.
 */
#ifndef TINYGRAM_STALL_H
#define TINYGRAM_STALL_H

#include <stdint.h>

#include "trial.h"

enum stall_mechanism {
    STALL_NAGLE,          /* held by Nagle until a delayed ACK */
    STALL_CORKED,         /* held by TCP_CORK or MSG_MORE, until the kernel's ceiling at the latest */
    STALL_SEND_BUFFER,    /* blocked in write(): the send buffer was full */
    STALL_WINDOW,         /* held because the receiver's window was closed */
    STALL_RETRANSMISSION, /* lost and sent again */
    STALL_REPLY,          /* the request arrived in time: the reply was held */
    STALL_READER,         /* the bytes waited for the receiver's read() */
    STALL_UNKNOWN,
    STALL_MECHANISMS
};

struct stalls {
    uint64_t count; /* MISSING: nothing was recorded from which it could be told */
    uint64_t threshold_ns;
    uint64_t time_ns; /* sum of the stalled durations */
    uint64_t by_mechanism[STALL_MECHANISMS];
};

/* As it stands in the result ("nagle_delayed_ack"), and as a person reads it. */
const char *stall_name(enum stall_mechanism mechanism);
const char *stall_words(enum stall_mechanism mechanism);

/* Counts the stalls of a trial. Pure but for memory. */
void stalls_of(const struct trial *trial, struct stalls *stalls);

/* The mechanism that stalled most; STALL_UNKNOWN when there was no stall. */
enum stall_mechanism stalls_chief(const struct stalls *stalls);

#endif
