/* result.c: see result.h. */
#include "result.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "config.h"
#include "histogram.h"
#include "workload.h"

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
    if (trial->connections != 1 || trial->sender == NULL || !trial->same_clock || trial->worked_ns != MISSING ||
        result->whole.elapsed_ns == MISSING || trial->receiver[0].events.capacity == 0)
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

/* Durations of all connections' exchanges behind the first few, from the logs where these are complete, else from the
 * histograms. The first connection's first few stand apart. */
static void
gather_exchanges(const struct trial *trial, struct result *result)
{
    const struct event_log *first = &trial->sender[0].exchanges;
    const struct write_event *exchange = first->entry;
    bool complete = true;
    size_t room = 0, count = 0;

    for (size_t i = 0; i < first->count && i < EXCHANGES_APART; i++)
        result->first_ns[result->first_count++] = exchange[i].after_ns - exchange[i].before_ns;
    for (uint64_t i = 0; i < trial->connections; i++) {
        complete = complete && trial->sender[i].exchanges.count == trial->sender[i].units;
        room += trial->sender[i].exchanges.count;
    }
    uint64_t *durations = complete && room <= QUANTILE_EXACT_MAX ? malloc((room + 1) * sizeof *durations) : NULL;
    if (durations == NULL) {
        static struct histogram all;
        histogram_clear(&all);
        for (uint64_t i = 0; i < trial->connections; i++)
            if (trial->sender[i].durations != NULL)
                histogram_merge(&all, trial->sender[i].durations);
        quantiles_of_histogram(&all, &result->latency);
        return;
    }
    for (uint64_t i = 0; i < trial->connections; i++) {
        exchange = trial->sender[i].exchanges.entry;
        for (size_t e = EXCHANGES_APART; e < trial->sender[i].exchanges.count; e++)
            durations[count++] = exchange[e].after_ns - exchange[e].before_ns;
    }
    quantiles_of(durations, count, &result->latency);
    free(durations);
}

/* Share of late beginnings, and how late, beyond which a sender did not keep its schedule. */
#define LATE_NS NS_PER_MS

/* What a schedule adds: how late each beginning was, and the latency from when it was planned. */
static void
compare_schedule(const struct trial *trial, struct result *result)
{
    bool exchanges = trial->config->workload == WORKLOAD_EXCHANGE;
    size_t room = 0, late = 0, whole = 0;

    result->kept_schedule = -1;
    for (uint64_t i = 0; trial->sender != NULL && i < trial->connections; i++)
        room += trial->sender[i].planned.count;
    uint64_t *lateness = room > 0 ? malloc(2 * room * sizeof *lateness) : NULL;
    for (uint64_t i = 0; lateness != NULL && i < trial->connections; i++) {
        const struct end *sender = &trial->sender[i];
        const struct event_log *log = exchanges ? &sender->exchanges : &sender->events;
        const struct write_event *begun = log->entry;
        const uint64_t *planned = sender->planned.entry;
        const struct read_event *read = trial->receiver[i].events.entry;
        size_t r = 0, reads = trial->receiver[i].events.count;
        for (size_t m = 0; m < log->count && m < sender->planned.count; m++) {
            lateness[late++] = begun[m].before_ns > planned[m] ? begun[m].before_ns - planned[m] : 0;
            while (!exchanges && r < reads && read[r].offset < begun[m].offset)
                r++;
            if (exchanges)
                lateness[room + whole++] = begun[m].after_ns - planned[m];
            else if (trial->same_clock && r < reads && read[r].after_ns > planned[m])
                lateness[room + whole++] = read[r].after_ns - planned[m];
        }
    }
    quantiles_of(lateness, late, &result->lateness);
    quantiles_of(lateness == NULL ? NULL : lateness + room, whole, &result->latency_planned);
    if (late > 0) /* the sender did not keep a schedule behind which it was at one beginning in a hundred */
        result->kept_schedule = result->lateness.p99 < LATE_NS;
    free(lateness);
}

/* Splits the writes of all connections. */
static void
split_all(const struct trial *trial, struct result *result)
{
    size_t room = 0, count = 0, acks = 0;

    for (uint64_t i = 0; trial->sender != NULL && trial->same_clock && i < trial->connections; i++)
        if (trial->sender[i].stamps.capacity > 0)
            room += trial->sender[i].events.count;
    struct split *splits = room > 0 ? malloc(room * sizeof *splits) : NULL;
    uint64_t *values = splits != NULL ? malloc(room * sizeof *values) : NULL;
    for (uint64_t i = 0; values != NULL && i < trial->connections; i++)
        count += split_writes(trial, i, splits + count, &result->merged_writes, &result->unordered_writes);
    for (int part = 0; part < SPLIT_PARTS; part++) {
        for (size_t s = 0; s < count; s++)
            values[s] = splits[s].part[part];
        quantiles_of(values, count, &result->split[part]);
    }
    for (size_t s = 0; s < count; s++) {
        uint64_t sum_ns = 0;
        for (int part = 0; part < SPLIT_PARTS; part++)
            sum_ns += splits[s].part[part];
        result->split_sums += sum_ns + NS_PER_US >= splits[s].latency_ns && sum_ns <= splits[s].latency_ns + NS_PER_US;
    }
    for (size_t s = 0; s < count; s++)
        if (splits[s].until_ack_ns != MISSING)
            values[acks++] = splits[s].until_ack_ns;
    quantiles_of(values, acks, &result->until_ack);
    split_sum_up(splits, count, result->typical);
    result->split_writes = count;
    result->split_missing = room - count;
    for (uint64_t i = 0; trial->sender != NULL && i < trial->connections; i++) {
        result->stamps_recorded += trial->sender[i].stamps.count;
        result->stamps_dropped += trial->sender[i].stamps.dropped + trial->sender[i].stamps.lost;
    }
    uint64_t drift = trial->bridge[1].ahead_ns - trial->bridge[0].ahead_ns;
    result->bridge_drift_ns = (int64_t)drift < 0 ? 0 - drift : drift;
    result->bridge_error_ns =
        trial->bridge[0].error_ns > trial->bridge[1].error_ns ? trial->bridge[0].error_ns : trial->bridge[1].error_ns;
    result->bridge_error_ns += result->bridge_drift_ns / 2;
    free(values);
    free(splits);
}

/* Exchanges, messages or chunks, and the segments that each took. */
static void
count_messages(const struct trial *trial, struct result *result)
{
    result->messages = MISSING;
    result->segments_per_message = (double)NAN;
    if (trial->sender == NULL)
        return;
    result->messages = 0;
    for (uint64_t i = 0; i < trial->connections; i++)
        result->messages += trial->sender[i].units;
    if (result->messages > 0 && result->data_segments != MISSING)
        result->segments_per_message = (double)result->data_segments / (double)result->messages;
}

static uint64_t
effective(const struct end *ends, enum sockopt option)
{
    bool known = ends != NULL && ends[0].known && ends[0].half.end.of[option].known;
    return known ? ends[0].half.end.of[option].number : MISSING;
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
    if (trial->sender != NULL && trial->config->workload == WORKLOAD_EXCHANGE)
        gather_exchanges(trial, result);
    else
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
    uint64_t elapsed_ns = trial->worked_ns != MISSING ? trial->worked_ns : elapsed(trial, 0, trial->connections);
    result->whole = span_of(SUM(trial, receiver, bytes), elapsed_ns);
    cut_start(trial, result);
    compare_content(trial, result);
    join_all(trial, result);
    compare_schedule(trial, result);
    split_all(trial, result);
    stalls_of(trial, &result->stalls);
    if (SUM(trial, sender, events_dropped) != 0 || SUM(trial, receiver, events_dropped) != 0)
        result->latency.exact = result->latency.exact && trial->config->workload == WORKLOAD_EXCHANGE;

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

    result->reply_bytes = SUM(trial, sender, reply_bytes);
    result->reply_reads = SUM(trial, sender, reply_calls);
    result->reply_writes = SUM(trial, receiver, reply_calls);
    count_messages(trial, result);
    result->effective[0] = effective(trial->sender, SOCKOPT_SNDBUF);
    result->effective[1] = effective(trial->receiver, SOCKOPT_RCVBUF);

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
