/*
 * exchange.c: the workload `exchange`: a pattern of writes and a reply, again and again, in a closed loop or at a
 * rate.
 *
 * Timestamps: an exchange begins just before its first item (a write, as a rule) and ends just after the read that
 * returned the last byte of its last reply. Nothing else happens between two of them but two clock reads, one entry
 * in a preallocated log and one in a histogram of fixed size; each write is stamped apart only where the split, the
 * stalls or the events file need it.
 */
#include "exchange.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "clock.h"
#include "config.h"
#include "err.h"
#include "histogram.h"
#include "interrupt.h"
#include "pace.h"
#include "receiving.h"
#include "sending.h"
#include "sockopt.h"
#include "source.h"
#include "stamps.h"
#include "transfer.h"
#include "workload.h"

/* Stamps wait in the receive buffer: they are collected at the latest after so many writes. */
#define STAMPED_WRITES 16

/* The parts of a long reply are logged at most so often: whether it stands still for a timer can be told all the same.
 */
#define PART_NS NS_PER_MS

/* The sender's state beside what every workload has. */
struct exchange {
    struct pattern_sum sum;
    unsigned char *reply; /* room for one read */
    uint64_t begun;       /* exchanges whose request was begun */
    uint64_t *start_ns;   /* [outstanding] ring of their beginnings */
    uint64_t turn_ns;     /* when the next is to begin; 0: not yet decided */
    uint64_t planned_ns;  /* the same, of a schedule */
    struct random random; /* think times */
    bool detail;          /* every write is logged */
    uint64_t first_reply; /* item */
    uint64_t last_reply;
    unsigned uncollected; /* writes since the stamps were collected */
    uint64_t part_ns;     /* when the last logged part of a reply was read */
};

static int
make_state(struct sending *sending)
{
    const struct config *config = sending->config;
    struct pattern_sum sum = pattern_sum(&config->pattern);
    size_t ring = (size_t)config->pattern.outstanding * sizeof(uint64_t);
    struct exchange *exchange = calloc(1, sizeof *exchange + ring + (size_t)sum.reply_bytes);

    sending->exchange = exchange;
    sending->durations = malloc(sizeof *sending->durations);
    if (exchange == NULL || sending->durations == NULL)
        return err_set(STATUS_REFUSED, "no memory for exchanges of %" PRIu64 " bytes", sum.reply_bytes);
    histogram_clear(sending->durations);
    exchange->sum = sum;
    exchange->first_reply = config->pattern.count;
    for (uint64_t i = 0; i < config->pattern.count; i++) {
        if (config->pattern.item[i].kind != PATTERN_REPLY)
            continue;
        if (exchange->first_reply > i)
            exchange->first_reply = i;
        exchange->last_reply = i;
    }
    exchange->start_ns = (uint64_t *)(void *)(exchange + 1);
    exchange->reply = (unsigned char *)(exchange + 1) + ring;
    exchange->random = (struct random){.state = config->seed};
    exchange->detail = config->log && (config->stamps || config->events_path != NULL);
    for (uint64_t i = 0; i < sum.reply_bytes; i++) /* the pages are there before the first timestamp */
        ((volatile unsigned char *)exchange->reply)[i] = 0;
    return 0;
}

static size_t
expected(const struct sending *sending, uint64_t each)
{
    uint64_t count = sending->config->pacing.count != MISSING ? sending->config->pacing.count : 16384;
    if (each == 0)
        return 0;
    return count < EVENTS_MAX_MAX / each ? (size_t)(count * each) : EVENTS_MAX_MAX;
}

static int
send_prepare(struct sending *sending)
{
    const struct config *config = sending->config;
    size_t room = config->log ? (size_t)config->events_max : 0;

    sending->duration_ns = config->duration_ns;
    if (make_state(sending) != 0)
        return -1;
    if (config->log)
        sending->half.call_ns = 0;
    sending->half.reply_bytes = 0;
    sending->half.reply_calls = 0;
    bool detail = sending->exchange->detail;
    if (event_log_prepare(&sending->writes, sizeof(struct write_event), detail ? room : 0,
                          expected(sending, sending->exchange->sum.writes)) != 0 ||
        event_log_prepare(&sending->exchanges, sizeof(struct write_event), room, expected(sending, 1)) != 0 ||
        event_log_prepare(&sending->replies, sizeof(struct read_event), room, 0) != 0 ||
        event_log_prepare(&sending->planned, sizeof(uint64_t), config->pacing.rate > 0 ? room : 0,
                          expected(sending, 1)) != 0 ||
        event_log_prepare(&sending->samples, sizeof(struct sample),
                          config->sample_every_ns != MISSING ? SAMPLES_MAX : 0, SAMPLES_MAX) != 0)
        return -1;
    pace_prepare();
    return sending_prepare_stamps(sending);
}

/* A call on the data socket moved nothing. Returns 1 to try again, 0 when an interruption ends the exchange in order,
 * -1 with an error. */
static int
try_again(const struct sending *sending, int code, unsigned tries)
{
    if (interrupt_seen())
        return 0;
    if (code == EINTR)
        return 1;
    if (code != EAGAIN || sending->config->wait != WAIT_SPIN)
        return sending_explain(sending, code);
    if (tries % TRIES_PER_LOOK == 0 && clock_now_ns() >= sending->deadline_ns)
        return sending_explain(sending, EAGAIN);
    return 1;
}

static void
collect_stamps(struct sending *sending)
{
    sending->exchange->uncollected = 0;
    stamps_collect(sending->fd, &sending->stamps);
}

/* Hands `count` parts to the kernel in one call, and in further ones what the first left over. */
static int
send_parts(struct sending *sending, struct iovec *part, size_t count, int flags)
{
    struct half *half = &sending->half;
    uint64_t before_ns = sending->exchange->detail ? clock_now_ns() : 0;
    unsigned tries = 0;

    while (count > 0) {
        struct msghdr message = {.msg_iov = part, .msg_iovlen = count};
        ssize_t sent = sendmsg(sending->fd, &message, MSG_NOSIGNAL | flags);
        if (sent < 0) {
            int again = try_again(sending, errno, ++tries);
            if (again <= 0)
                return again;
            continue;
        }
        half->calls++;
        half->bytes += (uint64_t)sent;
        for (size_t left = (size_t)sent; count > 0 && left >= part->iov_len; count--)
            left -= part++->iov_len, sent = (ssize_t)left;
        if (count > 0) {
            half->short_calls++;
            part->iov_base = (unsigned char *)part->iov_base + sent;
            part->iov_len -= (size_t)sent;
        }
    }
    if (sending->exchange->detail) {
        uint64_t after_ns = clock_now_ns();
        half->call_ns += after_ns - before_ns;
        event_log_write(&sending->writes, half->bytes, before_ns, after_ns);
        if (sending->stamps.capacity > 0 && ++sending->exchange->uncollected == STAMPED_WRITES)
            collect_stamps(sending);
    }
    return 1;
}

/* A part of a reply was read, and more must come: bytes moved. */
static void
log_part(struct sending *sending)
{
    struct exchange *exchange = sending->exchange;
    uint64_t now_ns = clock_now_ns();

    if (now_ns - exchange->part_ns < PART_NS)
        return;
    exchange->part_ns = now_ns;
    event_log_read(&sending->replies, (struct read_event){.offset = sending->half.reply_bytes, .after_ns = now_ns});
}

static int
read_reply(struct sending *sending, uint64_t len)
{
    unsigned tries = 0;

    for (uint64_t got = 0; got < len;) {
        ssize_t part = recv(sending->fd, sending->exchange->reply, (size_t)(len - got), 0);
        if (part > 0) {
            got += (uint64_t)part;
            sending->half.reply_bytes += (uint64_t)part;
            sending->half.reply_calls++;
            if (got < len && sending->replies.capacity > 0)
                log_part(sending);
            continue;
        }
        if (part == 0 && !interrupt_seen())
            return sending_explain(sending, ECONNRESET);
        int again = part == 0 ? 0 : try_again(sending, errno, ++tries);
        if (again <= 0)
            return again;
    }
    return 1;
}

/* One writev: the parts from item `first` on. Moves *first to its last part. */
static int
gather(struct sending *sending, uint64_t *first)
{
    const struct pattern *pattern = &sending->config->pattern;
    struct iovec part[PATTERN_ITEMS_MAX];
    unsigned char *data = (unsigned char *)(uintptr_t)sending->source->data; /* sendmsg only reads it */
    size_t count = 0;
    uint64_t at = 0;

    for (uint64_t i = *first;; i++) {
        part[count++] = (struct iovec){data + at, (size_t)pattern->item[i].value};
        at += pattern->item[i].value;
        *first = i;
        if (pattern->item[i].joined == 0)
            return send_parts(sending, part, count, 0);
    }
}

/* Follows the pattern's items from *at on, up to item `end`. Returns 1, 0 when an interruption ended it, -1 with an
 * error. */
static int
follow(struct sending *sending, uint64_t *at, uint64_t end)
{
    const struct pattern *pattern = &sending->config->pattern;
    unsigned char *data = (unsigned char *)(uintptr_t)sending->source->data;
    int result = 1;

    for (; *at < end && result == 1; ++*at) {
        const struct pattern_item *item = &pattern->item[*at];
        struct iovec part = {data, (size_t)item->value};
        switch (item->kind) {
        case PATTERN_WRITE:
            result = send_parts(sending, &part, 1, 0);
            break;
        case PATTERN_MORE:
            result = send_parts(sending, &part, 1, MSG_MORE);
            break;
        case PATTERN_GATHER:
            result = gather(sending, at);
            break;
        case PATTERN_CORK:
        case PATTERN_UNCORK:
            if (sockopt_cork(sending->fd, item->kind == PATTERN_CORK) != 0)
                return -1;
            break;
        case PATTERN_PAUSE:
            pace_until(clock_now_ns() + item->value, sending->config->wait == WAIT_SPIN);
            break;
        case PATTERN_REPLY:
            result = read_reply(sending, item->value);
            break;
        default: /* the receiver's affair */
            break;
        }
    }
    return result;
}

/* Decides when the next exchange is to begin, once: exchange->turn_ns, of which exchange->planned_ns is the planned
 * moment of a schedule. */
static void
take_turn(struct sending *sending)
{
    const struct pacing *pacing = &sending->config->pacing;
    struct exchange *exchange = sending->exchange;

    if (exchange->turn_ns != 0)
        return;
    exchange->turn_ns = clock_now_ns();
    if (pacing->rate > 0) {
        exchange->turn_ns = exchange->planned_ns = sending->begin_ns + schedule_next(&sending->schedule);
    } else if (pacing->think_max_ns > 0) {
        double spread_ns = (double)(pacing->think_max_ns - pacing->think_min_ns);
        uint64_t extra_ns = (uint64_t)(random_unit(&exchange->random) * spread_ns);
        exchange->turn_ns += pacing->think_min_ns + extra_ns;
    }
}

/* Waits until the next exchange is to begin, or until the time is up. Returns false when a reply that is outstanding
 * came first: it must not wait for the turn of another. */
static bool
await_turn(struct sending *sending)
{
    const struct pacing *pacing = &sending->config->pacing;
    struct exchange *exchange = sending->exchange;
    bool spin = sending->config->wait == WAIT_SPIN;

    if (pacing->rate <= 0 && pacing->think_max_ns == 0)
        return true;
    take_turn(sending);
    uint64_t until_ns = clock_earlier_ns(exchange->turn_ns, clock_earlier_ns(sending->stop_ns, sending->deadline_ns));
    while (exchange->begun > sending->units_done) {
        enum pace_end end = pace_until_readable(sending->fd, until_ns, spin);
        if (end == PACE_READABLE)
            return false;
        if (end == PACE_DUE)
            break;
        collect_stamps(sending); /* as long as one waits, the socket cannot be waited for */
    }
    pace_until(until_ns, spin);
    exchange->turn_ns = 0;
    return true;
}

/* Begins exchanges until as many are outstanding as may be. Returns as follow(). */
static int
begin_exchanges(struct sending *sending)
{
    struct exchange *exchange = sending->exchange;
    uint64_t outstanding = sending->config->pattern.outstanding;

    while (exchange->begun - sending->units_done < outstanding && exchange->begun < sending->config->pacing.count &&
           (sending->half.last_ns == MISSING || sending->half.last_ns < sending->stop_ns)) {
        if (!await_turn(sending))
            return 1;
        uint64_t start_ns = clock_now_ns();
        uint64_t at = 0;
        if (interrupt_seen())
            return 0;
        if (start_ns >= sending->stop_ns && exchange->begun > 0)
            return 1; /* the time was up while it waited for its turn */
        if (sending->half.first_ns == MISSING)
            sending->half.first_ns = start_ns;
        uint64_t *planned = sending->planned.capacity > 0 ? event_log_next(&sending->planned) : NULL;
        if (planned != NULL)
            *planned = exchange->planned_ns;
        exchange->start_ns[exchange->begun % outstanding] = start_ns;
        int result = follow(sending, &at, exchange->first_reply);
        if (result != 1)
            return result;
        exchange->begun++;
    }
    return 1;
}

/* Ends the oldest outstanding exchange. Returns as follow(). */
static int
end_exchange(struct sending *sending)
{
    struct exchange *exchange = sending->exchange;
    const struct pattern *pattern = &sending->config->pattern;
    uint64_t start_ns = exchange->start_ns[sending->units_done % pattern->outstanding];
    uint64_t at = exchange->first_reply;

    int result = follow(sending, &at, exchange->last_reply + 1);
    if (result != 1)
        return result;
    uint64_t end_ns = clock_now_ns();
    sending->half.last_ns = end_ns;
    sending->units_done++;
    event_log_write(&sending->exchanges, sending->units_done, start_ns, end_ns);
    if (sending->units_done > EXCHANGES_APART)
        histogram_add(sending->durations, end_ns - start_ns);
    return follow(sending, &at, pattern->count); /* what stands behind the last reply is not timed */
}

static enum step
send_step(struct sending *sending, uint64_t units)
{
    uint64_t every_ns = sending->config->sample_every_ns;

    if (sending->begin_ns == 0) {
        sending->begin_ns = clock_now_ns();
        sending->schedule = schedule_begin((enum schedule_kind)sending->config->pacing.schedule,
                                           sending->config->pacing.rate > 0 ? sending->config->pacing.rate : 1.0,
                                           sending->config->pacing.burst, sending->config->seed);
    }
    for (; units > 0; units--) {
        int result = begin_exchanges(sending);
        if (result == 1 && sending->exchange->begun == sending->units_done)
            return STEP_END;
        if (result == 1)
            result = end_exchange(sending);
        if (result < 0)
            return STEP_FAILED;
        if (result == 0)
            return STEP_END;
        uint64_t now_ns = sending->half.last_ns;
        if (sending->stamps.capacity > 0)
            collect_stamps(sending);
        if (now_ns >= sending->deadline_ns) {
            sending_explain(sending, EAGAIN);
            return STEP_FAILED;
        }
        if (every_ns != MISSING && now_ns >= sending->next_sample_ns) {
            event_log_sample(&sending->samples, sending->fd, sending->half.bytes, now_ns);
            sending->next_sample_ns = now_ns + every_ns;
        }
    }
    return STEP_MORE;
}

/* A receiver that speaks first cannot know that there will be no further exchange: what it says at the beginning of one
 * is read and not counted, or it could not end. */
static void
read_last_words(struct sending *sending)
{
    const struct pattern *pattern = &sending->config->pattern;
    const struct half account = sending->half;

    for (uint64_t i = 0; i < pattern->count && pattern->item[i].kind == PATTERN_REPLY; i++)
        if (read_reply(sending, pattern->item[i].value) != 1)
            break;
    err_clear();
    sending->half = account;
}

static int
send_finish(struct sending *sending)
{
    if (sending->exchange->begun == sending->units_done)
        read_last_words(sending);
    if (sending->config->stamps)
        stamps_collect_to_end(sending->fd, &sending->stamps, sending->half.bytes, clock_deadline_ns(NS_PER_S));
    half_count_events(&sending->half, &sending->writes, &sending->samples);
    return 0;
}

/* Goes on to the pattern's next stretch: a request to be read, or a reply to be written. */
static void
next_stretch(struct receiving *receiving)
{
    const struct pattern *pattern = &receiving->plan->pattern;

    receiving->rearms = false;
    receiving->replying = pattern->item[receiving->item].kind == PATTERN_REPLY;
    receiving->missing = 0;
    if (receiving->replying) {
        receiving->missing = pattern->item[receiving->item].value;
        receiving->item = (receiving->item + 1) % pattern->count;
        return;
    }
    do {
        const struct pattern_item *item = &pattern->item[receiving->item];
        if (item->kind == PATTERN_WRITE || item->kind == PATTERN_MORE || item->kind == PATTERN_GATHER)
            receiving->missing += item->value;
        receiving->rearms = receiving->rearms || item->kind == PATTERN_QUICKACK;
        receiving->item = (receiving->item + 1) % pattern->count;
    } while (receiving->item != 0 && pattern->item[receiving->item].kind != PATTERN_REPLY);
}

/* Goes on when a stretch is complete, at once: who polls must know whether a read or a write comes next. */
static void
begin_stretch(struct receiving *receiving)
{
    while (receiving->missing == 0)
        next_stretch(receiving);
}

static int
receive_prepare(struct receiving *receiving)
{
    struct pattern_sum sum = pattern_sum(&receiving->plan->pattern);

    receiving->next_sample_ns = 0;
    receiving->half.reply_bytes = 0;
    receiving->half.reply_calls = 0;
    receiving->reply = calloc(1, (size_t)sum.reply_bytes);
    if (receiving->reply == NULL)
        return err_set(STATUS_REFUSED, "receiver: no memory for replies of %" PRIu64 " bytes", sum.reply_bytes);
    begin_stretch(receiving);
    return sink_open(&receiving->plan->sink, &receiving->sink);
}

/* One write of the rest of a reply. Returns the step that a write of nothing means, or STEP_MORE. */
static enum step
write_reply(struct receiving *receiving, unsigned *tries)
{
    ssize_t sent = send(receiving->fd, receiving->reply, (size_t)receiving->missing, MSG_NOSIGNAL);

    if (sent < 0) {
        if (interrupt_seen())
            return STEP_END;
        return receiving_nothing(receiving, errno, ++*tries);
    }
    *tries = 0;
    receiving->half.reply_calls++;
    receiving->half.reply_bytes += (uint64_t)sent;
    receiving->missing -= (uint64_t)sent;
    return STEP_MORE;
}

static enum step
read_request(struct receiving *receiving, unsigned *tries)
{
    struct half *half = &receiving->half;
    size_t len;
    void *space = sink_space(&receiving->sink, &len);
    uint64_t kernel_ns = 0;

    if (len > receiving->missing)
        len = (size_t)receiving->missing;
    if ((receiving->rearms || receiving->plan->rearms) && sockopt_quickack(receiving->fd) != 0)
        return STEP_FAILED;
    ssize_t got = receiving->plan->stamps ? stamps_read(receiving->fd, space, len, &kernel_ns)
                                          : recv(receiving->fd, space, len, 0);
    if (got == 0)
        return STEP_END;
    if (got < 0)
        return receiving_nothing(receiving, errno, ++*tries);
    *tries = 0;
    uint64_t after_ns = clock_now_ns();
    if (half->first_ns == MISSING)
        half->first_ns = after_ns;
    half->last_ns = after_ns;
    half->bytes += (uint64_t)got;
    half->calls++;
    receiving->missing -= (uint64_t)got;
    event_log_read(&receiving->reads,
                   (struct read_event){.offset = half->bytes, .after_ns = after_ns, .kernel_ns = kernel_ns});
    if (sink_take(&receiving->sink, (size_t)got) != 0)
        return STEP_FAILED;
    if (receiving->plan->sample_every_ns != MISSING && after_ns >= receiving->next_sample_ns) {
        event_log_sample(&receiving->samples, receiving->fd, half->bytes, after_ns);
        receiving->next_sample_ns = after_ns + receiving->plan->sample_every_ns;
    }
    if (after_ns < receiving->plan->deadline_ns)
        return STEP_MORE;
    err_set(STATUS_FAILED, "--timeout passed after %" PRIu64 " received bytes", half->bytes);
    return STEP_FAILED;
}

static enum step
receive_step(struct receiving *receiving, uint64_t units)
{
    unsigned tries = 0;

    for (; units > 0; units--) {
        enum step step = receiving->replying ? write_reply(receiving, &tries) : read_request(receiving, &tries);
        if (step != STEP_MORE)
            return step;
        begin_stretch(receiving);
    }
    return STEP_MORE;
}

const struct workload workload_exchange = {
    .name = "exchange",
    .interrupt_how = SHUT_RDWR,
    .send_prepare = send_prepare,
    .send_step = send_step,
    .send_finish = send_finish,
    .receive_prepare = receive_prepare,
    .receive_step = receive_step,
    .receive_finish = transfer_receive_finish,
};
