/* pace.c: see pace.h. _GNU_SOURCE for prctl(PR_SET_TIMERSLACK) and ppoll(). */
#define _GNU_SOURCE
#include "pace.h"

#include <math.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <time.h>

#include "clock.h"
#include "interrupt.h"

/* A sleep ends this long before the planned moment: longer than a wake-up takes. */
#define SPIN_NS (120 * NS_PER_US)

/* A long sleep is made of these: a signal that came just before one is seen after it. */
#define NAP_NS (250 * NS_PER_MS)

uint64_t
random_next(struct random *random)
{
    uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

double
random_unit(struct random *random)
{
    return (double)(random_next(random) >> 11) * 0x1p-53;
}

struct schedule
schedule_begin(enum schedule_kind kind, double per_second, uint64_t burst, uint64_t seed)
{
    return (struct schedule){.kind = kind, .interval_ns = 1e9 / per_second, .burst = burst, .random = {.state = seed}};
}

uint64_t
schedule_next(struct schedule *schedule)
{
    double planned_ns = schedule->at_ns;

    schedule->index++;
    switch (schedule->kind) {
    case SCHEDULE_CONSTANT: /* a product, so that no rounding adds up */
        schedule->at_ns = (double)schedule->index * schedule->interval_ns;
        break;
    case SCHEDULE_POISSON:
        schedule->at_ns -= log(1.0 - random_unit(&schedule->random)) * schedule->interval_ns;
        break;
    case SCHEDULE_BURST:
        schedule->at_ns = (double)(schedule->index - schedule->index % schedule->burst) * schedule->interval_ns;
        break;
    }
    return (uint64_t)planned_ns;
}

void
pace_prepare(void)
{
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
}

void
pace_until(uint64_t at_ns, bool spin)
{
    uint64_t now_ns = clock_now_ns();

    while (!spin && at_ns > now_ns + SPIN_NS && !interrupt_seen()) {
        uint64_t wake_ns = clock_earlier_ns(at_ns - SPIN_NS, now_ns + NAP_NS);
        struct timespec wake = {.tv_sec = (time_t)(wake_ns / NS_PER_S), .tv_nsec = (long)(wake_ns % NS_PER_S)};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &wake, NULL);
        now_ns = clock_now_ns();
    }
    while (now_ns < at_ns && !interrupt_seen()) {
        if (!spin)
            sched_yield(); /* both ends may share this CPU */
        now_ns = clock_now_ns();
    }
}

enum pace_end
pace_until_readable(int fd, uint64_t at_ns, bool spin)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};

    for (;;) {
        uint64_t now_ns = clock_now_ns();
        if (now_ns >= at_ns || interrupt_seen())
            return PACE_DUE;
        uint64_t nap_ns = spin || at_ns - now_ns < SPIN_NS ? 0 : clock_earlier_ns(at_ns - now_ns - SPIN_NS, NAP_NS);
        struct timespec nap = {.tv_nsec = (long)nap_ns};
        if (ppoll(&wait, 1, &nap, NULL) > 0)
            return (wait.revents & (POLLIN | POLLHUP)) != 0 ? PACE_READABLE : PACE_ERRORS;
        if (!spin)
            sched_yield();
    }
}
