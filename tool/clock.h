/*
 * clock.h: the one clock of all measurements, and the absolute deadlines on it.
 *
 * Every timestamp of a trial is CLOCK_MONOTONIC in nanoseconds. Two processes of one host share this clock,
 * so that a one-way latency is a plain difference. CLOCK_MONOTONIC_RAW was refused: it is slower where the
 * vDSO does not serve it, and the slewing of CLOCK_MONOTONIC (at most 500 ppm) is far below the noise.
 */
#ifndef TINYGRAM_CLOCK_H
#define TINYGRAM_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

/* A value that could not be had. It is written as null, never as 0. */
#define MISSING UINT64_MAX

/* The present moment on CLOCK_MONOTONIC in nanoseconds. */
static inline uint64_t
clock_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* The moment `after_ns` from now; saturates instead of wrapping. */
static inline uint64_t
clock_deadline_ns(uint64_t after_ns)
{
    uint64_t now_ns = clock_now_ns();
    return after_ns > UINT64_MAX - now_ns ? UINT64_MAX : now_ns + after_ns;
}

/* Milliseconds until `deadline_ns`, rounded up, for poll(2): 0 when it has passed, at most one minute at a time. */
static inline int
clock_poll_ms(uint64_t deadline_ns)
{
    uint64_t now_ns = clock_now_ns();
    if (now_ns >= deadline_ns)
        return 0;
    uint64_t left_ms = (deadline_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS;
    return left_ms > 60000 ? 60000 : (int)left_ms;
}

/* The earlier of two moments. */
static inline uint64_t
clock_earlier_ns(uint64_t a_ns, uint64_t b_ns)
{
    return a_ns < b_ns ? a_ns : b_ns;
}

#endif
