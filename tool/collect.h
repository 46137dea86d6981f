/*
 * collect.h: the receiver's account of a connection, as it comes back over the control connection.
 *
 * What it announces is held to what it was allowed: nothing is allocated from a number that a peer claims.
 */
#ifndef TINYGRAM_COLLECT_H
#define TINYGRAM_COLLECT_H

#include <stdint.h>

#include "control.h"
#include "trial.h"

struct collector {
    int control;
    struct wire_in *in;
    uint64_t events_max;  /* that a log may have */
    uint64_t deadline_ns; /* of the trial */
    uint64_t first_ns;    /* when the first account had come; MISSING before */
};

/* HALF, READS and SAMPLE of connection `index`. Returns 0, or -1 with an error. */
int collect_end(struct collector *from, struct end *end, uint64_t index);

#endif
