/* evidence.c: see evidence.h. */
#include "evidence.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "config.h"
#include "stall.h"
#include "tcpinfo.h"
#include "units.h"
#include "workload.h"

/* Three quarters of Linux's shortest delayed ACK (HZ / 25). */
#define STANDSTILL_NS (30 * NS_PER_MS)

/* A standstill on a delayed ACK lasts 40 ms and the rest of a tick; the next timer is the RTO's floor of 200 ms. */
#define DELAYED_ACK_MOST_NS (80 * NS_PER_MS)

static const struct {
    const char *name, *words;
} mechanisms[MECHANISMS] = {
    [MECHANISM_DELAYED_ACK] = {"delayed_ack", "what fits into the send buffer at once waits for a delayed ACK"},
    [MECHANISM_NAGLE_STALL] = {"nagle_delayed_ack", "Nagle holds what is below one MSS until a delayed ACK"},
    [MECHANISM_NAGLE] = {"nagle", "Nagle holds what is below one MSS until the ACK"},
    [MECHANISM_LATE_RCVBUF] = {"rcvbuf_too_late",
                               "the receive buffer is set too late: window and MSS were agreed for a "
                               "larger one, and segments do not fit"},
    [MECHANISM_WINDOW] = {"window", "the receiver's window is the limit"},
    [MECHANISM_RETRANSMISSION] = {"retransmission", "segments are sent again after a timer"},
    [MECHANISM_STANDSTILL] = {"standstill", "the connection stands still on a timer of the kernel"},
    [MECHANISM_QUEUE] = {"queue", "messages wait before write(): the rate is above what the connection carries"},
    [MECHANISM_WORK] = {"work",
                        "no timer: both ends are busy with more calls, segments or wake-ups for the same bytes"},
    [MECHANISM_UNKNOWN] = {"unknown", "nothing that was recorded explains it"},
};

const char *
mechanism_name(enum mechanism mechanism)
{
    return mechanisms[mechanism].name;
}

const char *
mechanism_words(enum mechanism mechanism)
{
    return mechanisms[mechanism].words;
}

static int
compare_counts(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static uint64_t
median(uint64_t *value, size_t count)
{
    if (count == 0)
        return MISSING;
    qsort(value, count, sizeof *value, compare_counts);
    return value[(count - 1) / 2];
}

/* Finds the standstills of one connection. A standstill begins with the read before it, or with the first write after
 * that, and ends with the next read. */
static void
find_standstills(const struct end *sender, const struct end *receiver, struct evidence *evidence)
{
    const struct read_event *read = receiver->events.entry;
    const struct write_event *write = sender->events.entry;
    size_t reads = receiver->events.count, w = 0, count = 0, between = 0;
    uint64_t *length_ns = malloc((2 * reads + 1) * sizeof *length_ns);
    uint64_t *bytes = length_ns + reads;
    uint64_t last_offset = MISSING;

    if (length_ns == NULL || sender->events.count == 0 || reads == 0 || receiver->half.events_dropped > 0)
        goto out;
    evidence->standstills = evidence->standstill_ns = 0;
    for (size_t r = 0; r < reads; r++) {
        uint64_t before = r > 0 ? read[r - 1].offset : 0;
        while (w + 1 < sender->events.count && write[w].offset <= before)
            w++;
        uint64_t from_ns = write[w].before_ns;
        if (r > 0 && read[r - 1].after_ns > from_ns)
            from_ns = read[r - 1].after_ns;
        if (read[r].after_ns < from_ns + STANDSTILL_NS)
            continue;
        length_ns[count++] = read[r].after_ns - from_ns;
        evidence->standstill_ns += read[r].after_ns - from_ns;
        if (last_offset != MISSING)
            bytes[between++] = before - last_offset;
        last_offset = before;
    }
    evidence->standstills = count;
    evidence->standstill_median_ns = median(length_ns, count);
    evidence->between_bytes = median(bytes, between);
out:
    free(length_ns);
}

static uint64_t
both(uint64_t a, uint64_t b)
{
    return a == MISSING || b == MISSING ? MISSING : a + b;
}

void
evidence_of(const struct trial *trial, const struct result *result, struct evidence *evidence)
{
    bool planned = result->latency_planned.count > 0;
    const struct quantiles *latency = planned ? &result->latency_planned : &result->latency;
    const struct tcpinfo *info = &trial->sender[0].half.info;

    *evidence = (struct evidence){
        .bytes = result->whole.bytes,
        .elapsed_ns = result->whole.elapsed_ns,
        .latency_ns = latency->count > 0 ? latency->p50 : MISSING,
        .late_ns = planned && result->lateness.count > 0 ? result->lateness.p50 : MISSING,
        .standstills = MISSING,
        .standstill_ns = MISSING,
        .standstill_median_ns = MISSING,
        .between_bytes = MISSING,
        .held_ns = result->split[SPLIT_HOLD].count > 0 ? result->split[SPLIT_HOLD].max : MISSING,
        .acknowledged_ns = result->until_ack.count > 0 ? result->until_ack.max : MISSING,
        .stalls = result->stalls.count,
        .chief = stalls_chief(&result->stalls),
        .segments = result->data_segments,
        .retransmits = result->retransmits,
        .acks = result->acks_received,
        .segment_bytes = result->bytes_per_segment,
        .snd_mss = tcpinfo_get(info, "snd_mss"),
        .rcv_mss = tcpinfo_get(&trial->receiver[0].half.info, "rcv_mss"),
        .window_bytes = tcpinfo_get(info, "snd_wnd"),
        .window_limited_ns = MISSING,
        .blocked_ns = result->write_blocked_ns,
        .cpu_ns = both(result->cpu_sender_ns, result->cpu_receiver_ns),
        .sndbuf = result->effective[0],
        .rcvbuf = result->effective[1],
    };
    uint64_t limited_us = tcpinfo_get(info, "rwnd_limited_us");
    if (limited_us != MISSING)
        evidence->window_limited_ns = limited_us * NS_PER_US;
    if (trial->config->workload == WORKLOAD_TRANSFER)
        evidence->speed = result->whole.goodput;
    else
        evidence->speed = evidence->latency_ns != MISSING && evidence->latency_ns > 0
                              ? 1e9 / (double)evidence->latency_ns
                              : (double)NAN;
    if (trial->same_clock)
        find_standstills(&trial->sender[0], &trial->receiver[0], evidence);
}

/* `part` of `whole`, 0 where either is not known. */
static double
share(uint64_t part, uint64_t whole)
{
    return part == MISSING || whole == MISSING || whole == 0 ? 0 : (double)part / (double)whole;
}

/* Most of the time nothing moves although it could. */
static enum mechanism
judge_standstill(const struct evidence *slow, const struct helped *helped)
{
    bool timer = slow->standstill_median_ns <= DELAYED_ACK_MOST_NS;
    bool resent = slow->retransmits != MISSING && slow->retransmits > 0;
    double limited = share(slow->window_limited_ns, slow->elapsed_ns);

    if (helped->early_rcvbuf && (limited >= 0.25 || resent))
        return MECHANISM_LATE_RCVBUF;
    if (limited >= 0.5)
        return MECHANISM_WINDOW;
    if (timer && helped->nodelay && (slow->held_ns == MISSING || slow->held_ns >= STANDSTILL_NS))
        return MECHANISM_NAGLE_STALL;
    if (timer && (helped->quickack || slow->chief == STALL_SEND_BUFFER))
        return MECHANISM_DELAYED_ACK;
    return resent ? MECHANISM_RETRANSMISSION : MECHANISM_STANDSTILL;
}

enum mechanism
evidence_judge(const struct evidence *slow, const struct helped *helped)
{
    if (share(slow->standstill_ns, slow->elapsed_ns) >= 0.5)
        return judge_standstill(slow, helped);
    if (slow->late_ns != MISSING && slow->latency_ns != MISSING && slow->late_ns * 2 >= slow->latency_ns)
        return MECHANISM_QUEUE;
    if (helped->nodelay)
        return MECHANISM_NAGLE;
    if (share(slow->window_limited_ns, slow->elapsed_ns) >= 0.5)
        return MECHANISM_WINDOW;
    if (share(slow->cpu_ns, slow->elapsed_ns) >= 0.7)
        return MECHANISM_WORK;
    return MECHANISM_UNKNOWN;
}

static double
percent(uint64_t part, uint64_t whole)
{
    return fmin(100 * share(part, whole), 100);
}

size_t
evidence_tell(const struct evidence *slow, const struct evidence *fast, char text[EVIDENCE_LINES][EVIDENCE_TEXT_BYTES])
{
    char unit[3][UNITS_TEXT_BYTES];
    size_t n = 0;

#define TELL(...) snprintf(text[n++], EVIDENCE_TEXT_BYTES, __VA_ARGS__)
    if (slow->standstills != MISSING && slow->standstills > 0)
        TELL("nothing arrived for %.0f %% of the time although bytes were under way: %" PRIu64
             " standstills of %s (median)",
             percent(slow->standstill_ns, slow->elapsed_ns), slow->standstills,
             units_format_time(unit[0], slow->standstill_median_ns));
    else if (slow->standstills == 0)
        TELL("no standstill: bytes arrived all the time");
    if (slow->between_bytes != MISSING)
        TELL("between two standstills %s arrived, in segments of %s on average (MSS %s)",
             units_format_size(unit[0], slow->between_bytes), units_format_size(unit[1], (uint64_t)slow->segment_bytes),
             slow->snd_mss != MISSING ? units_format_size(unit[2], slow->snd_mss) : "-");
    if (slow->held_ns != MISSING && slow->acknowledged_ns != MISSING)
        TELL("by kernel timestamps a byte waited up to %s for its ACK, and up to %s before TCP sent it",
             units_format_time(unit[0], slow->acknowledged_ns), units_format_time(unit[1], slow->held_ns));
    if (share(slow->window_limited_ns, slow->elapsed_ns) >= 0.1)
        TELL("the receiver's window limited the sender for %.0f %% of the time; at the end it was %s, one MSS is %s",
             percent(slow->window_limited_ns, slow->elapsed_ns), units_format_size(unit[0], slow->window_bytes),
             units_format_size(unit[1], slow->snd_mss));
    if (slow->retransmits != MISSING && slow->retransmits > 0)
        TELL("%" PRIu64 " of %" PRIu64 " segments were sent again", slow->retransmits, slow->segments);
    if (slow->blocked_ns != MISSING && slow->cpu_ns != MISSING)
        TELL("the sender slept in write() for %.0f %% of the time, both ends computed for %.0f %% of it",
             percent(slow->blocked_ns, slow->elapsed_ns), 100 * share(slow->cpu_ns, slow->elapsed_ns));
    if (isfinite(slow->segment_bytes) && isfinite(fast->segment_bytes))
        TELL("%s a segment, on the fast side %s", units_format_size(unit[0], (uint64_t)slow->segment_bytes),
             units_format_size(unit[1], (uint64_t)fast->segment_bytes));
#undef TELL
    return n;
}
