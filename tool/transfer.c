/*
 * transfer.c: the workload `transfer`: a file (or memory), in writes of one size, and reads until its end.
 *
 * Timestamps: a chunk's `before` is read just before its first sending call (where nothing lies between, it is the
 * `after` of the chunk before), `after` just after its last one returned; a read's `after` just after the call
 * returned. Nothing is allocated, printed or formatted between the first and the last of them. Without an event log,
 * the clock is read only where a limit in time needs it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "config.h"
#include "err.h"
#include "interrupt.h"
#include "receiving.h"
#include "sendcall.h"
#include "sending.h"
#include "sockopt.h"
#include "source.h"
#include "stamps.h"
#include "transfer.h"
#include "workload.h"

/* Chunks without a log between two looks at the clock. */
#define CHUNKS_PER_LOOK 64

static int
prepare_logs(struct sending *sending)
{
    const struct config *config = sending->config;
    uint64_t chunks = 0;

    if (sending->stream_bytes != MISSING)
        chunks = sending->stream_bytes / config->write_size + sending->stream_bytes / sending->source->bytes + 1;
    uint64_t stride = chunks / config->events_max + 1;
    if (event_log_prepare(&sending->writes, sizeof(struct write_event), config->log ? (size_t)config->events_max : 0,
                          (size_t)(chunks > 0 ? chunks / stride + 1 : 65536)) != 0)
        return -1;
    sending->writes.stride = stride;
    size_t samples = config->sample_every_ns != MISSING ? SAMPLES_MAX : 0;
    return event_log_prepare(&sending->samples, sizeof(struct sample), samples, samples);
}

static int
send_prepare(struct sending *sending)
{
    sending->stream_bytes = sending->source->stream_bytes;
    sending->duration_ns = sending->config->duration_ns;
    sending->source_at = 0;
    sending->next_sample_ns = 0;
    if (sending->config->log)
        sending->half.call_ns = 0;
    if (sending->config->wait == WAIT_SPIN)
        sending->half.blocked_ns = 0;
    sending->call = send_call(sending->config->send_with);
    if (sending_prepare_stamps(sending) != 0 || prepare_logs(sending) != 0)
        return -1;
    return sending->call->prepare(sending);
}

/* Hands over up to `len` bytes from `at` on, trying again as long as it makes sense. Returns what was taken,
 * 0 when an interruption ended the sending in order, -1 with an error. */
static ssize_t
send_some(struct sending *sending, uint64_t at, size_t len)
{
    uint64_t first_try_ns = 0;

    for (unsigned tries = 1;; tries++) {
        ssize_t taken = sending->call->send(sending, at, len);
        if (taken > 0) {
            if (first_try_ns != 0)
                sending->half.blocked_ns += clock_now_ns() - first_try_ns;
            return taken;
        }
        int code = taken == 0 ? EIO : errno; /* 0: sendfile and splice found the end of the file too early */
        if (interrupt_seen())
            return 0;
        if (code == EINTR)
            continue;
        if (code != EAGAIN || sending->config->wait != WAIT_SPIN)
            return sending_explain(sending, code);
        if (first_try_ns == 0)
            first_try_ns = clock_now_ns();
        if (tries % TRIES_PER_LOOK == 0) {
            uint64_t now_ns = clock_now_ns();
            if (now_ns >= sending->deadline_ns || now_ns - first_try_ns >= PROGRESS_LIMIT_NS)
                return sending_explain(sending, EAGAIN);
        }
    }
}

/* The length of the next chunk: a write, the rest of the source, or the rest of the stream. */
static size_t
next_length(const struct sending *sending)
{
    uint64_t len = sending->config->write_size;
    uint64_t in_source = sending->source->bytes - sending->source_at;

    if (len > in_source)
        len = in_source;
    if (sending->stream_bytes != MISSING && len > sending->stream_bytes - sending->half.bytes)
        len = sending->stream_bytes - sending->half.bytes;
    return (size_t)len;
}

/* Sends one chunk whole. Returns 1, 0 when it was cut short by an interruption, -1 with an error. */
static int
send_chunk(struct sending *sending, size_t len)
{
    struct half *half = &sending->half;

    for (size_t done = 0; done < len;) {
        ssize_t taken = send_some(sending, sending->source_at, len - done);
        if (taken <= 0)
            return (int)taken;
        half->calls++;
        half->short_calls += (size_t)taken < len - done;
        half->bytes += (uint64_t)taken;
        sending->source_at += (uint64_t)taken;
        done += (size_t)taken;
    }
    if (sending->source_at == sending->source->bytes)
        sending->source_at = 0;
    return 1;
}

static enum step
send_step(struct sending *sending, uint64_t units)
{
    struct half *half = &sending->half;
    bool logs = sending->writes.capacity > 0;
    uint64_t every_ns = sending->config->sample_every_ns;
    uint64_t until_look = CHUNKS_PER_LOOK;
    uint64_t now_ns = 0; /* read a moment ago, with nothing in between; 0: to be read */

    for (; units > 0; units--) {
        if (half->bytes == sending->stream_bytes)
            return STEP_END;
        size_t len = next_length(sending);
        uint64_t before_ns = now_ns;
        if (now_ns == 0 && (logs || half->first_ns == MISSING))
            before_ns = clock_now_ns();
        if (half->first_ns == MISSING)
            half->first_ns = before_ns;
        int whole = send_chunk(sending, len);
        if (whole < 0)
            return STEP_FAILED;
        sending->units_done += (uint64_t)whole;
        if (!logs && whole == 1 && half->bytes != sending->stream_bytes && --until_look > 0 &&
            sending->stop_ns == MISSING)
            continue;
        until_look = CHUNKS_PER_LOOK;
        uint64_t after_ns = clock_now_ns();
        half->last_ns = after_ns;
        now_ns = after_ns;
        if (logs) {
            half->call_ns += after_ns - before_ns;
            event_log_write(&sending->writes, half->bytes, before_ns, after_ns);
        }
        if (whole == 0 || after_ns >= sending->stop_ns)
            return STEP_END;
        if (after_ns >= sending->deadline_ns) {
            sending_explain(sending, EAGAIN);
            return STEP_FAILED;
        }
        if (sending->stamps.capacity > 0) {
            stamps_collect(sending->fd, &sending->stamps);
            now_ns = 0;
        }
        if (every_ns != MISSING && after_ns >= sending->next_sample_ns) {
            event_log_sample(&sending->samples, sending->fd, half->bytes, after_ns);
            sending->next_sample_ns = after_ns + every_ns;
            now_ns = 0;
        }
    }
    return STEP_MORE;
}

static int
send_finish(struct sending *sending)
{
    int result = sending->call->finish(sending);

    if (sending->config->stamps)
        stamps_collect_to_end(sending->fd, &sending->stamps, sending->half.bytes, clock_deadline_ns(NS_PER_S));
    half_count_events(&sending->half, &sending->writes, &sending->samples);
    return result;
}

int
transfer_receive_prepare(struct receiving *receiving)
{
    receiving->next_sample_ns = 0;
    return sink_open(&receiving->plan->sink, &receiving->sink);
}

enum step
transfer_receive_step(struct receiving *receiving, uint64_t units)
{
    struct half *half = &receiving->half;
    uint64_t every_ns = receiving->plan->sample_every_ns;
    unsigned tries = 0;

    while (units > 0) {
        size_t len;
        void *space = sink_space(&receiving->sink, &len);
        uint64_t kernel_ns = 0;
        if (receiving->plan->rearms && sockopt_quickack(receiving->fd) != 0)
            return STEP_FAILED;
        ssize_t got = receiving->plan->stamps ? stamps_read(receiving->fd, space, len, &kernel_ns)
                                              : read(receiving->fd, space, len);
        if (got == 0)
            return STEP_END;
        if (got < 0) {
            enum step step = receiving_nothing(receiving, errno, ++tries);
            if (step != STEP_MORE)
                return step;
            continue;
        }
        uint64_t after_ns = clock_now_ns();
        if (half->first_ns == MISSING)
            half->first_ns = after_ns;
        half->last_ns = after_ns;
        half->bytes += (uint64_t)got;
        half->calls++;
        event_log_read(&receiving->reads,
                       (struct read_event){.offset = half->bytes, .after_ns = after_ns, .kernel_ns = kernel_ns});
        if (sink_take(&receiving->sink, (size_t)got) != 0)
            return STEP_FAILED;
        if (every_ns != MISSING && after_ns >= receiving->next_sample_ns) {
            event_log_sample(&receiving->samples, receiving->fd, half->bytes, after_ns);
            receiving->next_sample_ns = after_ns + every_ns;
        }
        if (after_ns >= receiving->plan->deadline_ns) {
            err_set(STATUS_FAILED, "--timeout passed after %" PRIu64 " received bytes", half->bytes);
            return STEP_FAILED;
        }
        units--;
    }
    return STEP_MORE;
}

int
transfer_receive_finish(struct receiving *receiving)
{
    struct half *half = &receiving->half;
    struct digest_value digest;
    bool checked, was_inline;

    half_count_events(half, &receiving->reads, &receiving->samples);
    tcpinfo_read(receiving->fd, &half->info);
    if (sink_finish(&receiving->sink, &digest, &checked, &was_inline) != 0)
        return -1;
    half->digest_inline = was_inline;
    if (checked) {
        half->digest_high = digest.high;
        half->digest_low = digest.low;
        half->checked_bytes = digest.checked_bytes;
    }
    return 0;
}

const struct workload workload_transfer = {
    .name = "transfer",
    .interrupt_how = SHUT_WR,
    .send_prepare = send_prepare,
    .send_step = send_step,
    .send_finish = send_finish,
    .receive_prepare = transfer_receive_prepare,
    .receive_step = transfer_receive_step,
    .receive_finish = transfer_receive_finish,
};
