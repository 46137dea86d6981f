/* split.c: see split.h. */
#include "split.h"

#include <stdbool.h>
#include <stdlib.h>

#include "stamps.h"

/* Stamps that are out of order by less are noise of the two clocks. */
#define UNORDERED_NS NS_PER_US

const char *
split_part_name(enum split_part part)
{
    static const char *const names[SPLIT_PARTS] = {"in_write_ns", "hold_ns", "to_device_ns", "to_kernel_ns",
                                                   "wait_read_ns"};
    return names[part];
}

uint64_t
split_convert(const struct trial *trial, uint64_t real_ns)
{
    /* Between two readings of both clocks NTP may have slewed one: take the middle; the error bound says by how much
     * it can be wrong. */
    uint64_t first = trial->bridge[0].ahead_ns;
    uint64_t last = trial->bridge[1].ahead_ns;
    uint64_t ahead_ns = first + (uint64_t)((int64_t)(last - first) / 2);
    return real_ns - ahead_ns;
}

/* Finds the stamp of `kind` that covers the byte before `offset`: the first at or behind it, searching on from *at,
 * which never goes back. Returns NULL when there is none. */
static const struct stamp *
find_stamp(const struct event_log *log, enum stamp_kind kind, uint64_t offset, size_t *at)
{
    const struct stamp *stamps = log->entry;

    for (; *at < log->count; ++*at)
        if (stamps[*at].kind == kind && stamps[*at].offset >= offset)
            return &stamps[*at];
    return NULL;
}

/* Lays the borders one behind the other; returns whether one had to be moved by more than noise. */
static bool
lay_borders(const uint64_t border[SPLIT_PARTS + 1], uint64_t part[SPLIT_PARTS])
{
    uint64_t last_ns = border[0];
    bool moved = false;

    for (int i = 0; i < SPLIT_PARTS; i++) {
        uint64_t next_ns = border[i + 1];
        if (next_ns < last_ns) {
            moved = moved || last_ns - next_ns > UNORDERED_NS;
            next_ns = last_ns;
        }
        if (next_ns > border[SPLIT_PARTS] && border[SPLIT_PARTS] >= last_ns) {
            moved = moved || next_ns - border[SPLIT_PARTS] > UNORDERED_NS;
            next_ns = border[SPLIT_PARTS];
        }
        part[i] = next_ns - last_ns;
        last_ns = next_ns;
    }
    return moved;
}

size_t
split_writes(const struct trial *trial, uint64_t index, struct split *out, uint64_t *merged, uint64_t *unordered)
{
    const struct event_log *writes = &trial->sender[index].events;
    const struct event_log *reads = &trial->receiver[index].events;
    const struct event_log *stamps = &trial->sender[index].stamps;
    const struct write_event *write = writes->entry;
    const struct read_event *read = reads->entry;
    size_t at[STAMP_ACK + 1] = {0};
    size_t r = 0;
    size_t count = 0;

    for (size_t w = 0; w < writes->count; w++) {
        const struct stamp *found[STAMP_ACK + 1];
        for (int kind = STAMP_SCHED; kind <= STAMP_ACK; kind++)
            found[kind] = find_stamp(stamps, (enum stamp_kind)kind, write[w].offset, &at[kind]);
        while (r < reads->count && read[r].offset < write[w].offset)
            r++;
        if (found[STAMP_SCHED] == NULL || found[STAMP_DEVICE] == NULL || r == reads->count || read[r].kernel_ns == 0)
            continue;
        bool own = found[STAMP_SCHED]->offset == write[w].offset;
        if (found[STAMP_SCHED]->offset != found[STAMP_DEVICE]->offset || (!own && stamps->lost > 0))
            continue; /* one of them is of another segment */
        uint64_t handed_ns = split_convert(trial, found[STAMP_SCHED]->realtime_ns);
        const uint64_t border[SPLIT_PARTS + 1] = {
            write[w].before_ns,
            clock_earlier_ns(write[w].after_ns, handed_ns),
            handed_ns,
            split_convert(trial, found[STAMP_DEVICE]->realtime_ns),
            split_convert(trial, read[r].kernel_ns),
            read[r].after_ns,
        };
        struct split *split = &out[count++];
        *split = (struct split){.write = w,
                                .latency_ns = read[r].after_ns - write[w].before_ns,
                                .until_ack_ns = MISSING,
                                .handed_ns = handed_ns};
        *merged += !own;
        *unordered += lay_borders(border, split->part);
        if (found[STAMP_ACK] != NULL && found[STAMP_ACK]->offset == found[STAMP_SCHED]->offset) {
            uint64_t ack_ns = split_convert(trial, found[STAMP_ACK]->realtime_ns);
            split->until_ack_ns = ack_ns > write[w].before_ns ? ack_ns - write[w].before_ns : 0;
        }
    }
    return count;
}

static int
by_latency(const void *left, const void *right)
{
    const struct split *a = left, *b = right;
    return (a->latency_ns > b->latency_ns) - (a->latency_ns < b->latency_ns);
}

static bool
is_of(const struct split *split, enum split_kind kind)
{
    return (split->part[SPLIT_HOLD] > SPLIT_HELD_NS) == (kind == SPLIT_HELD);
}

void
split_sum_up(struct split *splits, size_t count, struct split_typical typical[SPLIT_KINDS])
{
    if (count > 0)
        qsort(splits, count, sizeof *splits, by_latency);
    for (int kind = 0; kind < SPLIT_KINDS; kind++) {
        struct split_typical *sum = &typical[kind];
        *sum = (struct split_typical){.writes = 0};
        for (size_t s = 0; s < count; s++)
            sum->writes += is_of(&splits[s], (enum split_kind)kind);
        uint64_t from = sum->writes * 2 / 5, to = (sum->writes * 3 + 4) / 5, rank = 0;
        for (size_t s = 0; s < count && rank < to; s++) {
            if (!is_of(&splits[s], (enum split_kind)kind) || rank++ < from)
                continue;
            for (int part = 0; part < SPLIT_PARTS; part++)
                sum->part[part] += splits[s].part[part];
            sum->latency_ns += splits[s].latency_ns;
        }
        for (int part = 0; part < SPLIT_PARTS && to > from; part++)
            sum->part[part] = (sum->part[part] + (to - from) / 2) / (to - from);
        if (to > from)
            sum->latency_ns = (sum->latency_ns + (to - from) / 2) / (to - from);
    }
}
