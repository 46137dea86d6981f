/* stamps_test.c: on a real TCP connection over loopback the kernel's stamps come with the offsets of the bytes that
 * were sent, in order of time, between our own readings of the clock. */
#include "stamps.h"

#include <poll.h>

#include "check.h"
#include "clock.h"
#include "pace.h"
#include "sockets.h"

#define ROOM 256

/* Our clock against the kernel's: what NTP may do to one of them meanwhile, generously. */
#define CLOCKS_NS (200 * NS_PER_US)

static struct event_log log_;
static int ends[2];

static void
begin(int family)
{
    static const struct sockopt_values nodelay = {.of = {[SOCKOPT_NODELAY] = {.known = true, .number = 1}}};

    REQUIRE(connect_pair(family, &nodelay, NULL, ends) == 0);
    REQUIRE(stamps_enable_sending(ends[0]) == 0);
    REQUIRE(stamps_enable_receiving(ends[1]) == 0);
    REQUIRE(event_log_prepare(&log_, sizeof(struct stamp), ROOM, ROOM) == 0);
}

static void
end(void)
{
    event_log_free(&log_);
    close_pair(ends);
}

static const struct stamp *
find(enum stamp_kind kind, uint64_t offset)
{
    const struct stamp *stamps = log_.entry;

    for (size_t i = 0; i < log_.count; i++)
        if (stamps[i].kind == kind && stamps[i].offset == offset)
            return &stamps[i];
    return NULL;
}

static void
is_between(uint64_t real_ns, uint64_t from_ns, uint64_t to_ns, const struct clock_bridge *bridge)
{
    uint64_t at_ns = real_ns - bridge->ahead_ns;
    if (!CHECK(at_ns + CLOCKS_NS >= from_ns && at_ns <= to_ns + CLOCKS_NS))
        fprintf(stderr, "%" PRIu64 " is not in %" PRIu64 " .. %" PRIu64 "\n", at_ns, from_ns, to_ns);
}

/* Writes of 100, 1 and 3000 bytes, each read before the next: three stamps each, and one at the reader. */
static void
every_write_has_its_stamps(int family)
{
    static const size_t lengths[] = {100, 1, 3000};
    static char data[3000];
    struct clock_bridge bridge = clock_bridge_read();
    uint64_t offset = 0;

    begin(family);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        uint64_t kernel_ns = 0;
        uint64_t before_ns = clock_now_ns();
        REQUIRE(write(ends[0], data, lengths[i]) == (ssize_t)lengths[i]);
        for (size_t got = 0; got < lengths[i];) {
            ssize_t part = stamps_read(ends[1], data, lengths[i] - got, &kernel_ns);
            REQUIRE(part > 0);
            got += (size_t)part;
        }
        uint64_t read_ns = clock_now_ns();
        offset += lengths[i];
        stamps_collect_to_end(ends[0], &log_, offset, clock_deadline_ns(5 * NS_PER_S));
        uint64_t end_ns = clock_now_ns();
        is_between(kernel_ns, before_ns, read_ns, &bridge);
        uint64_t last_ns = 0;
        for (int kind = STAMP_SCHED; kind <= STAMP_ACK; kind++) {
            const struct stamp *stamp = find((enum stamp_kind)kind, offset);
            if (!CHECK(stamp != NULL))
                continue;
            is_between(stamp->realtime_ns, before_ns, end_ns, &bridge);
            CHECK(stamp->realtime_ns >= last_ns); /* handed over, sent, acknowledged: in this order */
            last_ns = stamp->realtime_ns;
        }
    }
    CHECK_NUMBER(log_.count, 9);
    CHECK_NUMBER(log_.dropped, 0);
    end();
}

/* Bytes that were corked together leave in one segment: the last write's stamp stands for both. */
static void
merged_writes_share_one(void)
{
    char byte[100] = {0};

    begin(AF_INET);
    REQUIRE(send(ends[0], byte, 60, MSG_MORE) == 60);
    REQUIRE(send(ends[0], byte, 40, 0) == 40);
    stamps_collect_to_end(ends[0], &log_, 100, clock_deadline_ns(5 * NS_PER_S));
    CHECK(find(STAMP_SCHED, 60) == NULL);
    CHECK(find(STAMP_SCHED, 100) != NULL && find(STAMP_DEVICE, 100) != NULL && find(STAMP_ACK, 100) != NULL);
    CHECK_NUMBER(log_.count, 3);
    end();
}

/* The wire counts in 32 bits: the offset goes on from the last one, across 4 GiB and a little back. */
static void
offsets_unwrap(void)
{
    static const struct {
        uint64_t last, wanted;
    } cases[] = {{0, 100},
                 {2000, 100}, /* an ACK that came after a later segment's stamp */
                 {(UINT64_C(1) << 32) - 50, (UINT64_C(1) << 32) + 100},
                 {(UINT64_C(1) << 32) + 2000, (UINT64_C(1) << 32) + 100},
                 {(UINT64_C(7) << 32) - 1, (UINT64_C(7) << 32) + 100},
                 {UINT64_C(1) << 31, 100}};
    char byte[100] = {0};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin(AF_INET);
        struct stamp *last = event_log_next(&log_);
        *last = (struct stamp){.kind = STAMP_DEVICE, .offset = cases[i].last};
        REQUIRE(write(ends[0], byte, sizeof byte) == sizeof byte);
        stamps_collect_to_end(ends[0], &log_, cases[i].wanted, clock_deadline_ns(5 * NS_PER_S));
        if (!CHECK(find(STAMP_SCHED, cases[i].wanted) != NULL && find(STAMP_ACK, cases[i].wanted) != NULL))
            fprintf(stderr, "after %" PRIu64 " came %" PRIu64 "\n", cases[i].last,
                    ((const struct stamp *)log_.entry)[1].offset);
        end();
    }
}

static void
what_does_not_fit_is_counted(void)
{
    char byte[10] = {0};

    begin(AF_INET);
    log_.capacity = 2;
    REQUIRE(write(ends[0], byte, sizeof byte) == sizeof byte);
    struct pollfd wait = {.fd = ends[1], .events = POLLIN};
    REQUIRE(poll(&wait, 1, 5000) == 1);
    stamps_collect_to_end(ends[0], &log_, 10, clock_deadline_ns(5 * NS_PER_S));
    CHECK_NUMBER(log_.count, 2);
    CHECK_NUMBER(log_.dropped, 1);
    log_.capacity = ROOM;
    end();
}

/* Without stamps the reading is an ordinary one, and the collecting ends at its deadline. */
static void
without_stamps_there_are_none(void)
{
    char byte[10] = {0};
    uint64_t kernel_ns = 1;

    REQUIRE(connect_pair(AF_INET, NULL, NULL, ends) == 0);
    REQUIRE(event_log_prepare(&log_, sizeof(struct stamp), ROOM, ROOM) == 0);
    REQUIRE(write(ends[0], byte, sizeof byte) == sizeof byte);
    CHECK(stamps_read(ends[1], byte, sizeof byte, &kernel_ns) == sizeof byte);
    CHECK_NUMBER(kernel_ns, 0);
    uint64_t began_ns = clock_now_ns();
    stamps_collect_to_end(ends[0], &log_, 10, clock_deadline_ns(20 * NS_PER_MS));
    CHECK(clock_now_ns() - began_ns >= 20 * NS_PER_MS);
    CHECK_NUMBER(log_.count, 0);
    shutdown(ends[0], SHUT_WR);
    CHECK(stamps_read(ends[1], byte, sizeof byte, &kernel_ns) == 0);
    end();
}

/* Stamps that wait end a wait for the socket at once; taken away, they do not, and the moment or a byte ends it. */
static void
a_wait_is_not_a_busy_one(void)
{
    char byte[10] = {0};

    begin(AF_INET);
    CHECK(pace_until_readable(ends[0], 0, false) == PACE_DUE);
    REQUIRE(write(ends[0], byte, sizeof byte) == sizeof byte);
    uint64_t began_ns = clock_now_ns();
    for (int spin = 0; spin < 2; spin++)
        CHECK(pace_until_readable(ends[0], began_ns + 60 * NS_PER_S, spin == 1) == PACE_ERRORS);
    stamps_collect_to_end(ends[0], &log_, 10, clock_deadline_ns(5 * NS_PER_S));
    uint64_t at_ns = clock_now_ns() + 5 * NS_PER_MS;
    CHECK(pace_until_readable(ends[0], at_ns, false) == PACE_DUE);
    CHECK(clock_now_ns() >= at_ns);
    REQUIRE(write(ends[1], byte, sizeof byte) == sizeof byte);
    CHECK(pace_until_readable(ends[0], began_ns + 60 * NS_PER_S, false) == PACE_READABLE);
    end();
}

static void
the_bridge_knows_its_error(void)
{
    struct timespec real;
    struct clock_bridge bridge = clock_bridge_read();

    uint64_t before_ns = clock_now_ns();
    clock_gettime(CLOCK_REALTIME, &real);
    uint64_t after_ns = clock_now_ns();
    uint64_t converted_ns = (uint64_t)real.tv_sec * NS_PER_S + (uint64_t)real.tv_nsec - bridge.ahead_ns;
    CHECK(bridge.error_ns < 100 * NS_PER_US); /* the best of several readings */
    is_between(converted_ns + bridge.ahead_ns, before_ns, after_ns, &bridge);
}

int
main(void)
{
    every_write_has_its_stamps(AF_INET);
    every_write_has_its_stamps(AF_INET6);
    merged_writes_share_one();
    offsets_unwrap();
    what_does_not_fit_is_counted();
    without_stamps_there_are_none();
    a_wait_is_not_a_busy_one();
    the_bridge_knows_its_error();
    return check_end();
}
