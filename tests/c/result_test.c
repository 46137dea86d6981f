/* result_test.c: every number is derived from the raw halves and events by hand-computable rules; what is not known
 * stays missing. */
#include "result.h"

#include <math.h>

#include "check.h"
#include "clock.h"
#include "config.h"

#define ROOM 16

static struct write_event writes[ROOM];
static struct read_event reads[ROOM];

static struct event_log
log_of(void *entry, size_t count, size_t entry_bytes)
{
    return (struct event_log){
        .capacity = ROOM, .count = count, .stride = 1, .seen = count, .entry_bytes = entry_bytes, .entry = entry};
}

static size_t
join(size_t write_count, size_t read_count, uint64_t *latency, uint64_t *in_write, uint64_t *in_flight)
{
    struct event_log sent = log_of(writes, write_count, sizeof writes[0]);
    struct event_log got = log_of(reads, read_count, sizeof reads[0]);
    return result_join(&sent, &got, latency, in_write, in_flight);
}

static void
joins_by_the_last_byte(void)
{
    uint64_t latency[ROOM], in_write[ROOM], in_flight[ROOM];

    /* Chunks that end at 100, 200, 300; reads that end at 50, 250, 300. */
    writes[0] = (struct write_event){100, 1000, 1010};
    writes[1] = (struct write_event){200, 1020, 1050};
    writes[2] = (struct write_event){300, 1060, 1061};
    reads[0] = (struct read_event){50, 1005, 0};
    reads[1] = (struct read_event){250, 1055, 0}; /* has the last bytes of chunks 0 and 1 */
    reads[2] = (struct read_event){300, 1100, 0};
    CHECK_NUMBER(join(3, 3, latency, in_write, in_flight), 3);
    CHECK(latency[0] == 55 && latency[1] == 35 && latency[2] == 40);
    CHECK(in_write[0] == 10 && in_write[1] == 30 && in_write[2] == 1);
    CHECK(in_flight[0] == 45 && in_flight[1] == 5 && in_flight[2] == 39);

    /* A read that ends at a chunk's last byte has it; one that ends a byte before has not. */
    reads[0] = (struct read_event){99, 1005, 0};
    reads[1] = (struct read_event){100, 1006, 0};
    CHECK_NUMBER(join(1, 2, latency, in_write, in_flight), 1);
    CHECK_NUMBER(latency[0], 6);
    CHECK_NUMBER(in_flight[0], 0); /* the read ended before write() returned */

    /* Chunks whose last byte never arrived, or whose read did not fit into the log, are left out. */
    CHECK_NUMBER(join(3, 2, latency, NULL, NULL), 1);
    CHECK_NUMBER(join(3, 0, latency, in_write, in_flight), 0);
    CHECK_NUMBER(join(0, 2, latency, in_write, in_flight), 0);

    /* A read that seems older than its write: two CPUs' clocks may differ by some ns; never a huge number. */
    reads[0] = (struct read_event){100, 990, 0};
    CHECK_NUMBER(join(1, 1, latency, NULL, NULL), 1);
    CHECK_NUMBER(latency[0], 0);

    /* A sparse log of writes (stride) joins those it has. */
    writes[1] = writes[2];
    reads[0] = (struct read_event){200, 1055, 0};
    reads[1] = (struct read_event){300, 1100, 0};
    CHECK_NUMBER(join(2, 2, latency, in_write, in_flight), 2);
    CHECK(latency[0] == 55 && latency[1] == 40);
}

/* A trial of one connection that went well. */
static struct config config = {.connections = 1};
static struct end sender, receiver;

static struct trial
good_trial(void)
{
    sender = (struct end){.known = true, .half = half_empty()};
    receiver = (struct end){.known = true, .half = half_empty()};
    sender.half.bytes = receiver.half.bytes = 1000;
    sender.half.calls = 10;
    sender.half.short_calls = 1;
    sender.half.first_ns = 5000;
    sender.half.last_ns = 6000;
    sender.half.call_ns = 700;
    sender.half.blocked_ns = 300;
    sender.half.cpu_ns = 400;
    sender.half.run_queue_ns = 50;
    receiver.half.calls = 4;
    receiver.half.first_ns = 5200;
    receiver.half.last_ns = 7000;
    receiver.half.cpu_ns = 450;
    sender.half.checked_bytes = receiver.half.checked_bytes = 1000;
    sender.half.digest_high = receiver.half.digest_high = 1;
    sender.half.digest_low = receiver.half.digest_low = 2;
    sender.half.info.known = true;
    for (int i = 0; i < TCPINFO_FIELDS_MAX; i++)
        sender.half.info.field[i] = MISSING;
    for (int i = 0; i < tcpinfo_count(); i++) {
        if (strcmp(tcpinfo_name(i), "data_segs_out") == 0)
            sender.half.info.field[i] = 8;
        if (strcmp(tcpinfo_name(i), "total_retrans") == 0)
            sender.half.info.field[i] = 0;
    }
    for (uint64_t i = 0; i < 10; i++)
        writes[i] = (struct write_event){100 * (i + 1), 5000 + 100 * i, 5050 + 100 * i};
    reads[0] = (struct read_event){90, 5200, 0};
    reads[1] = (struct read_event){150, 5400, 0}; /* the first at or past a tenth */
    reads[2] = (struct read_event){900, 6500, 0};
    reads[3] = (struct read_event){1000, 7000, 0};
    sender.events = log_of(writes, 10, sizeof writes[0]);
    receiver.events = log_of(reads, 4, sizeof reads[0]);
    return (struct trial){.role = "pair",
                          .worked_ns = MISSING,
                          .config = &config,
                          .same_clock = true,
                          .confirmed_ns = 9000,
                          .connections = 1,
                          .sender = &sender,
                          .receiver = &receiver};
}

static struct result result;

static void
of_a_good_trial(void)
{
    struct trial trial = good_trial();

    result_of(&trial, &result);
    CHECK(result.whole.bytes == 1000 && result.whole.elapsed_ns == 2000); /* first write to last read */
    CHECK(fabs(result.whole.goodput - 5e8) < 1);
    CHECK(result.start.bytes == 150 && result.start.elapsed_ns == 400);
    CHECK(result.rest.bytes == 850 && result.rest.elapsed_ns == 1600);
    CHECK(result.verified == 1 && result.checked_bytes == 1000 && result.checked_inline == 0);
    CHECK(result.writes == 10 && result.short_writes == 1 && result.reads == 4);
    CHECK(result.write_ns == 700 && result.write_blocked_ns == 300);
    CHECK(result.cpu_sender_ns == 400 && result.cpu_receiver_ns == 450);
    CHECK(result.run_queue_sender_ns == 50 && result.run_queue_receiver_ns == MISSING);
    CHECK(result.data_segments == 8 && result.retransmits == 0 && fabs(result.bytes_per_segment - 125) < 1e-9);
    CHECK(result.segments_received == MISSING && result.zerocopy_completions == MISSING);
    CHECK_NUMBER(result.latency.count, 10);
    CHECK_NUMBER(result.in_write.p50, 50);
    CHECK_NUMBER(result.latency.max, 1400); /* chunk 1: written from 5100 on, read at 6500 */
    CHECK_NUMBER(result.in_flight.max, 1350);
    struct span span = result_of_connection(&trial, 0);
    CHECK(span.bytes == 1000 && span.elapsed_ns == 2000);
}

static void
two_clocks_are_not_compared(void)
{
    struct trial trial = good_trial();

    trial.same_clock = false;
    result_of(&trial, &result);
    CHECK_NUMBER(result.whole.elapsed_ns, 4000); /* to the confirmation, on the sender's clock */
    CHECK_NUMBER(result.latency.count, 0);
    CHECK_NUMBER(result.start.bytes, MISSING);
    trial.confirmed_ns = MISSING;
    result_of(&trial, &result);
    CHECK(result.whole.elapsed_ns == MISSING && isnan(result.whole.goodput));
}

static void
content_is_compared(void)
{
    struct trial trial = good_trial();

    receiver.half.digest_low = 3;
    result_of(&trial, &result);
    CHECK(result.verified == 0);
    trial = good_trial();
    receiver.half.bytes = 999;
    result_of(&trial, &result);
    CHECK(result.verified == 0);
    trial = good_trial();
    receiver.half.checked_bytes = 500;
    result_of(&trial, &result);
    CHECK(result.verified == 0);
    trial = good_trial();
    sender.half.checked_bytes = receiver.half.checked_bytes = MISSING;
    result_of(&trial, &result);
    CHECK(result.verified == -1 && result.checked_bytes == MISSING && result.checked_inline == -1);
    trial = good_trial();
    sender.half.checked_bytes = MISSING;
    result_of(&trial, &result);
    CHECK(result.verified == -1);
    trial = good_trial();
    receiver.half.digest_inline = 1;
    result_of(&trial, &result);
    CHECK(result.verified == 1 && result.checked_inline == 1);
}

static void
what_never_came_is_missing(void)
{
    struct trial trial = good_trial();

    receiver = (struct end){.known = false};
    result_of(&trial, &result);
    CHECK(result.whole.bytes == MISSING && result.whole.elapsed_ns == MISSING && isnan(result.whole.goodput));
    CHECK(result.reads == MISSING && result.cpu_receiver_ns == MISSING && result.verified == -1);
    CHECK(result.latency.count == 0 && result.start.bytes == MISSING);
    CHECK(result.writes == 10); /* what the sender knows is known */

    trial = good_trial();
    sender.half.info.known = false; /* unix */
    result_of(&trial, &result);
    CHECK(result.data_segments == MISSING && isnan(result.bytes_per_segment) && result.retransmits == MISSING);

    trial = good_trial();
    trial.sender = NULL; /* a receiver alone: from its first read on */
    result_of(&trial, &result);
    CHECK(result.whole.elapsed_ns == 1800 && result.writes == MISSING && result.latency.count == 0);
    CHECK(result.verified == 1);
    trial.status = STATUS_FAILED;
    result_of(&trial, &result);
    CHECK(result.verified == 0);
}

static void
connections_are_added_up(void)
{
    struct trial trial = good_trial();
    struct end senders[] = {sender, sender}, receivers[] = {receiver, receiver};

    senders[1].half.first_ns = 4000;
    receivers[1].half.last_ns = 8000;
    receivers[1].half.bytes = 3000;
    senders[1].half.bytes = 3000;
    trial.connections = 2;
    trial.sender = senders;
    trial.receiver = receivers;
    result_of(&trial, &result);
    CHECK(result.whole.bytes == 4000 &&
          result.whole.elapsed_ns == 4000); /* from the first write to the last read of all */
    CHECK(result.writes == 20 && result.reads == 8 && result.data_segments == 16);
    CHECK_NUMBER(result.latency.count, 20);
    CHECK_NUMBER(result.start.bytes, MISSING); /* is of one connection only */
    CHECK_NUMBER(result_of_connection(&trial, 1).elapsed_ns, 4000);
    receivers[1].half.bytes = 0; /* an interruption came before its first byte: the others' time is the time */
    receivers[1].half.last_ns = receivers[1].half.first_ns = MISSING;
    result_of(&trial, &result);
    CHECK(result.whole.bytes == 1000 && result.whole.elapsed_ns == 2000);
    receivers[1].half = receiver.half;
    senders[1].half.bytes = receiver.half.bytes;
    receivers[1].half.cpu_ns = MISSING;
    result_of(&trial, &result);
    CHECK(result.cpu_receiver_ns == MISSING); /* half a sum is no sum */
    CHECK(result.verified == 1);
    receivers[1].half.digest_high = 9;
    result_of(&trial, &result);
    CHECK(result.verified == 0);
}

int
main(void)
{
    joins_by_the_last_byte();
    of_a_good_trial();
    two_clocks_are_not_compared();
    content_is_compared();
    what_never_came_is_missing();
    connections_are_added_up();
    return check_end();
}
