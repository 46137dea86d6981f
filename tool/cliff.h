/*
 * cliff.h: `tinygram cliff --factor sndbuf`: where does goodput or latency jump, why, and what removes it?
 */
#ifndef TINYGRAM_CLIFF_H
#define TINYGRAM_CLIFF_H

#include "config.h"
#include "err.h"

enum status cliff_main(const struct config *config);

#endif
