/*
 * cliff_shots.h: all trials under one setting: how often it is tried, what each trial showed, and their modes.
 *
 * Every trial is kept, also one that failed. The first ones may be probes, which only tell how long the others should
 * be (length.h).
 */
#ifndef TINYGRAM_CLIFF_SHOTS_H
#define TINYGRAM_CLIFF_SHOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bisect.h"
#include "config.h"
#include "err.h"
#include "evidence.h"
#include "half.h"
#include "length.h"

/* One trial. */
struct shot {
    bool probe; /* it only told how long the others should be */
    enum status status;
    char error[ERR_TEXT_BYTES];
    struct evidence evidence; /* when status is STATUS_DONE */
};

/* All trials under one setting. */
struct shots {
    struct shot *shot;
    size_t count, room;
    size_t judged;        /* finished, and no probe */
    uint64_t spent_ns;    /* on all of them */
    struct length length; /* of the next trial, once `begun` */
    bool begun;
    unsigned shortened; /* how often a trial did not end in time and a shorter one was tried */
    struct modes modes;
    bool failed; /* a trial failed; no other was tried */
};

/* What was in effect at both ends, of the first trial that finished. */
struct ends {
    struct half sender, receiver;
    bool known;
};

/* A setting that is tried until `wanted` trials have finished, probes aside, or fewer where they take long. */
struct setting {
    struct config config; /* of a trial, but for its length */
    size_t wanted;
    struct shots *shots;
};

/* Runs one trial and keeps it, also one that failed. Returns 0, or -1 with an error when no other may follow: an
 * interruption, or no memory. */
int shots_take(struct shots *shots, const struct config *config, struct ends *ends);

/* Tries `count` settings in turns. Returns 0, or -1 with an error as shots_take(). */
int shots_take_turns(const struct setting *setting, size_t count, struct ends *ends);

/* The finished trial whose speed is nearest to `speed`, no probe; NULL when there is none. */
const struct evidence *shots_nearest(const struct shots *shots, double speed);

void shots_free(struct shots *shots);

#endif
