/* options.h: `tinygram options`: every socket option, its range, and what this kernel does with it. */
#ifndef TINYGRAM_OPTIONS_H
#define TINYGRAM_OPTIONS_H

#include "config.h"
#include "err.h"

enum status options_main(const struct config *config);

#endif
