/*
 * result.h: every number of a result, derived from a trial by one pure function. Nothing else computes one.
 */
#ifndef TINYGRAM_RESULT_H
#define TINYGRAM_RESULT_H

#include <stdint.h>

#include "exchange.h"
#include "quantile.h"
#include "split.h"
#include "stall.h"
#include "trial.h"

/* A part of the transfer. All MISSING where it is not known. */
struct span {
    uint64_t bytes;
    uint64_t elapsed_ns;
    double goodput; /* bytes a second; NaN when it cannot be told */
};

struct result {
    /* From before the first write to after the last read; across two clocks, to the receiver's confirmation. */
    struct span whole;
    struct span start; /* up to the first read at or past a tenth of the bytes; one connection only */
    struct span rest;
    int verified; /* 1 the content is the same, 0 it differs, -1 not checked */
    uint64_t checked_bytes;
    int checked_inline; /* 1 between the reads, 0 after the last, -1 not checked */

    struct quantiles latency;           /* chunk or message: before its write to after the read that had its last byte;
                                           exchange: its beginning to the end of its last reply, the first few left out */
    struct quantiles latency_planned;   /* of a schedule: from the planned beginning instead */
    struct quantiles lateness;          /* of a schedule: actual minus planned beginning */
    int kept_schedule;                  /* 1: the sender kept it, 0: it fell behind, -1: there was none */
    uint64_t first_ns[EXCHANGES_APART]; /* the first exchanges, one by one */
    uint64_t first_count;
    struct quantiles in_write;  /* chunk: inside the sending call */
    struct quantiles in_flight; /* chunk: after its write to after that read; 0 where the read ended first */

    /* Where the time of each write went; counts are 0 without --stamps on. */
    struct quantiles split[SPLIT_PARTS];
    struct quantiles until_ack;
    struct split_typical typical[SPLIT_KINDS];
    uint64_t split_writes, split_missing, merged_writes, unordered_writes;
    uint64_t split_sums; /* split writes whose parts add up to their latency within 1 us */
    uint64_t stamps_recorded, stamps_dropped;
    uint64_t bridge_error_ns, bridge_drift_ns;

    struct stalls stalls;
    uint64_t effective[2]; /* SO_SNDBUF of the sender, SO_RCVBUF of the receiver at the end; MISSING: unknown */
    uint64_t messages;     /* exchanges, messages or chunks */
    double segments_per_message;

    uint64_t reply_bytes, reply_reads, reply_writes; /* exchange */
    uint64_t writes, short_writes, reads;
    uint64_t write_ns, write_blocked_ns;
    uint64_t run_queue_sender_ns, run_queue_receiver_ns;
    uint64_t cpu_sender_ns, cpu_receiver_ns;
    uint64_t switches_sender, switches_receiver;
    uint64_t data_segments, segments_received, acks_received, retransmits;
    double bytes_per_segment; /* NaN when it cannot be told */
    uint64_t zerocopy_completions, zerocopy_copied;
    uint64_t writes_recorded, writes_dropped, writes_stride;
    uint64_t reads_recorded, reads_dropped;
    uint64_t samples_sender, samples_receiver, samples_dropped;
};

/* Derives all numbers. Allocates room for the joined durations; where memory is short the quantiles are empty. */
void result_of(const struct trial *trial, struct result *result);

/* The span of one connection alone. */
struct span result_of_connection(const struct trial *trial, uint64_t index);

/* Joins one connection's writes and reads by byte offset: for each recorded write whose last byte was read,
 * appends one duration (ns) to each array that is not NULL, of which each has room for writes->count. Returns how
 * many. Pure. */
size_t result_join(const struct event_log *writes, const struct event_log *reads, uint64_t *latency_ns,
                   uint64_t *in_write_ns, uint64_t *in_flight_ns);

#endif
