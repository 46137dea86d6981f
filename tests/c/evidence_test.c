/* evidence_test.c: standstills of an invented trial, and the mechanism that numbers prove, whatever was varied. */
#include "evidence.h"

#include "check.h"
#include "clock.h"
#include "config.h"
#include "workload.h"

#define MS NS_PER_MS

static const struct helped nothing = {false, false, false};

/* A slow trial that stood still on `timer_ns` nearly all the time. */
static struct evidence
standing(uint64_t timer_ns)
{
    return (struct evidence){.speed = 1e6,
                             .bytes = 1000000,
                             .elapsed_ns = 1000 * MS,
                             .latency_ns = MISSING,
                             .late_ns = MISSING,
                             .standstills = 20,
                             .standstill_ns = 950 * MS,
                             .standstill_median_ns = timer_ns,
                             .between_bytes = 32768,
                             .held_ns = MISSING,
                             .acknowledged_ns = MISSING,
                             .stalls = 20,
                             .chief = STALL_SEND_BUFFER,
                             .segments = 30,
                             .retransmits = 0,
                             .segment_bytes = 32768,
                             .snd_mss = 65483,
                             .window_bytes = 600000,
                             .window_limited_ns = 0,
                             .blocked_ns = 950 * MS,
                             .cpu_ns = 10 * MS};
}

static void
check_name(const struct evidence *slow, const struct helped *helped, const char *name)
{
    CHECK_TEXT(mechanism_name(evidence_judge(slow, helped)), name);
}

static void
test_standstills_are_judged(void)
{
    struct evidence slow = standing(44 * MS);

    check_name(&slow, &(struct helped){.quickack = true}, "delayed_ack");
    check_name(&slow, &nothing, "delayed_ack");
    slow.chief = STALL_UNKNOWN;
    check_name(&slow, &nothing, "standstill");
    check_name(&slow, &(struct helped){.nodelay = true}, "nagle_delayed_ack");
    slow.held_ns = 44 * MS;
    check_name(&slow, &(struct helped){.nodelay = true, .quickack = true}, "nagle_delayed_ack");
    slow.held_ns = 3000; /* TCP sent everything at once: Nagle held nothing */
    check_name(&slow, &(struct helped){.nodelay = true, .quickack = true}, "delayed_ack");
    slow = standing(207 * MS);
    check_name(&slow, &nothing, "standstill");
    slow.retransmits = 3;
    check_name(&slow, &nothing, "retransmission");
    check_name(&slow, &(struct helped){.early_rcvbuf = true}, "rcvbuf_too_late");
    slow.window_limited_ns = 900 * MS;
    check_name(&slow, &nothing, "window");
    check_name(&slow, &(struct helped){.early_rcvbuf = true, .nodelay = true}, "rcvbuf_too_late");
}

static void
test_what_moves_all_the_time_is_judged(void)
{
    struct evidence slow = standing(44 * MS);

    slow.standstills = slow.standstill_ns = slow.stalls = 0;
    check_name(&slow, &nothing, "unknown");
    slow.cpu_ns = 900 * MS;
    check_name(&slow, &nothing, "work");
    check_name(&slow, &(struct helped){.nodelay = true}, "nagle");
    slow.latency_ns = 5 * MS;
    slow.late_ns = 4 * MS;
    check_name(&slow, &nothing, "queue");
    slow.elapsed_ns = slow.standstill_ns = MISSING;
    slow.late_ns = MISSING;
    check_name(&slow, &nothing, "unknown");
}

static void
test_it_is_told_in_sentences(void)
{
    char text[EVIDENCE_LINES][EVIDENCE_TEXT_BYTES];
    struct evidence slow = standing(44 * MS), fast = slow;

    slow.held_ns = 3000;
    slow.acknowledged_ns = 44 * MS;
    slow.window_limited_ns = 500 * MS;
    slow.retransmits = 2;
    size_t lines = evidence_tell(&slow, &fast, text);
    CHECK_NUMBER(lines, 7);
    CHECK_TEXT(text[0], "nothing arrived for 95 % of the time although bytes were under way: 20 standstills of 44.0 ms "
                        "(median)");
    CHECK_TEXT(text[1], "between two standstills 32 KiB arrived, in segments of 32 KiB on average (MSS 63.9 KiB)");
    CHECK_TEXT(text[4], "2 of 30 segments were sent again");
}

/* Writes at 0 ms and 100 ms, read at 45 ms and 101 ms: one standstill, and a pause that is none. */
static void
test_standstills_are_found(void)
{
    struct write_event writes[] = {{1000, MS, 2 * MS}, {2000, 100 * MS, 101 * MS}, {3000, 101 * MS, 102 * MS}};
    struct read_event reads[] = {{1000, 45 * MS, 0}, {2000, 102 * MS, 0}, {3000, 150 * MS, 0}};
    struct config config = {.workload = WORKLOAD_TRANSFER};
    struct end sender = {.known = true, .half = half_empty(), .events = {.count = 3, .entry = writes}};
    struct end receiver = {.known = true, .half = half_empty(), .events = {.count = 3, .entry = reads}};
    struct trial trial = {
        .config = &config, .connections = 1, .sender = &sender, .receiver = &receiver, .same_clock = true};
    static struct result result;
    struct evidence found;

    receiver.half.events_dropped = 0;
    result.whole = (struct span){3000, 150 * MS, 20000};
    evidence_of(&trial, &result, &found);
    CHECK_NUMBER(found.standstills, 2);
    CHECK_NUMBER(found.standstill_ns, (44 + 48) * MS);
    CHECK_NUMBER(found.standstill_median_ns, 44 * MS);
    CHECK_NUMBER(found.between_bytes, 2000);
    CHECK(found.speed == 20000);
    CHECK_NUMBER(found.window_bytes, MISSING);
    trial.same_clock = false;
    evidence_of(&trial, &result, &found);
    CHECK_NUMBER(found.standstills, MISSING);
}

int
main(void)
{
    test_standstills_are_judged();
    test_what_moves_all_the_time_is_judged();
    test_it_is_told_in_sentences();
    test_standstills_are_found();
    return check_end();
}
