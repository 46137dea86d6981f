/* sending.c: see sending.h. */
#include "sending.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "config.h"
#include "cpu.h"
#include "err.h"
#include "interrupt.h"
#include "sendcall.h"
#include "sockopt.h"
#include "source.h"
#include "stamps.h"
#include "tcpinfo.h"
#include "trial.h"

int
sending_open(struct sending *sending, const struct endpoint *to)
{
    const struct config *config = sending->config;
    uint64_t now_ns = clock_now_ns();
    uint64_t left_ns = sending->deadline_ns > now_ns ? sending->deadline_ns - now_ns : NS_PER_MS;

    sending->pipe[0] = sending->pipe[1] = -1;
    sending->half = half_empty();
    sending->stop_ns = MISSING;
    sending->fd = net_connect(to, &config->sender, sending->deadline_ns);
    if (sending->fd < 0)
        return -1;
    if (net_local(sending->fd, &sending->local) != 0 ||
        sockopt_apply(sending->fd, &config->sender, SOCKOPT_CONNECTED, "sender") != 0)
        return -1;
    sockopt_read(sending->fd, &sending->half.start);
    if (sockopt_verify(&config->sender, &sending->half.start, "sender") != 0)
        return -1;
    if (sockopt_limit_wait(sending->fd, left_ns < PROGRESS_LIMIT_NS ? left_ns : PROGRESS_LIMIT_NS) != 0)
        return -1;
    if (config->wait == WAIT_SPIN && net_set_nonblocking(sending->fd, true) != 0)
        return -1;
    if (interrupt_watch(sending->fd, sending->workload->interrupt_how) != 0)
        return -1;
    if (config->stamps && stamps_enable_sending(sending->fd) != 0)
        return err_context("sender");
    return sending->workload->send_prepare(sending);
}

/* What the thread did not spend on a CPU nor in the queue for one, it slept; it sleeps nowhere but in the calls. */
static uint64_t
time_asleep(const struct usage *used)
{
    if (used->cpu_ns == MISSING || used->run_queue_ns == MISSING)
        return MISSING;
    uint64_t awake_ns = used->cpu_ns + used->run_queue_ns;
    return used->at_ns > awake_ns ? used->at_ns - awake_ns : 0;
}

int
sending_run(struct sending *sending)
{
    struct half *half = &sending->half;
    struct usage before, after;
    enum step step;

    usage_before(&before);
    if (sending->duration_ns != MISSING)
        sending->stop_ns = before.at_ns + sending->duration_ns;
    do
        step = sending->workload->send_step(sending, STEP_ALL);
    while (step == STEP_MORE);
    usage_after(&after);

    struct usage used = usage_between(&before, &after);
    half->cpu_ns = used.cpu_ns;
    half->run_queue_ns = used.run_queue_ns;
    half->switches = used.switches;
    if (sending->config->wait == WAIT_BLOCK)
        half->blocked_ns = time_asleep(&used);
    if (step == STEP_FAILED)
        return -1;
    int result = sending->workload->send_finish(sending);
    sockopt_read(sending->fd, &half->end);
    if (shutdown(sending->fd, SHUT_WR) != 0 && !interrupt_seen() && result == 0)
        result = err_system(errno, "cannot half-close the data connection");
    return result;
}

void
sending_account(struct sending *sending, struct end *end)
{
    const struct event_log none = {.capacity = 0};

    end->known = sending->half.first_ns != 0 && sending->half.first_ns != MISSING;
    end->half = sending->half;
    end->units = sending->units_done;
    end->events = sending->writes;
    end->samples = sending->samples;
    end->exchanges = sending->exchanges;
    end->replies = sending->replies;
    end->planned = sending->planned;
    end->stamps = sending->stamps;
    end->durations = sending->durations;
    sending->writes = sending->samples = sending->exchanges = sending->replies = none;
    sending->planned = sending->stamps = none;
    sending->durations = NULL;
}

void
sending_close(struct sending *sending)
{
    if (sending->fd >= 0) {
        interrupt_unwatch(sending->fd);
        close(sending->fd);
        sending->fd = -1;
    }
    for (int i = 0; i < 2; i++) {
        if (sending->pipe[i] >= 0)
            close(sending->pipe[i]);
        sending->pipe[i] = -1;
    }
    event_log_free(&sending->writes);
    event_log_free(&sending->exchanges);
    event_log_free(&sending->replies);
    event_log_free(&sending->planned);
    event_log_free(&sending->stamps);
    free(sending->durations);
    free(sending->exchange);
    sending->durations = NULL;
    sending->exchange = NULL;
    event_log_free(&sending->samples);
}

int
sending_explain(const struct sending *sending, int code)
{
    uint64_t bytes = sending->half.bytes;

    switch (code) {
    case EAGAIN:
        if (clock_now_ns() >= sending->deadline_ns)
            return err_set(STATUS_FAILED, "--timeout passed after %" PRIu64 " sent bytes", bytes);
        return err_set(STATUS_FAILED, "no byte moved for %d s after %" PRIu64 " sent bytes",
                       (int)(PROGRESS_LIMIT_NS / NS_PER_S), bytes);
    case EPIPE:
    case ECONNRESET:
        return err_set(STATUS_FAILED, "the receiver closed the data connection after %" PRIu64 " sent bytes", bytes);
    case EFAULT:
    case EIO:
        return source_check(sending->source) != 0 ? -1 : err_set(STATUS_FAILED, "the source cannot be read any more");
    default:
        err_system(code, "sending failed after %" PRIu64 " bytes", bytes);
        return err_set(code == ENOMEM || code == ENOBUFS || code == EINVAL ? STATUS_REFUSED : STATUS_FAILED, "%s",
                       err_text());
    }
}

int
sending_prepare_stamps(struct sending *sending)
{
    /* three stamps a send */
    uint64_t room = sending->config->events_max <= SIZE_MAX / 3 ? 3 * sending->config->events_max : SIZE_MAX;
    return event_log_prepare(&sending->stamps, sizeof(struct stamp), sending->config->stamps ? (size_t)room : 0, 4096);
}
