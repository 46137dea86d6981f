/*
 * cliff_show.h: what a search found, for a person: a map of lines with bars, and a paragraph for each cliff.
 */
#ifndef TINYGRAM_CLIFF_SHOW_H
#define TINYGRAM_CLIFF_SHOW_H

#include "cliff_findings.h"
#include "search.h"

/* Prints to standard output. */
void cliff_show(const struct search *search, const struct findings *findings);

#endif
