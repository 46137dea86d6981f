/* interrupt_test.c: a signal is noted, ends blocked calls of every thread, and the second one ends the process. Each
 * case is a process of its own: what is seen is never forgotten. */
#include "interrupt.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"
#include "sockets.h"

/* Runs `body` in a process of its own and returns its outcome as waitpid(2) says it. */
static int
in_a_process(void (*body)(void))
{
    int outcome = -1;
    pid_t child = fork();

    REQUIRE(child >= 0);
    if (child == 0) {
        alarm(30);
        body();
        _exit(check_end());
    }
    REQUIRE(waitpid(child, &outcome, 0) == child);
    return outcome;
}

static void
shuts_what_is_watched(void)
{
    int watched[2], released[2], later[2];
    char byte;

    interrupt_install();
    REQUIRE(connect_pair(AF_INET, NULL, NULL, watched) == 0 && connect_pair(AF_INET, NULL, NULL, released) == 0 &&
            connect_pair(AF_INET, NULL, NULL, later) == 0);
    CHECK(!interrupt_seen());
    CHECK(interrupt_watch(watched[0], SHUT_WR) == 0);
    CHECK(interrupt_watch(released[0], SHUT_WR) == 0);
    interrupt_unwatch(released[0]);
    raise(SIGTERM);
    CHECK(interrupt_seen());
    CHECK(read(watched[1], &byte, 1) == 0); /* the other end sees the end of the stream */
    CHECK(write(watched[0], "x", 1) == -1); /* and no SIGPIPE has killed us */
    CHECK(write(released[0], "x", 1) == 1); /* what is not watched any more is as it was */
    CHECK(interrupt_watch(later[0], SHUT_RD) == 0);
    CHECK(read(later[0], &byte, 1) == 0); /* too late to begin: shut at once */
}

static void *
read_forever(void *argument)
{
    char byte;
    CHECK(read(*(int *)argument, &byte, 1) == 0);
    return NULL;
}

static void
wakes_a_blocked_thread(void)
{
    pthread_t thread;
    int ends[2];

    interrupt_install();
    REQUIRE(connect_pair(AF_INET, NULL, NULL, ends) == 0);
    CHECK(interrupt_watch(ends[1], SHUT_RD) == 0);
    REQUIRE(pthread_create(&thread, NULL, read_forever, &ends[1]) == 0);
    kill(getpid(), SIGINT); /* whichever thread takes it */
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(interrupt_seen());
}

static void
ends_with_the_second(void)
{
    const struct timespec later = {.tv_nsec = 600000000};

    interrupt_install();
    raise(SIGINT);
    raise(SIGINT); /* at once: the same order, given twice */
    nanosleep(&later, NULL);
    raise(SIGINT);
    _exit(77); /* not reached */
}

/* A signal to the whole group reaches a child directly and from its parent, in any order: it is still the first. */
static void
counts_a_passed_on_signal_once(void)
{
    interrupt_install();
    interrupt_pass_on(getpid());
    CHECK(interrupt_seen());
    raise(SIGTERM);
    interrupt_pass_on(getpid());
}

static void
leaves_signals_to_the_parent(void)
{
    interrupt_install();
    interrupt_leave_to_parent();
    raise(SIGINT);
    raise(SIGTERM);
    CHECK(!interrupt_seen());
}

static void
watches_are_used_again(void)
{
    int ends[2];

    interrupt_install();
    REQUIRE(connect_pair(AF_UNIX, NULL, NULL, ends) == 0);
    for (int i = 0; i < 40000; i++) { /* more than there are places */
        if (!CHECK(interrupt_watch(ends[0], SHUT_WR) == 0))
            break;
        interrupt_unwatch(ends[0]);
    }
}

int
main(void)
{
    int outcome;

    CHECK_NUMBER(in_a_process(shuts_what_is_watched), 0);
    CHECK_NUMBER(in_a_process(wakes_a_blocked_thread), 0);
    outcome = in_a_process(ends_with_the_second);
    CHECK(WIFSIGNALED(outcome) && WTERMSIG(outcome) == SIGINT);
    CHECK_NUMBER(in_a_process(counts_a_passed_on_signal_once), 0);
    CHECK_NUMBER(in_a_process(leaves_signals_to_the_parent), 0);
    CHECK_NUMBER(in_a_process(watches_are_used_again), 0);
    return check_end();
}
