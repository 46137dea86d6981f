/*
 * cliff_findings.h: what a search has found: cliffs, and ranges of values with two modes.
 *
 * They follow from the points alone; why a cliff is there takes further trials (cliff_explain.h), which are kept here.
 */
#ifndef TINYGRAM_CLIFF_FINDINGS_H
#define TINYGRAM_CLIFF_FINDINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bisect.h"
#include "cliff_shots.h"
#include "evidence.h"
#include "remedy.h"
#include "search.h"

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

struct findings {
    struct cliff cliff[SEARCH_CLIFFS_MAX];
    size_t cliffs;
    struct bistable bistable[SEARCH_CLIFFS_MAX];
    size_t bistables;
};

/* Finds the cliffs, none of them explained, and the ranges. *findings refers to the trials of *search, to which none
 * may be added any more. Returns 0, or -1 with an error when there is no memory. */
int findings_gather(struct findings *findings, const struct search *search);

void findings_free(struct findings *findings);

#endif
