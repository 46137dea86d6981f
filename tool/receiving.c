/* receiving.c: see receiving.h. */
#include "receiving.h"

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
#include "net.h"
#include "sending.h"
#include "sockopt.h"
#include "stamps.h"

/* Reads that one connection may do before the others of a polling receiver get their turn. */
#define TURN_UNITS 16

/* Reads that a stream of unknown length is likely to take: what is touched of the log in advance. */
#define READS_EXPECTED 4096

static int
make_logs(struct receiving *receiving)
{
    const struct receive_plan *plan = receiving->plan;
    uint64_t reads = READS_EXPECTED;
    size_t samples = plan->sample_every_ns != MISSING ? SAMPLES_MAX : 0;

    if (plan->sink.stream_bytes != MISSING)
        reads += 4 * (plan->sink.stream_bytes / plan->sink.read_size);
    if (event_log_prepare(&receiving->reads, sizeof(struct read_event), plan->log ? (size_t)plan->events_max : 0,
                          (size_t)reads) != 0)
        return -1;
    return event_log_prepare(&receiving->samples, sizeof(struct sample), samples, samples);
}

int
receiving_open(struct receiving *receiving, int fd)
{
    const struct receive_plan *plan = receiving->plan;
    uint64_t now_ns = clock_now_ns();
    uint64_t left_ns = plan->deadline_ns > now_ns ? plan->deadline_ns - now_ns : NS_PER_MS;

    receiving->fd = fd;
    receiving->half = half_empty();
    receiving->sink.output_fd = -1;
    struct sockopt_values late = {.of = {[SOCKOPT_RCVBUF] = plan->requested.of[SOCKOPT_RCVBUF]}};
    if (plan->rcvbuf_late && sockopt_apply(fd, &late, SOCKOPT_BEFORE, "receiver") != 0)
        return -1;
    if (sockopt_apply(fd, &plan->requested, SOCKOPT_CONNECTED, "receiver") != 0)
        return -1;
    sockopt_read(fd, &receiving->half.start);
    if (sockopt_verify(&plan->requested, &receiving->half.start, "receiver") != 0)
        return -1;
    if (sockopt_limit_wait(fd, left_ns < PROGRESS_LIMIT_NS ? left_ns : PROGRESS_LIMIT_NS) != 0)
        return -1;
    if ((plan->spin || receiving->waits) && net_set_nonblocking(fd, true) != 0)
        return -1;
    if (plan->stamps && stamps_enable_receiving(fd) != 0)
        return err_context("receiver");
    if (interrupt_watch(fd, SHUT_RD) != 0)
        return -1;
    return make_logs(receiving);
}

void
receiving_fail(struct receiving *receiving)
{
    receiving->failed_status = (int)err_status();
    memcpy(receiving->failed_text, err_text(), sizeof receiving->failed_text);
}

int
receiving_prepare(struct receiving *receiving)
{
    if (receiving->workload->receive_prepare(receiving) == 0)
        return 0;
    receiving_fail(receiving);
    return -1;
}

void
receiving_release(struct receiving *receiving)
{
    sink_close(&receiving->sink);
    free(receiving->reply);
    receiving->reply = NULL;
}

void
receiving_complete(struct receiving *receiving, enum step step)
{
    if (step == STEP_FAILED || receiving->workload->receive_finish(receiving) != 0)
        receiving_fail(receiving);
    sockopt_read(receiving->fd, &receiving->half.end);
}

void
receiving_run(struct receiving *receiving)
{
    struct usage before, after;
    enum step step;

    usage_before(&before);
    do
        step = receiving->workload->receive_step(receiving, STEP_ALL);
    while (step == STEP_MORE);
    usage_after(&after);

    struct usage used = usage_between(&before, &after);
    receiving->half.cpu_ns = used.cpu_ns;
    receiving->half.run_queue_ns = used.run_queue_ns;
    receiving->half.switches = used.switches;
    receiving_complete(receiving, step);
}

bool
receiving_continue(struct receiving *receiving)
{
    enum step step = receiving->workload->receive_step(receiving, TURN_UNITS);

    if (step == STEP_MORE || step == STEP_WAIT)
        return false;
    receiving_complete(receiving, step);
    return true;
}

void
receiving_close(struct receiving *receiving)
{
    if (receiving->fd >= 0) {
        interrupt_unwatch(receiving->fd);
        close(receiving->fd);
        receiving->fd = -1;
    }
    event_log_free(&receiving->reads);
    event_log_free(&receiving->samples);
}

enum step
receiving_nothing(const struct receiving *receiving, int code, unsigned tries)
{
    uint64_t bytes = receiving->half.bytes;

    if (code == EINTR)
        return STEP_MORE;
    if (code == EAGAIN || code == EWOULDBLOCK) {
        bool spins = receiving->plan->spin;
        if (receiving->waits)
            return STEP_WAIT;
        if (spins && tries % TRIES_PER_LOOK != 0)
            return STEP_MORE;
        uint64_t now_ns = clock_now_ns();
        uint64_t since_ns = receiving->half.last_ns != MISSING ? receiving->half.last_ns : now_ns;
        if (now_ns >= receiving->plan->deadline_ns)
            err_set(STATUS_FAILED, "--timeout passed after %" PRIu64 " received bytes", bytes);
        else if (spins && now_ns - since_ns < PROGRESS_LIMIT_NS)
            return STEP_MORE;
        else
            err_set(STATUS_FAILED, "no byte arrived for %d s after %" PRIu64 " received bytes",
                    (int)(PROGRESS_LIMIT_NS / NS_PER_S), bytes);
        return STEP_FAILED;
    }
    err_system(code, "the data connection broke after %" PRIu64 " received bytes", bytes);
    err_set(STATUS_FAILED, "%s", err_text());
    return STEP_FAILED;
}
