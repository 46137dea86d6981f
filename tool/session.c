/* session.c: see session.h. */
#include "session_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "err.h"
#include "interrupt.h"
#include "sending.h"
#include "shared.h"
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
void
session_settle(struct session *session, int status, const char *text)
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
    session_settle(session, STATUS_INTERRUPTED, "interrupted by a signal; the result is partial");
    session->deadline_ns = clock_earlier_ns(session->deadline_ns, clock_deadline_ns(INTERRUPTED_LIMIT_NS));
}

void
session_abort(struct session *session, const char *text)
{
    hurry(session);
    session_settle(session, STATUS_FAILED, text);
    session->state = SESSION_DONE;
}

void
session_queue(struct session *session, enum wire_type type, const void *message)
{
    session->out_length = wire_encode(type, message, session->out);
    session->out_sent = 0;
}

/* Puts the session's outcome into a reply. */
struct wire_reply
session_reply(const struct session *session)
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
    session_settle(session, (int)err_status(), err_text());
    struct wire_reply reply = session_reply(session);
    session_queue(session, type, &reply);
    session->state = SESSION_REPORT;
    session->cursor.connection = session->hello.connections + 1; /* nothing follows */
    session->deadline_ns = clock_deadline_ns(HELLO_LIMIT_NS);
    flush_out(session);
    close_data(session);
}

static void
take_hello(struct session *session)
{
    struct wire_reply welcome = {.status = STATUS_DONE};

    bool whole = wire_take(&session->in, WIRE_HELLO, &session->hello) == 0;
    if (!whole)
        session->hello.connections = 0;
    if (!whole || session_take_terms(session, &welcome) != 0) {
        refuse(session, WIRE_WELCOME);
        return;
    }
    session_queue(session, WIRE_WELCOME, &welcome);
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
    session_queue(session, WIRE_READY, &reply);
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

static void
flush_out(struct session *session)
{
    for (;;) {
        if (session->out_sent == session->out_length) {
            if (session->state != SESSION_REPORT)
                return;
            if (!session_queue_report(session)) {
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
        session_begin_report(session);
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
