/*
 * stream.c: the workload `stream`: messages on a schedule, in an open loop.
 *
 * Timestamps: `planned` is when the schedule wanted a message to begin, `before` was read just before its write and
 * `after` just after. A sender that is blocked falls behind its schedule and sends late messages at once; the latency
 * from `planned` contains the queue that it would otherwise hide (coordinated omission).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "config.h"
#include "err.h"
#include "interrupt.h"
#include "pace.h"
#include "receiving.h"
#include "sending.h"
#include "source.h"
#include "stamps.h"
#include "transfer.h"
#include "workload.h"

static int
send_prepare(struct sending *sending)
{
    const struct config *config = sending->config;
    size_t room = (size_t)config->events_max;
    uint64_t count = config->pacing.count;

    sending->duration_ns = MISSING; /* the schedule ends it: every message that was planned in time is sent */
    sending->half.call_ns = 0;
    if (count == MISSING)
        count = (uint64_t)((double)config->duration_ns * 1e-9 * config->pacing.rate) + 1;
    if (event_log_prepare(&sending->writes, sizeof(struct write_event), room, (size_t)count) != 0 ||
        event_log_prepare(&sending->planned, sizeof(uint64_t), room, (size_t)count) != 0 ||
        event_log_prepare(&sending->samples, sizeof(struct sample),
                          config->sample_every_ns != MISSING ? SAMPLES_MAX : 0, SAMPLES_MAX) != 0)
        return -1;
    pace_prepare();
    return sending_prepare_stamps(sending);
}

/* Sends one message whole. Returns 1, 0 when an interruption cut it, -1 with an error. */
static int
send_message(struct sending *sending)
{
    struct half *half = &sending->half;
    size_t len = (size_t)sending->config->message_size;
    unsigned tries = 0;

    for (size_t done = 0; done < len;) {
        ssize_t sent = send(sending->fd, sending->source->data + done, len - done, MSG_NOSIGNAL);
        if (sent >= 0) {
            half->calls++;
            half->short_calls += (size_t)sent < len - done;
            half->bytes += (uint64_t)sent;
            done += (size_t)sent;
            continue;
        }
        int code = errno;
        if (interrupt_seen())
            return 0;
        if (code == EINTR)
            continue;
        if (code != EAGAIN || sending->config->wait != WAIT_SPIN)
            return sending_explain(sending, code);
        if (++tries % TRIES_PER_LOOK == 0 && clock_now_ns() >= sending->deadline_ns)
            return sending_explain(sending, EAGAIN);
    }
    return 1;
}

static enum step
send_step(struct sending *sending, uint64_t units)
{
    const struct config *config = sending->config;
    struct half *half = &sending->half;

    if (sending->begin_ns == 0) {
        sending->begin_ns = clock_now_ns() + NS_PER_MS; /* the first message must not be late */
        sending->schedule = schedule_begin((enum schedule_kind)config->pacing.schedule, config->pacing.rate,
                                           config->pacing.burst, config->seed);
    }
    for (; units > 0; units--) {
        uint64_t planned_ns = schedule_next(&sending->schedule);
        if (sending->units_done == config->pacing.count ||
            (config->duration_ns != MISSING && planned_ns >= config->duration_ns) || interrupt_seen())
            return STEP_END;
        planned_ns += sending->begin_ns;
        pace_until(clock_earlier_ns(planned_ns, sending->deadline_ns), config->wait == WAIT_SPIN);
        uint64_t before_ns = clock_now_ns();
        if (half->first_ns == MISSING)
            half->first_ns = before_ns;
        int whole = send_message(sending);
        uint64_t after_ns = clock_now_ns();
        if (whole < 0)
            return STEP_FAILED;
        half->last_ns = after_ns;
        half->call_ns += after_ns - before_ns;
        event_log_write(&sending->writes, half->bytes, before_ns, after_ns);
        uint64_t *planned = event_log_next(&sending->planned);
        if (planned != NULL)
            *planned = planned_ns;
        if (whole == 0)
            return STEP_END;
        sending->units_done++;
        if (sending->stamps.capacity > 0)
            stamps_collect(sending->fd, &sending->stamps);
        if (config->sample_every_ns != MISSING && after_ns >= sending->next_sample_ns) {
            event_log_sample(&sending->samples, sending->fd, half->bytes, after_ns);
            sending->next_sample_ns = after_ns + config->sample_every_ns;
        }
        if (after_ns >= sending->deadline_ns) {
            sending_explain(sending, EAGAIN);
            return STEP_FAILED;
        }
    }
    return STEP_MORE;
}

static int
send_finish(struct sending *sending)
{
    if (sending->config->stamps)
        stamps_collect_to_end(sending->fd, &sending->stamps, sending->half.bytes, clock_deadline_ns(NS_PER_S));
    half_count_events(&sending->half, &sending->writes, &sending->samples);
    return 0;
}

const struct workload workload_stream = {
    .name = "stream",
    .interrupt_how = SHUT_WR,
    .send_prepare = send_prepare,
    .send_step = send_step,
    .send_finish = send_finish,
    .receive_prepare = transfer_receive_prepare,
    .receive_step = transfer_receive_step,
    .receive_finish = transfer_receive_finish,
};
