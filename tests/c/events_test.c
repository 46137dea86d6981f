/* events_test.c: what fits is kept in order, what does not is counted, and nothing is written beyond the room. */
#include "events.h"

#include <sys/wait.h>

#include "check.h"
#include "sockets.h"

static void
keeps_in_order_and_counts_the_rest(void)
{
    struct event_log log;

    REQUIRE(event_log_prepare(&log, sizeof(struct write_event), 5, 5) == 0);
    for (uint64_t i = 0; i < 8; i++)
        event_log_write(&log, 100 * (i + 1), 10 * i, 10 * i + 3);
    CHECK_NUMBER(log.count, 5);
    CHECK_NUMBER(log.seen, 8);
    CHECK_NUMBER(log.dropped, 3);
    const struct write_event *events = log.entry;
    for (uint64_t i = 0; i < 5; i++) {
        CHECK_NUMBER(events[i].offset, 100 * (i + 1));
        CHECK_NUMBER(events[i].before_ns, 10 * i);
        CHECK_NUMBER(events[i].after_ns, 10 * i + 3);
    }
    event_log_free(&log);
    CHECK(log.entry == NULL);
    event_log_free(&log); /* twice is once */
}

static void
keeps_every_stride_th(void)
{
    struct event_log log;

    REQUIRE(event_log_prepare(&log, sizeof(struct read_event), 4, 0) == 0);
    log.stride = 3;
    for (uint64_t i = 0; i < 15; i++)
        event_log_read(&log, (struct read_event){.offset = i, .after_ns = i});
    const struct read_event *events = log.entry;
    CHECK_NUMBER(log.count, 4);
    CHECK_NUMBER(log.dropped, 1); /* the fifth of every third; the others were not to be kept */
    for (uint64_t i = 0; i < 4; i++)
        CHECK_NUMBER(events[i].offset, 3 * i);
    event_log_free(&log);
}

static void
off_is_off(void)
{
    struct event_log log;

    REQUIRE(event_log_prepare(&log, sizeof(struct read_event), 0, 100) == 0);
    for (uint64_t i = 0; i < 10; i++)
        event_log_read(&log, (struct read_event){.offset = i, .after_ns = i});
    CHECK_NUMBER(log.count, 0);
    CHECK_NUMBER(log.dropped, 0); /* nobody asked for them */
    event_log_free(&log);
}

static void
too_much_is_refused(void)
{
    struct event_log log;

    CHECK(event_log_prepare(&log, sizeof(struct write_event), SIZE_MAX / 2, 0) == -1);
    CHECK_ERROR(STATUS_USAGE, "does not fit into memory");
    CHECK(event_log_prepare(&log, sizeof(struct write_event), SIZE_MAX / sizeof(struct write_event), 0) == -1);
    CHECK_ERROR(STATUS_REFUSED, "lower --events-max");
    event_log_free(&log);
}

static void
a_forked_worker_fills_it_for_its_parent(void)
{
    struct event_log log;
    int outcome;

    REQUIRE(event_log_prepare(&log, sizeof(struct read_event), 10, 10) == 0);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        event_log_read(&log, (struct read_event){.offset = 4711, .after_ns = 42});
        _exit(0);
    }
    REQUIRE(waitpid(child, &outcome, 0) == child);
    CHECK_NUMBER(((const struct read_event *)log.entry)[0].offset, 4711);
    event_log_free(&log);
}

static void
takes_samples(void)
{
    struct event_log log;
    int ends[2];

    REQUIRE(connect_pair(AF_INET, NULL, NULL, ends) == 0);
    REQUIRE(event_log_prepare(&log, sizeof(struct sample), 2, 2) == 0);
    for (uint64_t i = 1; i <= 3; i++)
        event_log_sample(&log, ends[0], 1000 * i, 5 * i);
    CHECK_NUMBER(log.count, 2);
    CHECK_NUMBER(log.dropped, 1);
    const struct sample *samples = log.entry;
    CHECK(samples[1].info.known && tcpinfo_get(&samples[1].info, "state") == 1);
    CHECK_NUMBER(samples[1].offset, 2000);
    CHECK_NUMBER(samples[1].at_ns, 10);
    event_log_free(&log);
    close_pair(ends);
}

int
main(void)
{
    keeps_in_order_and_counts_the_rest();
    keeps_every_stride_th();
    off_is_off();
    too_much_is_refused();
    a_forked_worker_fills_it_for_its_parent();
    takes_samples();
    return check_end();
}
