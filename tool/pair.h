/*
 * pair.h: `tinygram pair`: both ends on this host, one joint result.
 */
#ifndef TINYGRAM_PAIR_H
#define TINYGRAM_PAIR_H

#include "config.h"
#include "err.h"

/* Forks a receiver, sends to it, reaps it. Returns the exit status; errors were printed. */
enum status pair_main(const struct config *config);

#endif
