/*
 * split.h: where the time of each write went, from the write to the read of its last byte, by kernel timestamps.
 *
 * The borders follow each other, so the parts of a write add up to its one-way latency:
 *   in_write   before the call to its return, or to the hand-over where the call itself handed the bytes over
 *   hold       until TCP handed the segment of the last byte to the queueing discipline: Nagle, cork, window, ...
 *   to_device  until the device driver had it
 *   to_kernel  until the receiving kernel had it
 *   wait_read  until the receiver's read had returned
 * and beside them until_ack: from before the call until the last byte was acknowledged.
 */
#ifndef TINYGRAM_SPLIT_H
#define TINYGRAM_SPLIT_H

#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "trial.h"

enum split_part { SPLIT_IN_WRITE, SPLIT_HOLD, SPLIT_TO_DEVICE, SPLIT_TO_KERNEL, SPLIT_WAIT_READ, SPLIT_PARTS };

/* The name of a part, as it stands in the result. */
const char *split_part_name(enum split_part part);

/* One write that could be split. */
struct split {
    size_t write;               /* index in the log of writes */
    uint64_t part[SPLIT_PARTS]; /* ns */
    uint64_t latency_ns;        /* before the write to after the read: the sum of the parts, unless stamps disagree */
    uint64_t until_ack_ns;      /* MISSING where the ACK's stamp never came */
    uint64_t handed_ns;         /* when TCP handed it over, on CLOCK_MONOTONIC */
};

/* Splits every recorded write of connection `index` that has all its stamps into out[writes.count]; returns how many.
 * Where stamps were lost, a write without one of its own counts as not split: it may have been merged or not.
 * *merged counts the writes whose last byte shared a segment with later ones; *unordered those whose stamps were out
 * of order by more than 1 us and had to be moved. Pure. */
size_t split_writes(const struct trial *trial, uint64_t index, struct split *out, uint64_t *merged,
                    uint64_t *unordered);

/* The writes of one kind, and where the time of those in the middle went. */
struct split_typical {
    uint64_t writes;            /* of this kind */
    uint64_t part[SPLIT_PARTS]; /* mean of the middle fifth of them by latency: the parts belong to the same writes */
    uint64_t latency_ns;        /* of the same */
};

/* The writes that were held for longer than SPLIT_HELD_NS, and the others: two modes, of which no common mean tells
 * anything. */
enum split_kind { SPLIT_HELD, SPLIT_NOT_HELD, SPLIT_KINDS };
#define SPLIT_HELD_NS (5 * NS_PER_US)

/* Sums up splits[count], which it sorts by latency; a kind without writes is 0 throughout. */
void split_sum_up(struct split *splits, size_t count, struct split_typical typical[SPLIT_KINDS]);

/* CLOCK_REALTIME `real_ns` as CLOCK_MONOTONIC, by the bridges before and after the trial. */
uint64_t split_convert(const struct trial *trial, uint64_t real_ns);

#endif
