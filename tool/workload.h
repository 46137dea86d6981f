/*
 * workload.h: what a workload is: one struct of functions, called in this order on each end of a connection.
 *
 *   prepare   allocates and touches everything; nothing is timed yet
 *   step      moves at most `units` units (a unit is one chunk or one read); the only loop over the data path.
 *             A plain trial is one long step; a limit in time is steps until the clock says so.
 *   finish    what must happen after the last timestamp: digests, files, completions
 */
#ifndef TINYGRAM_WORKLOAD_H
#define TINYGRAM_WORKLOAD_H

#include <stdint.h>

struct sending;
struct receiving;

/* How a step ended. */
enum step {
    STEP_MORE,  /* `units` are done and there is more to do */
    STEP_WAIT,  /* a non-blocking receiver has nothing to read just now */
    STEP_END,   /* the workload is complete, or an interruption ended it in order */
    STEP_FAILED /* an error is kept */
};

/* As many units as there are. */
#define STEP_ALL UINT64_MAX

struct workload {
    const char *name;
    int (*send_prepare)(struct sending *sending);
    enum step (*send_step)(struct sending *sending, uint64_t units);
    int (*send_finish)(struct sending *sending);
    int (*receive_prepare)(struct receiving *receiving);
    enum step (*receive_step)(struct receiving *receiving, uint64_t units);
    int (*receive_finish)(struct receiving *receiving);
};

extern const struct workload workload_transfer;

#endif
