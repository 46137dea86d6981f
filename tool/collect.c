/* collect.c: see collect.h. */
#include "collect.h"

#include <string.h>

#include "clock.h"
#include "err.h"
#include "session.h"

/* Until when the next message is waited for. */
static uint64_t
limit_ns(const struct collector *from)
{
    return clock_earlier_ns(from->deadline_ns, clock_deadline_ns(REPORT_LIMIT_NS));
}

/* READS of one connection, as many as its half announced. */
static int
collect_reads(struct collector *from, struct end *end, uint64_t index)
{
    struct wire_reads message;
    struct read_event *reads;

    if (end->half.events_recorded > from->events_max)
        return err_set(STATUS_FAILED, "receiver: it announced more events than it was allowed to keep");
    if (event_log_prepare(&end->events, sizeof *reads, (size_t)end->half.events_recorded, 0) != 0)
        return -1;
    reads = end->events.entry;
    while (end->events.count < end->half.events_recorded) {
        size_t left = (size_t)end->half.events_recorded - end->events.count;
        if (control_receive(from->control, from->in, WIRE_READS, &message, limit_ns(from)) != 0)
            return err_context("receiver");
        if (message.index != index || message.count == 0 || message.count > WIRE_READS_EACH || message.count > left)
            return err_set(STATUS_FAILED, "receiver: it sent events out of order");
        memcpy(reads + end->events.count, message.read, (size_t)message.count * sizeof *reads);
        end->events.count += (size_t)message.count;
    }
    return 0;
}

static int
collect_samples(struct collector *from, struct end *end, uint64_t index)
{
    struct wire_sample message;
    struct sample *samples;

    if (end->half.samples_recorded > SAMPLES_MAX)
        return err_set(STATUS_FAILED, "receiver: it announced more samples than it was allowed to keep");
    if (event_log_prepare(&end->samples, sizeof *samples, (size_t)end->half.samples_recorded, 0) != 0)
        return -1;
    samples = end->samples.entry;
    while (end->samples.count < end->half.samples_recorded) {
        if (control_receive(from->control, from->in, WIRE_SAMPLE, &message, limit_ns(from)) != 0)
            return err_context("receiver");
        if (message.index != index)
            return err_set(STATUS_FAILED, "receiver: it sent samples out of order");
        samples[end->samples.count++] = message.sample;
    }
    return 0;
}

int
collect_end(struct collector *from, struct end *end, uint64_t index)
{
    struct wire_half message;

    if (control_receive(from->control, from->in, WIRE_HALF, &message, limit_ns(from)) != 0)
        return err_context("receiver");
    if (from->first_ns == MISSING)
        from->first_ns = clock_now_ns();
    if (message.index != index)
        return err_set(STATUS_FAILED, "receiver: it sent its results out of order");
    end->half = message.half;
    if (collect_reads(from, end, index) != 0 || collect_samples(from, end, index) != 0)
        return -1;
    end->known = true;
    return 0;
}
