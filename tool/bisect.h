/*
 * bisect.h: the search for cliffs without any measuring: which value to try next, and what was found.
 *
 * What is searched is a list of spots: values in ascending order, each with the speeds of its trials. A value whose
 * trials fall into two groups that differ by more than a cliff has two modes: it is bistable, and no median speaks for
 * it. Two neighbours are a cliff only where each has one mode and the two differ by more than BISECT_RATIO.
 */
#ifndef TINYGRAM_BISECT_H
#define TINYGRAM_BISECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A difference that is called a cliff, between two values or between the modes of one. */
#define BISECT_RATIO 3.0

/* Neighbours this close are not parted again: two values with one mode each, and the edge of a bistable range. */
#define BISECT_CLOSE 1.01
#define BISECT_EDGE 1.1

/* The speeds of the trials at one value. */
struct modes {
    size_t count;      /* 0: no trial, 1, or 2: bistable */
    double slow, fast; /* median speed of each mode; the same with one mode; NaN without a trial */
    size_t slow_trials, fast_trials;
    double border; /* slower than this belongs to the slow mode; 0 with one mode */
    bool lone;     /* one trial alone differs by more than a cliff from all others: too few to be a mode */
};

/* The modes of `count` finite speeds above 0, which are sorted in place. */
struct modes modes_of(double *speed, size_t count);

struct spot {
    uint64_t value;
    struct modes modes;
};

/* The value that should be tried next between two of the spots, or 0 when none is left. Spots without a trial are
 * passed over. */
uint64_t bisect_next(const struct spot *spot, size_t count);

/* Where the speed changes: spots `left` and `right` have one mode each, and between them lie none or bistable ones. */
struct cliff_place {
    size_t left, right;
};

/* The cliffs, in ascending order, at most `room`. Returns how many. */
size_t bisect_cliffs(const struct spot *spot, size_t count, struct cliff_place *cliff, size_t room);

/* A range of bistable spots, `first` to `last`, without any other between them. */
struct bistable_place {
    size_t first, last;
};

/* The bistable ranges, in ascending order, at most `room`. Returns how many. */
size_t bisect_bistable(const struct spot *spot, size_t count, struct bistable_place *range, size_t room);

#endif
