/*
 * search.h: the measuring half of a search for cliffs: trials, their repeats, and the remedies that are tried.
 *
 * Two values an octave first; then bisection (bisect.h) between neighbours that differ. The sides of each cliff are
 * tried again in turns, so that a value with two modes is not taken for a cliff. Nothing about any machine is known in
 * advance, and every trial is kept.
 */
#ifndef TINYGRAM_SEARCH_H
#define TINYGRAM_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "bisect.h"
#include "config.h"
#include "err.h"
#include "evidence.h"
#include "half.h"
#include "length.h"
#include "remedy.h"

/* More values than this are not tried in one search. */
#define SEARCH_POINTS_MAX 192
#define SEARCH_CLIFFS_MAX 16

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

/* A value of the factor. */
struct point {
    uint64_t value;
    struct shots shots;
    unsigned rounds; /* how often it was tried: more than once beside a cliff, or when one trial stood alone */
};

/* A remedy on the slow side of a cliff. */
struct tried {
    const char *why_not; /* NULL: it was tried */
    uint64_t value;      /* of its option */
    struct shots after;
    bool removes; /* the slow side is then less than a cliff below the fast one */
    bool helps;   /* it is at least three times as fast as without */
};

/* Two values with one mode each that differ by more than a cliff, and what explains it. */
struct cliff {
    struct cliff_place place;
    size_t slow, fast;   /* points */
    struct shots before; /* of the slow side, in turns with the remedies */
    struct tried tried[REMEDIES];
    struct shots examined; /* of the slow side, with kernel timestamps where there are some */
    enum mechanism mechanism;
    const struct evidence *evidence, *other; /* a slow trial on which the mechanism rests, and a fast one; or NULL */
    bool explained;                          /* false: the search ended before */
};

/* A range of bistable values. Its middle one is examined. */
struct bistable {
    struct bistable_place place;
    double slow, fast; /* medians of the modes, over all its values */
    size_t slow_trials, fast_trials;
    enum mechanism mechanism;
    const struct evidence *evidence, *other;
};

struct search {
    struct config config; /* of every trial, but for the factor's value and the length */
    bool latency;         /* the speed is the inverse of a latency */
    uint64_t from, to;
    struct timespec started;
    uint64_t stop_ns;                      /* when the budget ends, or MISSING */
    struct point point[SEARCH_POINTS_MAX]; /* by value */
    size_t points;
    struct cliff cliff[SEARCH_CLIFFS_MAX];
    size_t cliffs;
    struct bistable bistable[SEARCH_CLIFFS_MAX];
    size_t bistables;
    bool truncated; /* it stopped at SEARCH_POINTS_MAX values or at the end of its budget */

    /* Of the first trial that finished. */
    struct half sender, receiver;
    bool known;
};

/* Chooses the range. Returns 0, or -1 with STATUS_USAGE. */
int search_prepare(struct search *search, const struct config *config);

/* Searches. Returns 0, or -1 with an error; what was found until then stands in *search either way. */
int search_run(struct search *search);

void search_free(struct search *search);

#endif
