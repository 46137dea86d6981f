/*
 * cliff_explain.h: why a cliff is there: its slow side tried with each remedy, and once more with a closer look.
 */
#ifndef TINYGRAM_CLIFF_EXPLAIN_H
#define TINYGRAM_CLIFF_EXPLAIN_H

#include "cliff_findings.h"
#include "search.h"

/* Explains the cliffs, the steepest one first and in any case, the others while the budget lasts. Returns 0, or -1 with
 * an error; what was found until then stands in *findings either way. */
int cliff_explain(struct findings *findings, struct search *search);

#endif
