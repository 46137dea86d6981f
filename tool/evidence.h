/*
 * evidence.h: what one trial shows of where its time went, and the mechanism that this proves.
 *
 * A standstill is a time of at least three quarters of the delayed-ACK timer in which bytes were written, or being
 * written, and the receiver read none. Its length tells the timer, and the bytes between two of them tell how much the
 * sender may have under way. Nothing here knows which option was varied.
 */
#ifndef TINYGRAM_EVIDENCE_H
#define TINYGRAM_EVIDENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "result.h"
#include "trial.h"

/* All from one trial, MISSING (NaN) where it cannot be told. */
struct evidence {
    double speed; /* goodput, or the inverse of the median latency */
    uint64_t bytes, elapsed_ns;
    uint64_t latency_ns; /* median; from the planned time where there was one */
    uint64_t late_ns;    /* median of how late a message's write began */
    uint64_t standstills, standstill_ns, standstill_median_ns;
    uint64_t between_bytes;            /* median of the bytes read between two standstills */
    uint64_t held_ns, acknowledged_ns; /* longest hold, longest time until an ACK; by kernel timestamps */
    uint64_t stalls;
    enum stall_mechanism chief;
    uint64_t segments, retransmits, acks;
    double segment_bytes;
    uint64_t snd_mss, rcv_mss, window_bytes; /* at the end; the window is what the receiver offered last */
    uint64_t window_limited_ns;              /* tcpi_rwnd_limited */
    uint64_t blocked_ns, cpu_ns;             /* asleep in write(); of both ends */
    uint64_t sndbuf, rcvbuf;                 /* in effect at the end */
};

/* What a trial shows. Pure but for memory. */
void evidence_of(const struct trial *trial, const struct result *result, struct evidence *evidence);

enum mechanism {
    MECHANISM_DELAYED_ACK,    /* all that fits into the send buffer waits for a delayed ACK */
    MECHANISM_NAGLE_STALL,    /* Nagle holds a short segment until a delayed ACK */
    MECHANISM_NAGLE,          /* Nagle holds a short segment until the ACK, which comes at once */
    MECHANISM_LATE_RCVBUF,    /* SO_RCVBUF came after the handshake: what was agreed there does not fit into it */
    MECHANISM_WINDOW,         /* the receiver's window is the limit */
    MECHANISM_RETRANSMISSION, /* segments are sent again after a timer */
    MECHANISM_STANDSTILL,     /* it stands still, on a timer that is none of these */
    MECHANISM_QUEUE,          /* messages wait before write(): the rate is above what the connection carries */
    MECHANISM_WORK,           /* both ends compute all the time: more calls, segments or wake-ups for the same bytes */
    MECHANISM_UNKNOWN,
    MECHANISMS
};

/* As it stands in the result ("delayed_ack"), and as a person reads it. */
const char *mechanism_name(enum mechanism mechanism);
const char *mechanism_words(enum mechanism mechanism);

/* Which remedies made the slow side at least three times as fast: the other half of a proof. */
struct helped {
    bool quickack, nodelay, early_rcvbuf;
};

/* What `slow`, a trial of the slow side, waits for. */
enum mechanism evidence_judge(const struct evidence *slow, const struct helped *helped);

/* Sentences. */
#define EVIDENCE_LINES 8
#define EVIDENCE_TEXT_BYTES 200

/* Writes what speaks for the judgement into text, a sentence each; returns how many. `fast` is a trial of the other
 * side. */
size_t evidence_tell(const struct evidence *slow, const struct evidence *fast,
                     char text[EVIDENCE_LINES][EVIDENCE_TEXT_BYTES]);

#endif
