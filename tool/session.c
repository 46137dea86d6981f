/* session.c: see session.h. */
#include "session.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "cpu.h"
#include "err.h"
#include "interrupt.h"
#include "machine.h"
#include "sending.h"
#include "shared.h"
#include "stamps.h"
#include "workers.h"

/* How often a session that waits looks whether a signal has come. */
#define LOOK_NS (100 * NS_PER_MS)

struct session *
session_new(const struct config *config, int control, const struct endpoint *peer)
{
    struct session *session = calloc(1, sizeof *session);

    if (session == NULL) {
        close(control);
        err_set(STATUS_REFUSED, "no memory for another session");
        return NULL;
    }
    control_prepare(control);
    session->config = config;
    session->control = control;
    session->data_listener = -1;
    session->peer = *peer;
    session->deadline_ns = clock_deadline_ns(HELLO_LIMIT_NS);
    return session;
}

static void
close_data(struct session *session)
{
    if (session->data_listener >= 0)
        close(session->data_listener);
    session->data_listener = -1;
    for (uint64_t i = 0; session->receiving != NULL && i < session->hello.connections; i++) {
        receiving_release(&session->receiving[i]);
        receiving_close(&session->receiving[i]);
        sink_settle(&session->receiving[i].sink, false);
    }
}

void
session_free(struct session *session)
{
    if (session == NULL)
        return;
    close_data(session);
    if (session->control >= 0)
        close(session->control);
    shared_free(session->receiving, session->hello.connections * sizeof *session->receiving);
    free(session->finish);
    free(session->expected);
    free(session->open);
    free(session->ended);
    free(session);
}

/* Notes the outcome; the first one counts. */
static void
settle(struct session *session, int status, const char *text)
{
    if (session->status != STATUS_DONE)
        return;
    session->status = status;
    memcpy(session->text, text, strnlen(text, sizeof session->text - 1) + 1);
}

/* A signal has come: the result is partial, and the sender is not waited for much longer. */
static void
hurry(struct session *session)
{
    if (session->interrupted || !interrupt_seen())
        return;
    session->interrupted = true;
    settle(session, STATUS_INTERRUPTED, "interrupted by a signal; the result is partial");
    session->deadline_ns = clock_earlier_ns(session->deadline_ns, clock_deadline_ns(INTERRUPTED_LIMIT_NS));
}

void
session_abort(struct session *session, const char *text)
{
    hurry(session);
    settle(session, STATUS_FAILED, text);
    session->state = SESSION_DONE;
}

static void
queue(struct session *session, enum wire_type type, const void *message)
{
    session->out_length = wire_encode(type, message, session->out);
    session->out_sent = 0;
}

/* Puts the session's outcome into a reply. */
static struct wire_reply
reply_of(const struct session *session)
{
    struct wire_reply reply;

    memset(&reply, 0, sizeof reply);
    reply.status = (uint64_t)session->status;
    reply.interrupted = session->interrupted;
    memcpy(reply.text, session->text, sizeof reply.text);
    return reply;
}

static void flush_out(struct session *session);

/* Tells the sender why there will be no trial (or no more of it), with the thread's kept error, and ends. The message
 * leaves before the data connections are closed, so that who sees them break can read why. */
static void
refuse(struct session *session, enum wire_type type)
{
    settle(session, (int)err_status(), err_text());
    struct wire_reply reply = reply_of(session);
    queue(session, type, &reply);
    session->state = SESSION_REPORT;
    session->cursor.connection = session->hello.connections + 1; /* nothing follows */
    session->deadline_ns = clock_deadline_ns(HELLO_LIMIT_NS);
    flush_out(session);
    close_data(session);
}

/* Whether every value of a HELLO lies within what this receiver serves. */
static int
check_hello(const struct wire_hello *hello)
{
    if (hello->connections < 1 || hello->connections > CONNECTIONS_MAX || hello->read_size < 1 ||
        hello->read_size > READ_SIZE_MAX || hello->events_max < 1 || hello->events_max > EVENTS_MAX_MAX ||
        hello->connections * hello->events_max > 4 * EVENTS_MAX_MAX ||
        hello->connections * hello->read_size > SESSION_MEMORY_MAX || hello->timeout_ns > TIMEOUT_MAX_NS ||
        hello->wait > WAIT_SPIN || hello->sched > SCHED_BATCH_POLICY || hello->verify == VERIFY_AUTO ||
        hello->verify > VERIFY_OFF || hello->log > 1 || (hello->cpu != MISSING && hello->cpu > 65535) ||
        hello->workload >= WORKLOAD_COUNT || hello->stamps > 1 ||
        (hello->workload == WORKLOAD_EXCHANGE && !pattern_is_sound(&hello->pattern)))
        return err_set(STATUS_FAILED, "the receiver was asked for something outside its bounds");
    return 0;
}

static void
make_plan(struct session *session)
{
    const struct wire_hello *hello = &session->hello;

    session->plan = (struct receive_plan){
        .sink = {.stream_bytes = hello->stream_bytes,
                 .read_size = hello->read_size,
                 .connections = hello->connections,
                 .verify = (int)hello->verify,
                 .output = session->config->output},
        .requested = hello->receiver,
        .log = hello->log == 1,
        .spin = hello->wait == WAIT_SPIN,
        .stamps = hello->stamps == 1,
        .rearms = hello->rearm_quickack == 1,
        .rcvbuf_late = hello->rcvbuf_late == 1,
        .pattern = hello->pattern,
        .events_max = hello->events_max,
        .sample_every_ns = hello->sample_every_ns,
        .deadline_ns = clock_deadline_ns(hello->timeout_ns),
    };
}

static int
make_room(struct session *session)
{
    size_t count = (size_t)session->hello.connections;

    session->receiving = shared_new(count * sizeof *session->receiving);
    if (session->receiving == NULL)
        return -1;
    for (size_t i = 0; i < count; i++) {
        session->receiving[i].fd = -1;
        session->receiving[i].sink.output_fd = -1;
    }
    session->finish = calloc(count, sizeof *session->finish);
    session->expected = calloc(count, sizeof *session->expected);
    session->open = calloc(count, sizeof *session->open);
    session->ended = calloc(count, sizeof *session->ended);
    if (session->finish == NULL || session->expected == NULL || session->open == NULL || session->ended == NULL)
        return err_set(STATUS_REFUSED, "no memory for %zu connections", count);
    return 0;
}

/* Opens a listener for the data connections beside the control connection. */
static int
open_data_listener(struct session *session, struct endpoint *bound)
{
    struct endpoint at;

    struct sockopt_values options = session->plan.requested;

    if (session->plan.rcvbuf_late)
        options.of[SOCKOPT_RCVBUF].known = false;
    if (net_local(session->control, &at) != 0)
        return -1;
    net_any_port(&at);
    session->data_listener = net_listen(&at, &options, (int)session->hello.connections, bound);
    if (session->data_listener < 0)
        return -1;
    /* The kernel begins to stamp some time after the first socket asks for it: ask before the data connections come. */
    if (session->plan.stamps && stamps_enable_receiving(session->data_listener) != 0)
        return err_context("receiver");
    return net_set_nonblocking(session->data_listener, true);
}

/* Puts this process or thread where the sender wants its receiver to run. */
static int
place(const struct session *session)
{
    const struct wire_hello *hello = &session->hello;

    if (hello->cpu == MISSING && hello->sched == SCHED_NORMAL_POLICY)
        return 0;
    if (session->config->concurrency == CONCURRENCY_POLL && !session->config->once)
        return err_set(STATUS_REFUSED, "receiver: one session of a polling receiver cannot be pinned to a CPU nor "
                                       "scheduled apart; use --cpus free --sched normal, or another --concurrency");
    if (hello->cpu != MISSING && cpu_pin((int)hello->cpu, "receiver") != 0)
        return -1;
    return cpu_schedule((enum sched)hello->sched, "receiver");
}

static void
take_hello(struct session *session)
{
    struct wire_reply reply = {.status = STATUS_DONE};
    uint64_t boot_high, boot_low;

    if (wire_take(&session->in, WIRE_HELLO, &session->hello) != 0 || check_hello(&session->hello) != 0) {
        session->hello.connections = 0;
        refuse(session, WIRE_WELCOME);
        return;
    }
    session->greeted = true;
    make_plan(session);
    if (session->config->output != NULL && session->hello.workload == WORKLOAD_TRANSFER) {
        session->plan.sink.verify = VERIFY_FULL;
        session->hello.verify = VERIFY_FULL;
        reply.verify_full = 1;
    }
    if (place(session) != 0 || make_room(session) != 0 || open_data_listener(session, &reply.data) != 0) {
        refuse(session, WIRE_WELCOME);
        return;
    }
    machine_boot_id(&boot_high, &boot_low);
    reply.same_clock = (boot_high != 0 || boot_low != 0) && boot_high == session->hello.boot_high &&
                       boot_low == session->hello.boot_low;
    queue(session, WIRE_WELCOME, &reply);
    session->state = SESSION_OPEN;
    session->deadline_ns = clock_deadline_ns(OPEN_LIMIT_NS);
}

static void
take_open(struct session *session)
{
    struct wire_open message;

    if (wire_take(&session->in, WIRE_OPEN, &message) != 0) {
        session_abort(session, err_text());
        return;
    }
    if (message.index != session->announced || message.index >= session->hello.connections) {
        session_abort(session, "the sender announced its connections out of order");
        return;
    }
    session->expected[session->announced++] = message.sender;
}

/* The data connection that comes from `peer`, or hello.connections when it is a stranger's. */
static uint64_t
find_expected(const struct session *session, const struct endpoint *peer)
{
    uint64_t i = 0;

    while (i < session->announced && (session->open[i] || !endpoint_equal(&session->expected[i], peer)))
        i++;
    return i < session->announced ? i : session->hello.connections;
}

/* All connections are there: prepare the reading, then say so. */
static void
get_ready(struct session *session)
{
    bool polls = session->config->concurrency == CONCURRENCY_POLL;
    struct wire_reply reply = {.status = STATUS_DONE};

    close(session->data_listener);
    session->data_listener = -1;
    if (polls) {
        for (uint64_t i = 0; i < session->hello.connections; i++) {
            if (receiving_prepare(&session->receiving[i]) != 0) {
                refuse(session, WIRE_READY);
                return;
            }
        }
    } else if (workers_start(session) != 0) {
        refuse(session, WIRE_READY);
        return;
    }
    queue(session, WIRE_READY, &reply);
    session->state = SESSION_DATA;
    session->deadline_ns = clock_deadline_ns(PROGRESS_LIMIT_NS);
}

/* Accepts what is waiting at the data listener; a connection that was not announced is closed. */
static void
accept_data(struct session *session)
{
    while (session->accepted < session->hello.connections) {
        struct endpoint peer;
        int fd = net_accept(session->data_listener, &peer);
        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
            continue;
        if (fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (fd < 0) {
            err_system(errno, "receiver: cannot accept a data connection");
            refuse(session, WIRE_READY);
            return;
        }
        uint64_t index = find_expected(session, &peer);
        if (index == session->hello.connections) {
            close(fd);
            continue;
        }
        struct receiving *receiving = &session->receiving[index];
        receiving->plan = &session->plan;
        receiving->workload = workload_of((enum workload_kind)session->hello.workload);
        receiving->waits = session->config->concurrency == CONCURRENCY_POLL;
        session->open[index] = true;
        session->accepted++;
        if (receiving_open(receiving, fd) != 0) {
            refuse(session, WIRE_READY);
            return;
        }
    }
    get_ready(session);
}

/* Compares both ends' accounts of connection `index`. Returns 0, or -1 with the error kept. */
static int
judge(struct session *session, uint64_t index)
{
    const struct receiving *receiving = &session->receiving[index];
    const struct wire_finish *finish = &session->finish[index];
    const struct half *half = &receiving->half;

    if (half->bytes != finish->bytes)
        return err_set(STATUS_FAILED, "%" PRIu64 " bytes were sent on connection %" PRIu64 " and %" PRIu64 " arrived",
                       finish->bytes, index, half->bytes);
    if (half->checked_bytes != MISSING &&
        (half->checked_bytes != finish->checked_bytes || half->digest_high != finish->digest_high ||
         half->digest_low != finish->digest_low))
        return err_set(STATUS_FAILED, "the content of connection %" PRIu64 " differs from what was sent", index);
    return 0;
}

/* Both accounts are complete: judge, store the files, and begin to report. */
static void
begin_report(struct session *session)
{
    for (uint64_t i = 0; i < session->hello.connections; i++) {
        session->interrupted = session->interrupted || session->finish[i].interrupted == 1;
        if (judge(session, i) != 0)
            settle(session, (int)err_status(), err_text());
    }
    if (session->interrupted)
        settle(session, STATUS_INTERRUPTED, "the sender was interrupted; the result is partial");
    for (uint64_t i = 0; i < session->hello.connections; i++)
        if (sink_settle(&session->receiving[i].sink, session->status == STATUS_DONE) != 0)
            settle(session, (int)err_status(), err_text());
    session->state = SESSION_REPORT;
    session->deadline_ns = clock_deadline_ns(REPORT_LIMIT_NS);
}

static void
take_finish(struct session *session)
{
    struct wire_finish message;

    if (wire_take(&session->in, WIRE_FINISH, &message) != 0) {
        session_abort(session, err_text());
        return;
    }
    if (message.index != session->finished || message.index >= session->hello.connections) {
        session_abort(session, "the sender finished its connections out of order");
        return;
    }
    session->finish[session->finished++] = message;
}

/* Encodes the next message of the report, if there is one. Returns whether there was. */
static bool
queue_report(struct session *session)
{
    struct report_cursor *cursor = &session->cursor;
    uint64_t connections = session->hello.connections;

    while (cursor->connection < connections) {
        struct receiving *receiving = &session->receiving[cursor->connection];
        if (!cursor->half_sent) {
            struct wire_half message = {.index = cursor->connection, .half = receiving->half};
            cursor->half_sent = true;
            queue(session, WIRE_HALF, &message);
            return true;
        }
        if (cursor->reads_sent < receiving->half.events_recorded) {
            struct wire_reads message = {.index = cursor->connection};
            uint64_t left = receiving->half.events_recorded - cursor->reads_sent;
            message.count = left < WIRE_READS_EACH ? left : WIRE_READS_EACH;
            const struct read_event *reads = receiving->reads.entry;
            memcpy(message.read, reads + cursor->reads_sent, message.count * sizeof *reads);
            cursor->reads_sent += message.count;
            queue(session, WIRE_READS, &message);
            return true;
        }
        if (cursor->samples_sent < receiving->half.samples_recorded) {
            const struct sample *samples = receiving->samples.entry;
            struct wire_sample message = {.index = cursor->connection, .sample = samples[cursor->samples_sent++]};
            queue(session, WIRE_SAMPLE, &message);
            return true;
        }
        *cursor = (struct report_cursor){.connection = cursor->connection + 1};
    }
    if (cursor->connection == connections) {
        struct wire_reply reply = reply_of(session);
        cursor->connection++;
        queue(session, WIRE_DONE, &reply);
        return true;
    }
    return false;
}

/* Sends what is queued and what follows it, as far as the socket takes it. */
static void
flush_out(struct session *session)
{
    for (;;) {
        if (session->out_sent == session->out_length) {
            if (session->state != SESSION_REPORT)
                return;
            if (!queue_report(session)) {
                session->reported = true;
                session->state = SESSION_DONE;
                return;
            }
        }
        ssize_t sent = send(session->control, session->out + session->out_sent, session->out_length - session->out_sent,
                            MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (sent < 0) {
            session_abort(session, "the sender went away");
            return;
        }
        session->out_sent += (size_t)sent;
    }
}

/* Reads and handles every message that is there, but none that belongs to a later state. */
static void
take_messages(struct session *session)
{
    while (session->state != SESSION_REPORT && session->state != SESSION_DONE) {
        bool due = session->state == SESSION_HELLO ||
                   (session->state == SESSION_OPEN && session->announced < session->hello.connections) ||
                   ((session->state == SESSION_DATA || session->state == SESSION_FINISH) &&
                    session->finished < session->hello.connections);
        if (!due)
            return;
        int complete = wire_receive(session->control, &session->in);
        if (complete < 0 && session->state == SESSION_HELLO) {
            refuse(session, WIRE_WELCOME);
            return;
        }
        if (complete < 0) {
            session_abort(session, err_text());
            return;
        }
        if (complete == 0)
            return;
        if (session->state == SESSION_HELLO)
            take_hello(session);
        else if (session->state == SESSION_OPEN)
            take_open(session);
        else
            take_finish(session);
    }
}

/* The reading is over on every connection, or has failed on one: then the sender need not go on. */
static void
end_data(struct session *session)
{
    for (uint64_t i = 0; i < session->hello.connections; i++) {
        const struct receiving *receiving = &session->receiving[i];
        if (receiving->failed_status == STATUS_DONE)
            continue;
        err_set((enum status)receiving->failed_status, "receiver: %s", receiving->failed_text);
        refuse(session, WIRE_DONE);
        return;
    }
    session->state = SESSION_FINISH;
    session->deadline_ns = clock_deadline_ns(REPORT_LIMIT_NS);
}

size_t
session_interest_max(const struct session *session)
{
    return 2 + (session->state == SESSION_DATA ? (size_t)session->hello.connections : 0);
}

size_t
session_interest(const struct session *session, struct pollfd *wait)
{
    size_t count = 0;
    short events = session->state == SESSION_REPORT ? 0 : POLLIN;

    if (session->out_sent < session->out_length || session->state == SESSION_REPORT)
        events |= POLLOUT;
    /* All accounts are in and the data still flows: only the end of the connection would be news. */
    if (session->state == SESSION_DATA && session->finished == session->hello.connections)
        events = (short)(events & ~POLLIN);
    wait[count++] = (struct pollfd){.fd = session->control, .events = events};
    if (session->state == SESSION_OPEN && session->announced == session->hello.connections)
        wait[count++] = (struct pollfd){.fd = session->data_listener, .events = POLLIN};
    bool reads = session->state == SESSION_DATA && session->config->concurrency == CONCURRENCY_POLL;
    for (uint64_t i = 0; reads && i < session->hello.connections; i++)
        if (!session->ended[i])
            wait[count++] = (struct pollfd){.fd = session->receiving[i].fd,
                                            .events = session->receiving[i].replying ? POLLOUT : POLLIN};
    return count;
}

/* Reads the connections that poll() named. */
static void
continue_data(struct session *session, const struct pollfd *wait, size_t count)
{
    size_t at = 1; /* behind the control connection */

    for (uint64_t i = 0; i < session->hello.connections; i++) {
        if (session->ended[i])
            continue;
        bool ready = at < count && wait[at].revents != 0;
        at++;
        if (!ready)
            continue;
        session->deadline_ns = clock_earlier_ns(clock_deadline_ns(PROGRESS_LIMIT_NS), session->plan.deadline_ns);
        if (receiving_continue(&session->receiving[i])) {
            session->ended[i] = true;
            session->ended_count++;
        }
        if (session->receiving[i].failed_status != STATUS_DONE) {
            end_data(session);
            return;
        }
    }
    if (session->ended_count == session->hello.connections)
        end_data(session);
}

static void
pass_deadline(struct session *session)
{
    static const char *const missed[] = {
        [SESSION_HELLO] = "a connection said nothing that tinygram says, for 2 s",
        [SESSION_OPEN] = "the sender did not make its data connections within 5 s",
        [SESSION_DATA] = "no byte arrived in time",
        [SESSION_FINISH] = "the sender did not finish the trial",
        [SESSION_REPORT] = "the sender did not take the result",
    };
    session_abort(session, missed[session->state]);
}

void
session_continue(struct session *session, const struct pollfd *wait, size_t count)
{
    enum session_state state = session->state;

    hurry(session);
    if (count > 0 && wait[0].revents != 0 && (wait[0].events & POLLIN) != 0)
        take_messages(session);
    else if (count > 0 && (wait[0].revents & (POLLERR | POLLHUP)) != 0 && state == SESSION_DATA)
        session_abort(session, "the sender went away");
    if (session->state == SESSION_OPEN && session->announced == session->hello.connections)
        accept_data(session);
    else if (session->state == SESSION_DATA && state == SESSION_DATA &&
             session->config->concurrency == CONCURRENCY_POLL)
        continue_data(session, wait, count);
    if (session->state == SESSION_FINISH && session->finished == session->hello.connections)
        begin_report(session);
    if (session->state != SESSION_DONE)
        flush_out(session);
    if (session->state != SESSION_DONE && clock_now_ns() >= session->deadline_ns)
        pass_deadline(session);
}

void
session_run(struct session *session)
{
    while (session->state != SESSION_DONE) {
        struct pollfd wait[2];

        if (session->state == SESSION_DATA && session->out_sent == session->out_length) {
            workers_finish(session);
            end_data(session);
        }
        size_t count = session_interest(session, wait);
        /* The signal may have been another thread's: look for it now and then. */
        poll(wait, (nfds_t)count, clock_poll_ms(clock_earlier_ns(session->deadline_ns, clock_deadline_ns(LOOK_NS))));
        session_continue(session, wait, count);
        if (interrupt_seen() && session->state < SESSION_DATA)
            session_abort(session, "interrupted");
    }
}
