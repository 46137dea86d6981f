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

/* Linux: TCP_RTO_MIN is HZ / 5. */
#define MIN_RTO_NS (200 * NS_PER_MS)

/* So few bytes, both ways, take no time worth a timer: where the reads were not recorded, they alone are judged. */
#define SOON_BYTES UINT64_C(65536)

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

/* What is known of one connection while its stalls are counted. */
struct account {
    const struct trial *trial;
    uint64_t index;
    uint64_t retransmits[2]; /* of the sender and the receiver: those that no stall has used up; MISSING: unknown */
    bool corks;              /* something is corked while a reply is awaited */
    uint64_t window_ns;      /* how long the receiver's window was closed; MISSING: unknown */
};

/* Whether `option` was in effect on `end` before the first byte; `absent` where that is not known. */
static bool
was_on(const struct end *end, enum sockopt option, bool absent)
{
    const struct sockopt_value *value = &end->half.start.of[option];
    return value->known ? value->number != 0 : absent;
}

/* Whether the pattern waits for a reply with something corked: c without u, or MSG_MORE with nothing behind it. What
 * is still corked at its end is so at the beginning of the next exchange, too. */
static bool
corked_at_reply(const struct pattern *pattern)
{
    bool cork = false, more = false;

    for (uint64_t i = 0; i < 2 * pattern->count; i++) {
        switch (pattern->item[i % pattern->count].kind) {
        case PATTERN_CORK:
            cork = true;
            break;
        case PATTERN_UNCORK:
            cork = more = false;
            break;
        case PATTERN_MORE:
            more = true;
            break;
        case PATTERN_WRITE:
        case PATTERN_GATHER:
            more = false;
            break;
        case PATTERN_REPLY:
            if (cork || more)
                return true;
            break;
        default:
            break;
        }
    }
    return false;
}

static struct account
open_account(const struct trial *trial, uint64_t index)
{
    const struct end *sender = &trial->sender[index], *receiver = &trial->receiver[index];
    uint64_t limited_us = tcpinfo_get(&sender->half.info, "rwnd_limited_us");

    return (struct account){
        .trial = trial,
        .index = index,
        .retransmits = {tcpinfo_get(&sender->half.info, "total_retrans"),
                        tcpinfo_get(&receiver->half.info, "total_retrans")},
        .corks = was_on(sender, SOCKOPT_CORK, false) ||
                 (trial->config->workload == WORKLOAD_EXCHANGE && corked_at_reply(&trial->config->pattern)),
        .window_ns = limited_us == MISSING ? MISSING : limited_us * NS_PER_US,
    };
}

/* Uses up one retransmission of one end. Returns whether there was one. */
static bool
take_retransmit(struct account *account, int side)
{
    if (account->retransmits[side] == MISSING || account->retransmits[side] == 0)
        return false;
    account->retransmits[side]--;
    return true;
}

/* Whether a delay is long enough for a retransmission by timeout. A lost tail may be repaired sooner. */
static bool
is_timeout(const struct account *account, uint64_t duration_ns)
{
    uint64_t shortest_ns = MIN_RTO_NS;

    for (int side = 0; side < 2; side++) {
        const struct end *end =
            side == 0 ? &account->trial->sender[account->index] : &account->trial->receiver[account->index];
        uint64_t rto_us = tcpinfo_get(&end->half.info, "rto_us");
        if (rto_us != MISSING && rto_us > 0)
            shortest_ns = clock_earlier_ns(shortest_ns, rto_us * NS_PER_US);
    }
    return duration_ns >= shortest_ns / 4 * 3;
}

/* The request was late, or the whole message: what held it, by what was set and counted. */
static enum stall_mechanism
explain_request(struct account *account, uint64_t duration_ns)
{
    const struct trial *trial = account->trial;
    const struct end *sender = &trial->sender[account->index];
    const struct pattern *pattern = &trial->config->pattern;

    if (account->corks)
        return STALL_CORKED;
    if (is_timeout(account, duration_ns) && take_retransmit(account, 0))
        return STALL_RETRANSMISSION;
    if (sender->half.start.of[SOCKOPT_MAX_PACING_RATE].known)
        return STALL_UNKNOWN; /* the rate may be all there is to it */
    bool many = trial->config->workload != WORKLOAD_EXCHANGE || pattern_sum(pattern).writes > 1 ||
                pattern->outstanding > 1; /* one write alone is never held */
    if (many && !was_on(sender, SOCKOPT_NODELAY, true))
        return STALL_NAGLE;
    return take_retransmit(account, 0) ? STALL_RETRANSMISSION : STALL_UNKNOWN;
}

/* The request had arrived: what is late is the reply. */
static enum stall_mechanism
explain_reply(struct account *account, uint64_t duration_ns)
{
    return is_timeout(account, duration_ns) && take_retransmit(account, 1) ? STALL_RETRANSMISSION : STALL_REPLY;
}

/* The setting alone has to tell which of the two it was: the receiver's record is not there, or has gaps. */
static enum stall_mechanism
guess_exchange(struct account *account, uint64_t duration_ns)
{
    const struct trial *trial = account->trial;
    enum stall_mechanism mechanism = explain_request(account, duration_ns);
    const struct end *receiver = &trial->receiver[account->index];
    bool many = pattern_sum(&trial->config->pattern).replies > 1 || trial->config->pattern.outstanding > 1;

    if (mechanism != STALL_UNKNOWN || trial->sender[account->index].half.start.of[SOCKOPT_MAX_PACING_RATE].known)
        return mechanism;
    if ((many && !was_on(receiver, SOCKOPT_NODELAY, true)) || was_on(receiver, SOCKOPT_CORK, false))
        return STALL_REPLY;
    return take_retransmit(account, 1) ? STALL_RETRANSMISSION : STALL_UNKNOWN;
}

/* The mechanism of a write that was split: the part in which most time was lost. */
static enum stall_mechanism
explain_split(struct account *account, const struct split *split)
{
    int largest = 0;

    for (int part = 1; part < SPLIT_PARTS; part++)
        if (split->part[part] > split->part[largest])
            largest = part;
    switch (largest) {
    case SPLIT_IN_WRITE:
        return STALL_SEND_BUFFER;
    case SPLIT_HOLD:
        if (!account->corks && account->window_ns != MISSING && account->window_ns >= split->part[SPLIT_HOLD] / 2)
            return STALL_WINDOW;
        return explain_request(account, split->part[SPLIT_HOLD]);
    case SPLIT_WAIT_READ:
        return STALL_READER;
    default: /* it had left, and did not arrive: lost, or kept by the device */
        return account->retransmits[0] == MISSING || take_retransmit(account, 0) ? STALL_RETRANSMISSION : STALL_UNKNOWN;
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

/* The reads of both ends, and where the search for the next standstill begins: it only goes forward. */
struct reads {
    const struct event_log *log[2]; /* of the receiver, and of the sender's reads of replies */
    size_t at[2];
};

/* The longest time in which nothing was read at either end. */
struct standstill {
    uint64_t lasted_ns;
    uint64_t offset; /* what the receiver had read when it began */
};

/* Looks for the longest standstill between `from_ns` and `to_ns`: only a connection that stands still waits for a
 * timer, a busy one has a queue. `from_ns` must not go back. */
static struct standstill
longest_standstill(struct reads *reads, uint64_t from_ns, uint64_t to_ns)
{
    const struct read_event *read[2] = {reads->log[0]->entry, reads->log[1]->entry};
    struct standstill longest = {.lasted_ns = 0};
    uint64_t last_ns = from_ns;
    size_t next[2];

    for (int side = 0; side < 2; side++) {
        while (reads->at[side] < reads->log[side]->count && read[side][reads->at[side]].after_ns <= from_ns)
            reads->at[side]++;
        next[side] = reads->at[side];
    }
    for (;;) {
        uint64_t next_ns = to_ns;
        int who = -1;
        for (int side = 0; side < 2; side++) {
            if (next[side] < reads->log[side]->count && read[side][next[side]].after_ns < next_ns) {
                next_ns = read[side][next[side]].after_ns;
                who = side;
            }
        }
        if (next_ns - last_ns > longest.lasted_ns)
            longest = (struct standstill){next_ns - last_ns, next[0] > 0 ? read[0][next[0] - 1].offset : 0};
        if (who < 0)
            return longest;
        last_ns = next_ns;
        next[who]++;
    }
}

/* Whether a reply is due when `bytes` of an exchange's request have been read. */
static bool
reply_is_due(const struct pattern *pattern, uint64_t bytes)
{
    uint64_t read_bytes = 0;

    for (uint64_t i = 0; i < pattern->count; i++) {
        uint64_t kind = pattern->item[i].kind;
        if (kind == PATTERN_WRITE || kind == PATTERN_MORE || kind == PATTERN_GATHER)
            read_bytes += pattern->item[i].value;
        else if (kind == PATTERN_REPLY && bytes > 0 && bytes == read_bytes)
            return true;
    }
    return false;
}

/* For how long bytes of the request that ends at `to` were seen to move, on the receiver's own clock: where the clocks
 * of the ends differ, the time for which nothing can stand still. */
static uint64_t
moving_time(const struct event_log *log, uint64_t from, uint64_t to, size_t *at)
{
    const struct read_event *read = log->entry;
    uint64_t longest_ns = 0, whole_ns = 0;

    while (*at < log->count && read[*at].offset <= from)
        ++*at;
    for (size_t r = *at + 1; r < log->count && read[r].offset <= to; r++) {
        uint64_t gap_ns = read[r].after_ns - read[r - 1].after_ns;
        if (gap_ns > longest_ns)
            longest_ns = gap_ns;
        whole_ns += gap_ns;
    }
    return whole_ns - longest_ns;
}

/* Exchanges of one connection. Returns false when it cannot be told which of them stood still. The slowest write of an
 * exchange explains it where the writes were split, else what had been read when the connection began to stand still.
 */
static bool
count_exchanges(const struct trial *trial, uint64_t index, struct stalls *stalls)
{
    const struct event_log nothing = {.count = 0};
    const struct end *sender = &trial->sender[index], *receiver = &trial->receiver[index];
    const struct write_event *exchange = sender->exchanges.entry;
    const struct write_event *write = sender->events.entry;
    const struct pattern *pattern = &trial->config->pattern;
    const struct pattern_sum sum = pattern_sum(pattern);
    struct account account = open_account(trial, index);
    bool whole = receiver->events.count > 0 && receiver->half.events_dropped == 0 && sender->replies.dropped == 0;
    bool seen = whole && trial->same_clock;
    struct reads reads = {.log = {seen ? &receiver->events : &nothing, &sender->replies}};
    size_t s = 0, m = 0, splits_count;

    if (!whole && sum.request_bytes + sum.reply_bytes > SOON_BYTES)
        return false; /* much may have been moved, or little have waited */
    struct split *splits = split_all(trial, index, &splits_count);
    for (size_t i = 0; i < sender->exchanges.count; i++) {
        uint64_t duration_ns = exchange[i].after_ns - exchange[i].before_ns;
        uint64_t to = exchange[i].offset * sum.request_bytes;
        uint64_t from = to - sum.request_bytes;
        if (duration_ns < stalls->threshold_ns)
            continue;
        struct standstill still = longest_standstill(&reads, exchange[i].before_ns, exchange[i].after_ns);
        if (!seen && whole) {
            uint64_t moving_ns = moving_time(&receiver->events, from, to, &m);
            still.lasted_ns -= clock_earlier_ns(moving_ns, still.lasted_ns);
        }
        if (still.lasted_ns < stalls->threshold_ns + sum.pause_ns)
            continue;
        duration_ns -= sum.pause_ns;
        const struct split *slowest = NULL;
        while (s < splits_count && write[splits[s].write].offset <= from)
            s++;
        for (size_t w = s; w < splits_count && write[splits[w].write].offset <= to; w++)
            if (slowest == NULL || splits[w].latency_ns > slowest->latency_ns)
                slowest = &splits[w];
        enum stall_mechanism mechanism;
        if (slowest != NULL && slowest->latency_ns >= stalls->threshold_ns / 2)
            mechanism = explain_split(&account, slowest);
        else if (slowest != NULL || (seen && (still.offset >= to || (still.offset > from && !account.corks &&
                                                                     reply_is_due(pattern, still.offset - from)))))
            mechanism = explain_reply(&account, still.lasted_ns);
        else
            mechanism = seen ? explain_request(&account, still.lasted_ns) : guess_exchange(&account, still.lasted_ns);
        count(stalls, duration_ns, mechanism);
    }
    free(splits);
    return true;
}

/* Messages or chunks of one connection. */
static void
count_writes(const struct trial *trial, uint64_t index, struct stalls *stalls)
{
    const struct event_log nothing = {.count = 0};
    const struct event_log *log = &trial->sender[index].events;
    const struct write_event *write = log->entry;
    const struct read_event *read = trial->receiver[index].events.entry;
    size_t reads_count = trial->receiver[index].events.count;
    struct reads reads = {.log = {&trial->receiver[index].events, &nothing}};
    struct account account = open_account(trial, index);
    size_t splits_count;
    struct split *splits = split_all(trial, index, &splits_count);
    size_t s = 0, r = 0;

    for (size_t w = 0; w < log->count; w++) {
        while (r < reads_count && read[r].offset < write[w].offset)
            r++;
        if (r == reads_count)
            break;
        uint64_t duration_ns = read[r].after_ns > write[w].before_ns ? read[r].after_ns - write[w].before_ns : 0;
        if (duration_ns < stalls->threshold_ns)
            continue;
        struct standstill still = longest_standstill(&reads, write[w].before_ns, read[r].after_ns);
        if (still.lasted_ns < stalls->threshold_ns)
            continue;
        while (s < splits_count && splits[s].write < w)
            s++;
        bool split = s < splits_count && splits[s].write == w;
        bool blocked = write[w].after_ns - write[w].before_ns >= duration_ns / 2;
        count(stalls, duration_ns,
              split     ? explain_split(&account, &splits[s])
              : blocked ? STALL_SEND_BUFFER
                        : explain_request(&account, still.lasted_ns));
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
        if (!exchanges) {
            count_writes(trial, i, stalls);
        } else if (!count_exchanges(trial, i, stalls)) {
            *stalls = (struct stalls){.count = MISSING};
            return;
        }
    }
}
