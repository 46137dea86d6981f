/*
 * slices.h: `tinygram slices`: two arms that take turns, slice by slice: one invocation of a comparison.
 *
 * Whatever disturbs the machine disturbs both arms alike, because they work a millisecond apart and never at the same
 * time. Which of the two begins a pair of slices is balanced and shuffled. What comes out is raw: the time of every
 * slice; the statistics are made elsewhere.
 */
#ifndef TINYGRAM_SLICES_H
#define TINYGRAM_SLICES_H

#include "config.h"
#include "err.h"

enum status slices_main(const struct config *config);

#endif
