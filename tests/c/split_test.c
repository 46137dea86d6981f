/* split_test.c: the parts of a write lie between the right stamps and add up to its latency; merged writes, missing and
 * lost stamps, and stamps out of order are what they are. */
#include "split.h"

#include "check.h"
#include "clock.h"

#define ROOM 16
#define AHEAD UINT64_C(1700000000000000000) /* CLOCK_REALTIME against CLOCK_MONOTONIC */

static struct write_event writes[ROOM];
static struct read_event reads[ROOM];
static struct stamp stamps[3 * ROOM];
static struct split splits[ROOM];
static struct end sender, receiver;
static uint64_t merged, unordered;

static void
begin(void)
{
    sender = receiver = (struct end){.known = true};
    sender.events = (struct event_log){.capacity = ROOM, .stride = 1, .entry = writes};
    sender.stamps = (struct event_log){.capacity = (size_t)3 * ROOM, .stride = 1, .entry = stamps};
    receiver.events = (struct event_log){.capacity = ROOM, .stride = 1, .entry = reads};
}

static void
add_write(uint64_t offset, uint64_t before_ns, uint64_t after_ns)
{
    writes[sender.events.count++] = (struct write_event){offset, before_ns, after_ns};
}

static void
add_read(uint64_t offset, uint64_t kernel_ns, uint64_t after_ns)
{
    reads[receiver.events.count++] = (struct read_event){offset, after_ns, kernel_ns > 0 ? AHEAD + kernel_ns : 0};
}

static void
add_stamp(enum stamp_kind kind, uint64_t offset, uint64_t at_ns)
{
    stamps[sender.stamps.count++] = (struct stamp){kind, offset, AHEAD + at_ns};
}

/* The stamps of one segment. */
static void
add_segment(uint64_t offset, uint64_t sched_ns, uint64_t device_ns, uint64_t ack_ns)
{
    add_stamp(STAMP_SCHED, offset, sched_ns);
    add_stamp(STAMP_DEVICE, offset, device_ns);
    add_stamp(STAMP_ACK, offset, ack_ns);
}

static size_t
split(void)
{
    struct trial trial = {.same_clock = true,
                          .connections = 1,
                          .sender = &sender,
                          .receiver = &receiver,
                          .bridge = {{.ahead_ns = AHEAD}, {.ahead_ns = AHEAD}}};
    merged = unordered = 0;
    size_t count = split_writes(&trial, 0, splits, &merged, &unordered);
    for (size_t i = 0; i < count; i++) {
        uint64_t sum = 0;
        for (int part = 0; part < SPLIT_PARTS; part++)
            sum += splits[i].part[part];
        CHECK_NUMBER(sum, splits[i].latency_ns); /* whatever the stamps say */
    }
    return count;
}

static void
is_split(size_t index, size_t write, const uint64_t part[SPLIT_PARTS], uint64_t until_ack_ns)
{
    CHECK_NUMBER(splits[index].write, write);
    for (int i = 0; i < SPLIT_PARTS; i++)
        if (!CHECK_NUMBER(splits[index].part[i], part[i]))
            fprintf(stderr, "%s of write %zu\n", split_part_name((enum split_part)i), write);
    CHECK_NUMBER(splits[index].until_ack_ns, until_ack_ns);
}

/* A write that left inside its call, and one that was held after it. */
static void
parts(void)
{
    begin();
    add_write(100, 1000, 1500);
    add_segment(100, 1400, 1600, 9000);
    add_read(100, 1700, 2500);
    add_write(500, 3000, 3400);
    add_segment(500, 9100, 9200, 12000);
    add_read(500, 9300, 10000);
    CHECK_NUMBER(split(), 2);
    is_split(0, 0, (const uint64_t[]){400, 0, 200, 100, 800}, 8000);
    is_split(1, 1, (const uint64_t[]){400, 5700, 100, 100, 700}, 9000);
    CHECK_NUMBER(splits[1].handed_ns, 9100);
    CHECK(merged == 0 && unordered == 0);
}

/* Three writes in one segment, read at once: only the last has stamps, and they stand for all. */
static void
merging_is_counted(void)
{
    begin();
    add_write(10, 1000, 1010);
    add_write(20, 2000, 2010);
    add_write(30, 3000, 3010);
    add_segment(30, 4000, 4100, 5000);
    add_read(30, 4200, 4500);
    CHECK_NUMBER(split(), 3);
    CHECK(merged == 2 && unordered == 0);
    is_split(0, 0, (const uint64_t[]){10, 2990, 100, 100, 300}, 4000);
    is_split(1, 1, (const uint64_t[]){10, 1990, 100, 100, 300}, 3000);
    is_split(2, 2, (const uint64_t[]){10, 990, 100, 100, 300}, 2000);
}

/* The same logs, but the kernel is known to have thrown stamps away: nobody can tell merged from lost. */
static void
what_was_lost_is_not_merged(void)
{
    merging_is_counted();
    sender.stamps.lost = 1;
    CHECK_NUMBER(split(), 1);
    CHECK_NUMBER(merged, 0);
    CHECK_NUMBER(splits[0].write, 2);

    begin(); /* sched of one segment beside device of another: one of the stamps between was lost */
    add_write(10, 1000, 1010);
    add_write(20, 2000, 2010);
    add_stamp(STAMP_SCHED, 10, 1005);
    add_segment(20, 2005, 2006, 2500);
    add_read(10, 1100, 1200);
    add_read(20, 2100, 2200);
    CHECK_NUMBER(split(), 1);
    CHECK(splits[0].write == 1 && merged == 0 && unordered == 0);
}

static void
what_is_missing_is_left_out(void)
{
    begin();
    add_write(10, 1000, 1010);
    add_write(20, 2000, 2010);
    add_write(30, 3000, 3010);
    add_write(40, 4000, 4010);
    add_segment(10, 1005, 1006, 1500);
    add_stamp(STAMP_SCHED, 20, 2005);
    add_stamp(STAMP_DEVICE, 20, 2006); /* its ACK's stamp never came */
    add_stamp(STAMP_SCHED, 30, 3005);  /* nothing after this */
    add_read(10, 1100, 1200);
    add_read(20, 2100, 2200);
    add_read(30, 3100, 3200); /* and 40 was never read */
    CHECK_NUMBER(split(), 2);
    CHECK_NUMBER(splits[0].until_ack_ns, 500);
    CHECK_NUMBER(splits[1].until_ack_ns, MISSING);

    begin(); /* a read without a stamp of the kernel */
    add_write(10, 1000, 1010);
    add_segment(10, 1005, 1006, 1500);
    add_read(10, 0, 1200);
    CHECK_NUMBER(split(), 0);

    begin(); /* no stamps, no reads, nothing at all */
    add_write(10, 1000, 1010);
    add_read(10, 1100, 1200);
    CHECK_NUMBER(split(), 0);
    receiver.events.count = 0;
    add_segment(10, 1005, 1006, 1500);
    CHECK_NUMBER(split(), 0);
    sender.events.count = 0;
    CHECK_NUMBER(split(), 0);
}

/* Two clocks may disagree by some ns: no part is negative, and only what is beyond noise is counted. */
static void
disorder(void)
{
    begin();
    add_write(10, 1000, 3000);
    add_segment(10, 2000, 1500, 9000); /* device before sched, by noise */
    add_read(10, 2200, 5000);
    CHECK_NUMBER(split(), 1);
    CHECK_NUMBER(unordered, 0);
    is_split(0, 0, (const uint64_t[]){1000, 0, 0, 200, 2800}, 8000);

    begin();
    add_write(10, 10000, 12000);
    add_segment(10, 11000, 5000, 20000); /* device before the write */
    add_read(10, 13000, 15000);
    CHECK_NUMBER(split(), 1);
    CHECK_NUMBER(unordered, 1);
    is_split(0, 0, (const uint64_t[]){1000, 0, 0, 2000, 2000}, 10000);

    begin(); /* every stamp behind the read */
    add_write(10, 1000, 1100);
    add_segment(10, 50000, 51000, 52000);
    add_read(10, 53000, 2000);
    CHECK_NUMBER(split(), 1);
    CHECK_NUMBER(unordered, 1);
    is_split(0, 0, (const uint64_t[]){100, 900, 0, 0, 0}, 51000);

    begin(); /* an ACK before the write: 0, not a huge number */
    add_write(10, 1000, 1100);
    add_segment(10, 1050, 1060, 900);
    add_read(10, 1200, 1300);
    CHECK_NUMBER(split(), 1);
    CHECK_NUMBER(splits[0].until_ack_ns, 0);
}

/* Between the two readings of both clocks one was slewed: the middle is taken. */
static void
the_clocks_meet_in_the_middle(void)
{
    struct trial trial = {.bridge = {{.ahead_ns = AHEAD}, {.ahead_ns = AHEAD + 1000}}};
    CHECK_NUMBER(split_convert(&trial, AHEAD + 5000), 4500);
    trial.bridge[1].ahead_ns = AHEAD - 1000;
    CHECK_NUMBER(split_convert(&trial, AHEAD + 5000), 5500);
}

/* The parts of a kind are those of its own writes in the middle, and add up. */
static void
kinds_are_summed_up_apart(void)
{
    static const uint64_t holds[] = {44000000, 0, 5000, 43000000, 0, 45000000, 5001};
    struct split_typical typical[SPLIT_KINDS];

    split_sum_up(NULL, 0, typical);
    for (int kind = 0; kind < SPLIT_KINDS; kind++)
        CHECK(typical[kind].writes == 0 && typical[kind].latency_ns == 0);
    for (size_t i = 0; i < 7; i++) {
        uint64_t wait_ns = 1000 * (i + 1);
        splits[i] = (struct split){.part = {100, holds[i], 10, 20, wait_ns}, .latency_ns = 130 + holds[i] + wait_ns};
    }
    split_sum_up(splits, 7, typical);
    CHECK_NUMBER(typical[SPLIT_HELD].writes, 4); /* in the middle of four: two */
    CHECK_NUMBER(typical[SPLIT_HELD].part[SPLIT_HOLD], 43500000);
    CHECK_NUMBER(typical[SPLIT_HELD].part[SPLIT_WAIT_READ], 2500);
    CHECK_NUMBER(typical[SPLIT_NOT_HELD].writes, 3); /* of three: one */
    CHECK_NUMBER(typical[SPLIT_NOT_HELD].part[SPLIT_HOLD], 0);
    CHECK_NUMBER(typical[SPLIT_NOT_HELD].part[SPLIT_WAIT_READ], 5000);
    for (int kind = 0; kind < SPLIT_KINDS; kind++) {
        uint64_t sum_ns = 0;
        for (int part = 0; part < SPLIT_PARTS; part++)
            sum_ns += typical[kind].part[part];
        CHECK_NUMBER(sum_ns, typical[kind].latency_ns);
    }
    for (size_t i = 0; i < 5; i++) /* one kind only */
        splits[i] = (struct split){.part = {i, 0, 0, 0, 0}, .latency_ns = i};
    split_sum_up(splits, 5, typical);
    CHECK(typical[SPLIT_HELD].writes == 0 && typical[SPLIT_NOT_HELD].writes == 5);
    CHECK_NUMBER(typical[SPLIT_NOT_HELD].latency_ns, 2);
}

int
main(void)
{
    parts();
    merging_is_counted();
    what_was_lost_is_not_merged();
    what_is_missing_is_left_out();
    disorder();
    the_clocks_meet_in_the_middle();
    kinds_are_summed_up_apart();
    return check_end();
}
