/*
 * pair.h: `tinygram pair`: both ends on this host, one joint result.
 */
#ifndef TINYGRAM_PAIR_H
#define TINYGRAM_PAIR_H

#include "config.h"
#include "err.h"

/* Forks a receiver, sends to it, reaps it. Returns the exit status; errors were printed. */
struct outcome;

/* Runs one pair and gives the outcome in memory; prints nothing. */
void pair_measure(const struct config *config, struct outcome *outcome);

/* The subcommand `pair`. */
enum status pair_main(const struct config *config);

#endif
