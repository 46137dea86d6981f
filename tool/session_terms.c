/* session_terms.c: what a HELLO asks for: checked against what this receiver serves, and made ready. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "cpu.h"
#include "err.h"
#include "machine.h"
#include "net.h"
#include "session_parts.h"
#include "shared.h"
#include "stamps.h"

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

int
session_take_terms(struct session *session, struct wire_reply *welcome)
{
    uint64_t boot_high, boot_low;

    if (check_hello(&session->hello) != 0) {
        session->hello.connections = 0;
        return -1;
    }
    session->greeted = true;
    make_plan(session);
    if (session->config->output != NULL && session->hello.workload == WORKLOAD_TRANSFER) {
        session->plan.sink.verify = VERIFY_FULL;
        session->hello.verify = VERIFY_FULL;
        welcome->verify_full = 1;
    }
    if (place(session) != 0 || make_room(session) != 0 || open_data_listener(session, &welcome->data) != 0)
        return -1;
    machine_boot_id(&boot_high, &boot_low);
    welcome->same_clock = (boot_high != 0 || boot_low != 0) && boot_high == session->hello.boot_high &&
                          boot_low == session->hello.boot_low;
    return 0;
}
