/*
 * arm.h: one arm of a comparison: a pair that works slice by slice, whenever it is its turn.
 *
 * A sender and a receiver in two fresh processes on one data connection, without a control connection: both come from
 * one command line, and whoever compares drives the sender through its standard input and output (turn.h). The sender
 * times each slice itself, from before its first call until the receiver has read the last byte (transfer) or the last
 * reply is there (exchange). Each slice of a transfer ends as a transfer does: what Nagle's algorithm or a cork holds
 * back is pushed out, which the FIN would do.
 */
#ifndef TINYGRAM_ARM_H
#define TINYGRAM_ARM_H

#include "config.h"
#include "err.h"

/* Takes turns until told to finish; then writes the result document of all its slices to standard output. */
enum status arm_main(const struct config *config);

#endif
