/*
 * pace.h: when things should happen: seeded schedules, and waiting until a planned moment.
 */
#ifndef TINYGRAM_PACE_H
#define TINYGRAM_PACE_H

#include <stdbool.h>
#include <stdint.h>

/* Seeded pseudo-random numbers (SplitMix64; Steele, Lea, Flood 2014). */
struct random {
    uint64_t state;
};

/* The next 64 bits. */
uint64_t random_next(struct random *random);

/* A number in [0, 1) with 53 random bits. */
double random_unit(struct random *random);

enum schedule_kind {
    SCHEDULE_CONSTANT, /* one every 1 / rate */
    SCHEDULE_POISSON,  /* independent, exponentially distributed gaps of mean 1 / rate */
    SCHEDULE_BURST     /* `burst` at once, then a gap that keeps the rate */
};

/* An endless list of planned moments, in ns from the beginning. */
struct schedule {
    enum schedule_kind kind;
    double interval_ns; /* mean gap */
    uint64_t burst;
    uint64_t index;
    double at_ns;
    struct random random;
};

struct schedule schedule_begin(enum schedule_kind kind, double per_second, uint64_t burst, uint64_t seed);

/* The next planned moment, in ns from the beginning; the first is 0. */
uint64_t schedule_next(struct schedule *schedule);

/* Returns at `at_ns` on CLOCK_MONOTONIC or as soon after as possible: sleeps until shortly before (not when `spin`),
 * then spins, offering the CPU to others. Returns early when a signal came. */
void pace_until(uint64_t at_ns, bool spin);

/* Why a wait for a socket ended. */
enum pace_end {
    PACE_DUE,      /* the moment came, or a signal */
    PACE_READABLE, /* there is something to be read, or the connection has ended */
    PACE_ERRORS    /* something waits on the error queue; until it is taken away every wait ends at once */
};

/* The same, but also returns as soon as `fd` has something to be read, has ended, or has something on its error
 * queue. */
enum pace_end pace_until_readable(int fd, uint64_t at_ns, bool spin);

/* Makes sleeps of this thread precise: the kernel may otherwise let them last 50 us longer. */
void pace_prepare(void);

#endif
