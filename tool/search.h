/*
 * search.h: the measuring half of a search for cliffs: which values of a factor are tried, and how often.
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
#include "cliff_shots.h"
#include "config.h"

/* More values than this are not tried in one search. */
#define SEARCH_POINTS_MAX 192
#define SEARCH_CLIFFS_MAX 16

/* A value of the factor. */
struct point {
    uint64_t value;
    struct shots shots;
    unsigned rounds; /* how often it was tried: more than once beside a cliff, or when one trial stood alone */
};

struct search {
    struct config config; /* of every trial, but for the factor's value and the length */
    bool latency;         /* the speed is the inverse of a latency */
    uint64_t from, to;
    struct timespec started;
    uint64_t stop_ns;                      /* when the budget ends, or MISSING */
    struct point point[SEARCH_POINTS_MAX]; /* by value */
    size_t points;
    bool truncated; /* it stopped at SEARCH_POINTS_MAX values or at the end of its budget */
    struct ends ends;
};

/* Chooses the range. Returns 0, or -1 with STATUS_USAGE. */
int search_prepare(struct search *search, const struct config *config);

/* Tries values. Returns 0, or -1 with an error; what was found until then stands in *search either way. */
int search_run(struct search *search);

/* The configuration of a trial at a value, but for its length. */
struct config search_config_at(const struct search *search, uint64_t value);

/* What bisect.h needs to know of the points; returns how many there are. */
size_t search_spots(const struct search *search, struct spot spot[SEARCH_POINTS_MAX]);

/* Whether the budget is spent; notes that something will be missing. */
bool search_is_over(struct search *search);

void search_free(struct search *search);

#endif
