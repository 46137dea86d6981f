/* result.c: see result.h. */
#include "result.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

/* The share of the bytes that counts as the start of a connection. */
#define START_SHARE 10

/* Sums a member of all known halves of one end; MISSING when none is known or one does not know it. */
static uint64_t
sum(const struct trial *trial, const struct end *ends, size_t offset)
{
    uint64_t total = 0;

    if (ends == NULL)
        return MISSING;
    for (uint64_t i = 0; i < trial->connections; i++) {
        uint64_t value;
        memcpy(&value, (const unsigned char *)&ends[i].half + offset, sizeof value);
        if (!ends[i].known || value == MISSING)
            return MISSING;
        total += value;
    }
    return total;
}

#define SUM(trial, end, member) sum(trial, (trial)->end, offsetof(struct half, member))

/* The same for a TCP_INFO field of the sender's or receiver's end. */
static uint64_t
sum_info(const struct trial *trial, const struct end *ends, const char *name)
{
    uint64_t total = 0;

    if (ends == NULL)
        return MISSING;
    for (uint64_t i = 0; i < trial->connections; i++) {
        uint64_t value = ends[i].known ? tcpinfo_get(&ends[i].half.info, name) : MISSING;
        if (value == MISSING)
            return MISSING;
        total += value;
    }
    return total;
}

static struct span
span_of(uint64_t bytes, uint64_t elapsed_ns)
{
    bool known = bytes != MISSING && elapsed_ns != MISSING && elapsed_ns > 0;
    return (struct span){bytes, elapsed_ns, known ? (double)bytes * 1e9 / (double)elapsed_ns : (double)NAN};
}

/* From the first write to the last read of connections `from` to `to` (excluded). */
static uint64_t
elapsed(const struct trial *trial, uint64_t from, uint64_t to)
{
    uint64_t first_ns = MISSING;
    uint64_t last_ns = 0;

    for (uint64_t i = from; i < to; i++) {
        const struct half *receiver = &trial->receiver[i].half;
        if (trial->receiver[i].known && receiver->bytes == 0)
            continue; /* an interruption came before its turn */
        if (!trial->receiver[i].known || receiver->last_ns == MISSING)
            return MISSING;
        uint64_t begin_ns = receiver->first_ns; /* a receiver alone: from its first read */
        if (trial->sender != NULL)
            begin_ns = trial->sender[i].half.first_ns;
        first_ns = clock_earlier_ns(first_ns, begin_ns);
        if (receiver->last_ns > last_ns)
            last_ns = receiver->last_ns;
    }
    if (trial->sender != NULL && !trial->same_clock)
        last_ns = trial->confirmed_ns;
    return first_ns == MISSING || last_ns == MISSING || last_ns <= first_ns ? MISSING : last_ns - first_ns;
}

struct span
result_of_connection(const struct trial *trial, uint64_t index)
{
    uint64_t bytes = trial->receiver[index].known ? trial->receiver[index].half.bytes : MISSING;
    return span_of(bytes, elapsed(trial, index, index + 1));
}

/* Cuts the transfer of a single connection into its start and the rest. */
static void
cut_start(const struct trial *trial, struct result *result)
{
    const struct span unknown = span_of(MISSING, MISSING);

    result->start = unknown;
    result->rest = unknown;
    if (trial->connections != 1 || trial->sender == NULL || !trial->same_clock || result->whole.elapsed_ns == MISSING ||
        trial->receiver[0].events.capacity == 0)
        return;
    const struct event_log *log = &trial->receiver[0].events;
    const struct read_event *reads = log->entry;
    uint64_t begin_ns = trial->sender[0].half.first_ns;
    for (size_t i = 0; i < log->count; i++) {
        if (reads[i].offset * START_SHARE < result->whole.bytes)
            continue;
        uint64_t start_ns = reads[i].after_ns - begin_ns;
        result->start = span_of(reads[i].offset, start_ns);
        if (reads[i].offset < result->whole.bytes)
            result->rest = span_of(result->whole.bytes - reads[i].offset, result->whole.elapsed_ns - start_ns);
        return;
    }
}

size_t
result_join(const struct event_log *writes, const struct event_log *reads, uint64_t *latency_ns, uint64_t *in_write_ns,
            uint64_t *in_flight_ns)
{
    const struct write_event *write = writes->entry;
    const struct read_event *read = reads->entry;
    size_t joined = 0;
    size_t r = 0;

    for (size_t w = 0; w < writes->count; w++) {
        while (r < reads->count && read[r].offset < write[w].offset)
            r++;
        if (r == reads->count)
            break;
        uint64_t read_ns = read[r].after_ns;
        if (latency_ns != NULL)
            latency_ns[joined] = read_ns > write[w].before_ns ? read_ns - write[w].before_ns : 0;
        if (in_write_ns != NULL)
            in_write_ns[joined] = write[w].after_ns - write[w].before_ns;
        if (in_flight_ns != NULL)
            in_flight_ns[joined] = read_ns > write[w].after_ns ? read_ns - write[w].after_ns : 0;
        joined++;
    }
    return joined;
}

static void
join_all(const struct trial *trial, struct result *result)
{
    size_t room = 0;
    size_t count = 0;

    for (uint64_t i = 0; trial->sender != NULL && trial->same_clock && i < trial->connections; i++)
        room += trial->sender[i].events.count;
    uint64_t *durations =
        room > 0 && room < SIZE_MAX / (3 * sizeof *durations) ? malloc(3 * room * sizeof *durations) : NULL;
    for (uint64_t i = 0; durations != NULL && i < trial->connections; i++)
        count += result_join(&trial->sender[i].events, &trial->receiver[i].events, durations + count,
                             durations + room + count, durations + 2 * room + count);
    quantiles_of(durations, count, &result->latency);
    quantiles_of(durations == NULL ? NULL : durations + room, count, &result->in_write);
    quantiles_of(durations == NULL ? NULL : durations + 2 * room, count, &result->in_flight);
    free(durations);
}

/* Compares both ends' digests. */
static void
compare_content(const struct trial *trial, struct result *result)
{
    result->verified = -1;
    result->checked_inline = -1;
    result->checked_bytes = SUM(trial, receiver, checked_bytes);
    if (result->checked_bytes == MISSING)
        return;
    result->verified = 1;
    for (uint64_t i = 0; i < trial->connections; i++) {
        const struct half *receiver = &trial->receiver[i].half;
        result->checked_inline = receiver->digest_inline == 1;
        if (trial->sender == NULL) { /* a receiver alone has compared already */
            result->verified = trial->status != STATUS_FAILED;
            continue;
        }
        const struct half *sender = &trial->sender[i].half;
        if (sender->checked_bytes == MISSING)
            result->verified = -1;
        else if (sender->checked_bytes != receiver->checked_bytes || sender->digest_high != receiver->digest_high ||
                 sender->digest_low != receiver->digest_low || sender->bytes != receiver->bytes)
            result->verified = 0;
        if (result->verified != 1)
            return;
    }
}

void
result_of(const struct trial *trial, struct result *result)
{
    *result = (struct result){.verified = -1};
    result->whole = span_of(SUM(trial, receiver, bytes), elapsed(trial, 0, trial->connections));
    cut_start(trial, result);
    compare_content(trial, result);
    join_all(trial, result);

    result->writes = SUM(trial, sender, calls);
    result->short_writes = SUM(trial, sender, short_calls);
    result->reads = SUM(trial, receiver, calls);
    result->write_ns = SUM(trial, sender, call_ns);
    result->write_blocked_ns = SUM(trial, sender, blocked_ns);
    result->run_queue_sender_ns = SUM(trial, sender, run_queue_ns);
    result->run_queue_receiver_ns = SUM(trial, receiver, run_queue_ns);
    result->cpu_sender_ns = SUM(trial, sender, cpu_ns);
    result->cpu_receiver_ns = SUM(trial, receiver, cpu_ns);
    result->switches_sender = SUM(trial, sender, switches);
    result->switches_receiver = SUM(trial, receiver, switches);
    result->zerocopy_completions = SUM(trial, sender, zerocopy_completions);
    result->zerocopy_copied = SUM(trial, sender, zerocopy_copied);

    result->data_segments = sum_info(trial, trial->sender, "data_segs_out");
    result->segments_received = sum_info(trial, trial->receiver, "data_segs_in");
    result->acks_received = sum_info(trial, trial->sender, "segs_in");
    result->retransmits = sum_info(trial, trial->sender, "total_retrans");
    bool divides = result->data_segments != MISSING && result->data_segments > 0 && result->whole.bytes != MISSING;
    result->bytes_per_segment = divides ? (double)result->whole.bytes / (double)result->data_segments : (double)NAN;

    result->writes_recorded = SUM(trial, sender, events_recorded);
    result->writes_dropped = SUM(trial, sender, events_dropped);
    result->writes_stride = trial->sender != NULL ? trial->sender[0].half.events_stride : MISSING;
    result->reads_recorded = SUM(trial, receiver, events_recorded);
    result->reads_dropped = SUM(trial, receiver, events_dropped);
    result->samples_sender = SUM(trial, sender, samples_recorded);
    result->samples_receiver = SUM(trial, receiver, samples_recorded);
    uint64_t sender_dropped = SUM(trial, sender, samples_dropped);
    uint64_t receiver_dropped = SUM(trial, receiver, samples_dropped);
    result->samples_dropped =
        sender_dropped == MISSING || receiver_dropped == MISSING ? MISSING : sender_dropped + receiver_dropped;
}
