/*
 * remedy.h: ONE table of what may remove a cliff: a change of the setting each, tried on the slow side.
 */
#ifndef TINYGRAM_REMEDY_H
#define TINYGRAM_REMEDY_H

#include "config.h"

enum remedy {
    REMEDY_QUICKACK,
    REMEDY_NODELAY,
    REMEDY_MSS,
    REMEDY_SNDBUF,
    REMEDY_RCVBUF,
    REMEDY_EARLY_RCVBUF,
    REMEDIES
};

/* As it stands in the result ("quickack"), and as a person reads it. */
const char *remedy_name(enum remedy remedy);
const char *remedy_words(enum remedy remedy);

/* Changes `config` and sets *value to the new value of its option. Returns NULL, or why it cannot be tried there, and
 * nothing is changed. */
const char *remedy_apply(enum remedy remedy, struct config *config, uint64_t *value);

#endif
