/*
 * length.h: how long a trial of a search lasts, so that a slow one ends within a second or two.
 *
 * A transfer that is limited in time first fills the buffers and is then waited for until they are empty: with a large
 * send buffer and a receiver that takes 50 kB/s that is a minute. So the first trials at a value send few bytes, four
 * times as many each time, until one shows the speed; only what is fast is then limited in time. Pure.
 */
#ifndef TINYGRAM_LENGTH_H
#define TINYGRAM_LENGTH_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"

struct length {
    uint64_t bytes;       /* of the next trial; MISSING: it is limited in time */
    uint64_t duration_ns; /* then */
    uint64_t most_bytes;  /* of a probe */
    bool settled;         /* false: the next trial is only a probe */
};

/* The length of the first trial at a value. `config` is that of the search. */
struct length length_begin(const struct config *config);

/* Sets what ends the next trial. */
void length_apply(const struct length *length, struct config *config);

/* Learns from the trial that `length` was applied to: it moved `bytes` in `elapsed_ns`. */
void length_learn(struct length *length, uint64_t bytes, uint64_t elapsed_ns);

/* The trial that `length` was applied to did not end in time: the next one is shorter. Returns false when there is no
 * shorter one. */
bool length_shorten(struct length *length);

/* The time after which a trial of this search is given up: --timeout, or what it should take and some seconds. */
uint64_t length_limit_ns(const struct config *config);

#endif
