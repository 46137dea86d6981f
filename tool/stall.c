/* stall.c: see stall.h. */
#include "stall.h"

#include <stdlib.h>

#include "clock.h"
#include "config.h"
#include "exchange.h"
#include "split.h"
#include "tcpinfo.h"
#include "workload.h"

/* Linux: TCP_DELACK_MIN is HZ / 25, whatever HZ is. */
#define DELAYED_ACK_NS (40 * NS_PER_MS)

static const struct {
    const char *name;
    const char *words;
} mechanisms[STALL_MECHANISMS] = {
    [STALL_NAGLE] = {"nagle_delayed_ack", "held by Nagle until a delayed ACK"},
    [STALL_CORKED] = {"corked", "corked"},
    [STALL_SEND_BUFFER] = {"send_buffer_full", "send buffer full"},
    [STALL_WINDOW] = {"window_closed", "window closed"},
    [STALL_RETRANSMISSION] = {"retransmission", "retransmission"},
    [STALL_REPLY] = {"reply_held", "reply held at the receiver"},
    [STALL_READER] = {"reader_late", "waited for the receiver's read()"},
    [STALL_UNKNOWN] = {"unknown", "of unknown cause"},
};

const char *
stall_name(enum stall_mechanism mechanism)
{
    return mechanisms[mechanism].name;
}

const char *
stall_words(enum stall_mechanism mechanism)
{
    return mechanisms[mechanism].words;
}

enum stall_mechanism
stalls_chief(const struct stalls *stalls)
{
    enum stall_mechanism chief = STALL_UNKNOWN;

    for (int i = 0; i < STALL_MECHANISMS; i++)
        if (stalls->by_mechanism[i] > stalls->by_mechanism[chief])
            chief = (enum stall_mechanism)i;
    return chief;
}

static uint64_t
threshold_of(const struct trial *trial)
{
    uint64_t shortest_ns = DELAYED_ACK_NS;

    for (int side = 0; side < 2; side++) {
        const struct end *end = side == 0 ? &trial->sender[0] : &trial->receiver[0];
        uint64_t ato_us = end->known ? tcpinfo_get(&end->half.info, "ato_us") : MISSING;
        /* a value below a tick or so is the adaptive estimate of a busy connection, not the timer's floor */
        if (ato_us != MISSING && ato_us >= 20000 && ato_us * NS_PER_US < shortest_ns)
            shortest_ns = ato_us * NS_PER_US;
    }
    return shortest_ns / 4 * 3;
}

/* What the setting alone suggests, for a stall without stamps. `blocked`: the time was lost inside the write call. */
static enum stall_mechanism
guess(const struct trial *trial, bool blocked)
{
    const struct end *sender = &trial->sender[0];
    struct pattern_sum sum = pattern_sum(&trial->config->pattern);

    if (blocked)
        return STALL_SEND_BUFFER;
    uint64_t retransmits = tcpinfo_get(&sender->half.info, "total_retrans");
    if (retransmits != MISSING && retransmits > 0)
        return STALL_RETRANSMISSION;
    if (sum.corks || (sender->half.start.of[SOCKOPT_CORK].known && sender->half.start.of[SOCKOPT_CORK].number))
        return STALL_CORKED;
    if (sender->half.start.of[SOCKOPT_MAX_PACING_RATE].known)
        return STALL_UNKNOWN; /* the rate may be all there is to it */
    bool nagle = sender->half.start.of[SOCKOPT_NODELAY].known && !sender->half.start.of[SOCKOPT_NODELAY].number;
    if (nagle &&
        (trial->config->workload != WORKLOAD_EXCHANGE || sum.writes > 1 || trial->config->pattern.outstanding > 1))
        return STALL_NAGLE;
    const struct sockopt_value *reply_nodelay = &trial->receiver[0].half.start.of[SOCKOPT_NODELAY];
    if (trial->config->workload == WORKLOAD_EXCHANGE && (sum.replies > 1 || trial->config->pattern.outstanding > 1) &&
        reply_nodelay->known && !reply_nodelay->number)
        return STALL_REPLY; /* the receiver's own Nagle */
    return STALL_UNKNOWN;
}

/* The mechanism of a write that was split: the part in which most time was lost. */
static enum stall_mechanism
explain(const struct trial *trial, const struct split *split)
{
    int largest = 0;

    for (int part = 1; part < SPLIT_PARTS; part++)
        if (split->part[part] > split->part[largest])
            largest = part;
    switch (largest) {
    case SPLIT_IN_WRITE:
        return STALL_SEND_BUFFER;
    case SPLIT_HOLD: {
        enum stall_mechanism guessed = guess(trial, false);
        uint64_t limited_us = tcpinfo_get(&trial->sender[0].half.info, "rwnd_limited_us");
        bool window = limited_us != MISSING && limited_us * NS_PER_US >= split->part[SPLIT_HOLD] / 2;
        return guessed == STALL_CORKED ? guessed : window ? STALL_WINDOW : guessed;
    }
    case SPLIT_WAIT_READ:
        return STALL_READER;
    default:
        return STALL_RETRANSMISSION;
    }
}

static void
count(struct stalls *stalls, uint64_t duration_ns, enum stall_mechanism mechanism)
{
    stalls->count++;
    stalls->time_ns += duration_ns;
    stalls->by_mechanism[mechanism]++;
}

/* Splits all writes of a connection, when there are stamps. Returns the array (to be freed), or NULL. */
static struct split *
split_all(const struct trial *trial, uint64_t index, size_t *count_out)
{
    const struct end *sender = &trial->sender[index];
    uint64_t merged = 0, unordered = 0;

    *count_out = 0;
    if (sender->stamps.count == 0 || sender->events.count == 0 || !trial->same_clock)
        return NULL;
    struct split *splits = malloc(sender->events.count * sizeof *splits);
    if (splits != NULL)
        *count_out = split_writes(trial, index, splits, &merged, &unordered);
    return splits;
}

/* The longest time between `from_ns` and `to_ns` in which the receiver read nothing: only a connection that stands
 * still waits for a timer, a busy one has a queue. *at is where the search begins, and only goes forward with from_ns.
 */
static uint64_t
longest_gap(const struct event_log *reads, uint64_t from_ns, uint64_t to_ns, size_t *at)
{
    const struct read_event *read = reads->entry;
    uint64_t last_ns = from_ns, longest_ns = 0;

    while (*at < reads->count && read[*at].after_ns <= from_ns)
        ++*at;
    for (size_t r = *at; r <= reads->count; r++) {
        uint64_t next_ns = r < reads->count && read[r].after_ns < to_ns ? read[r].after_ns : to_ns;
        if (next_ns - last_ns > longest_ns)
            longest_ns = next_ns - last_ns;
        if (next_ns == to_ns)
            break;
        last_ns = next_ns;
    }
    return longest_ns;
}

/* Exchanges of one connection: the slowest write of an exchange explains it. */
static void
count_exchanges(const struct trial *trial, uint64_t index, struct stalls *stalls)
{
    const struct event_log *log = &trial->sender[index].exchanges;
    const struct write_event *exchange = log->entry;
    const struct write_event *write = trial->sender[index].events.entry;
    size_t splits_count;
    struct split *splits = split_all(trial, index, &splits_count);
    uint64_t pause_ns = pattern_sum(&trial->config->pattern).pause_ns;
    const struct event_log *reads = &trial->receiver[index].events;
    bool reads_known = trial->same_clock && reads->count > 0 && trial->receiver[index].half.events_dropped == 0;
    size_t s = 0, r = 0;

    for (size_t i = 0; i < log->count; i++) {
        uint64_t duration_ns = exchange[i].after_ns - exchange[i].before_ns;
        uint64_t still_ns = reads_known && duration_ns >= stalls->threshold_ns
                                ? longest_gap(reads, exchange[i].before_ns, exchange[i].after_ns, &r)
                                : duration_ns;
        if (still_ns < stalls->threshold_ns + pause_ns)
            continue;
        duration_ns -= pause_ns;
        const struct split *slowest = NULL;
        while (s < splits_count && write[splits[s].write].before_ns < exchange[i].before_ns)
            s++;
        for (size_t w = s; w < splits_count && write[splits[w].write].before_ns < exchange[i].after_ns; w++)
            if (slowest == NULL || splits[w].latency_ns > slowest->latency_ns)
                slowest = &splits[w];
        if (slowest != NULL && slowest->latency_ns < stalls->threshold_ns / 2)
            count(stalls, duration_ns, STALL_REPLY);
        else
            count(stalls, duration_ns, slowest != NULL ? explain(trial, slowest) : guess(trial, false));
    }
    free(splits);
}

/* Messages or chunks of one connection. */
static void
count_writes(const struct trial *trial, uint64_t index, struct stalls *stalls)
{
    const struct event_log *log = &trial->sender[index].events;
    const struct event_log *reads = &trial->receiver[index].events;
    const struct write_event *write = log->entry;
    const struct read_event *read = reads->entry;
    size_t splits_count;
    struct split *splits = split_all(trial, index, &splits_count);
    size_t s = 0, r = 0, g = 0;

    for (size_t w = 0; w < log->count; w++) {
        while (r < reads->count && read[r].offset < write[w].offset)
            r++;
        if (r == reads->count)
            break;
        uint64_t duration_ns = read[r].after_ns > write[w].before_ns ? read[r].after_ns - write[w].before_ns : 0;
        if (duration_ns < stalls->threshold_ns ||
            longest_gap(reads, write[w].before_ns, read[r].after_ns, &g) < stalls->threshold_ns)
            continue;
        while (s < splits_count && splits[s].write < w)
            s++;
        bool split = s < splits_count && splits[s].write == w;
        bool blocked = write[w].after_ns - write[w].before_ns >= duration_ns / 2;
        count(stalls, duration_ns, split ? explain(trial, &splits[s]) : guess(trial, blocked));
    }
    free(splits);
}

void
stalls_of(const struct trial *trial, struct stalls *stalls)
{
    *stalls = (struct stalls){.count = MISSING};
    if (trial->sender == NULL || !trial->sender[0].known || !trial->receiver[0].known || !trial->config->log)
        return;
    bool exchanges = trial->config->workload == WORKLOAD_EXCHANGE;
    if (!exchanges && !trial->same_clock)
        return;
    stalls->count = 0;
    stalls->threshold_ns = threshold_of(trial);
    for (uint64_t i = 0; i < trial->connections; i++) {
        if (exchanges)
            count_exchanges(trial, i, stalls);
        else
            count_writes(trial, i, stalls);
    }
}
