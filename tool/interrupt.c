/* interrupt.c: see interrupt.h. */
#include "interrupt.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <time.h>

#include "err.h"

#define WATCHED_MAX 16384

/* A signal that follows the first within this time is the same order, given to the process and to its group. */
#define TWICE_MS 300

/* A slot holds 0 (free) or descriptor x 4 + direction + 1. */
static atomic_int watched[WATCHED_MAX];
static atomic_int watched_end; /* no slot at or above it was ever used */
static volatile sig_atomic_t seen;
static volatile int64_t came_ms;   /* when, on CLOCK_MONOTONIC */
static volatile sig_atomic_t came; /* a signal that was not passed on by a parent */

static void
handle(int signal_number)
{
    int saved = errno;
    int end = atomic_load(&watched_end);

    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    /* A second signal ends the process as if there were no handler; but one that comes at once is the same order given
     * twice: to the process and to its group, as timeout(1) does. */
    if (came && signal_number != SIGUSR1 && ms - came_ms > TWICE_MS) {
        signal(signal_number, SIG_DFL);
        raise(signal_number);
    }
    if (!came && signal_number != SIGUSR1) {
        came = 1;
        came_ms = ms;
    }
    seen = 1;
    for (int i = 0; i < end; i++) {
        int slot = atomic_load(&watched[i]);
        if (slot != 0)
            shutdown((slot - 1) / 4, (slot - 1) % 4);
    }
    errno = saved;
}

void
interrupt_install(void)
{
    struct sigaction action = {.sa_handler = handle};
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGINT);
    sigaddset(&action.sa_mask, SIGTERM);
    sigaddset(&action.sa_mask, SIGHUP);
    sigaddset(&action.sa_mask, SIGUSR1);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    sigemptyset(&ignore.sa_mask);
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGXFSZ, &ignore, NULL); /* a file that may not grow is a failed write, which is told */
}

void
interrupt_pass_on(pid_t process)
{
    kill(process, SIGUSR1);
}

void
interrupt_leave_to_parent(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    sigemptyset(&ignore.sa_mask);
    sigaction(SIGINT, &ignore, NULL);
    sigaction(SIGTERM, &ignore, NULL);
    sigaction(SIGHUP, &ignore, NULL);
}

bool
interrupt_seen(void)
{
    return seen != 0;
}

int
interrupt_watch(int fd, int how)
{
    int slot = fd * 4 + how + 1;

    for (int i = 0; i < WATCHED_MAX; i++) {
        int free_slot = 0;
        if (!atomic_compare_exchange_strong(&watched[i], &free_slot, slot))
            continue;
        int end = atomic_load(&watched_end);
        while (end <= i && !atomic_compare_exchange_weak(&watched_end, &end, i + 1))
            ;
        if (seen)
            shutdown(fd, how);
        return 0;
    }
    return err_set(STATUS_REFUSED, "more than %d connections at once; use fewer", WATCHED_MAX);
}

void
interrupt_unwatch(int fd)
{
    int end = atomic_load(&watched_end);

    for (int i = 0; i < end; i++) {
        int slot = atomic_load(&watched[i]);
        if (slot != 0 && (slot - 1) / 4 == fd)
            atomic_store(&watched[i], 0);
    }
}
