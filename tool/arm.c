/* arm.c: see arm.h. */
#include "arm.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "cpu.h"
#include "interrupt.h"
#include "net.h"
#include "receiving.h"
#include "record.h"
#include "result.h"
#include "sending.h"
#include "shared.h"
#include "source.h"
#include "stamps.h"
#include "tcpinfo.h"
#include "trial.h"
#include "turn.h"

/* Time for both ends to be connected, and for the receiver to end after the half-close. */
#define START_LIMIT_NS (UINT64_C(5) * NS_PER_S)
#define END_LIMIT_NS (UINT64_C(5) * NS_PER_S)

/* A mark that nobody can reach. */
#define NO_MARK UINT64_MAX

/* What the two processes of an arm share. */
struct common {
    struct receiving receiving;
    _Atomic uint64_t mark;       /* the receiver tells when it has read so many bytes; NO_MARK: never */
    _Atomic uint64_t read_bytes; /* so far */
};

struct arm {
    struct config config; /* as given, but without an end of its own */
    struct receive_plan plan;
    struct trial trial;
    struct end sender_end, receiver_end;
    struct source source;
    struct sending sending;
    struct common *common;
    pid_t receiver;
    int word; /* the receiver's word: a byte when it is ready, and one for each mark; ends when it does */
};

/* The receiver's process: reads until the half-close, and says when a mark is reached. */
static void
receive(const struct arm *arm, int word)
{
    struct common *common = arm->common;
    struct receiving *receiving = &common->receiving;
    struct usage before, after;
    enum step step;

    bool ready = receiving_prepare(receiving) == 0;
    if (ready && cpu_pin(arm->config.cpus.receiver, "receiver") != 0) {
        receiving_fail(receiving);
        ready = false;
    }
    if (send(word, ready ? "1" : "0", 1, MSG_NOSIGNAL) != 1 || !ready)
        return;
    usage_before(&before);
    do {
        step = receiving->workload->receive_step(receiving, 1);
        atomic_store(&common->read_bytes, receiving->half.bytes);
        uint64_t mark = atomic_load(&common->mark);
        if (receiving->half.bytes >= mark && atomic_compare_exchange_strong(&common->mark, &mark, NO_MARK) &&
            send(word, "m", 1, MSG_NOSIGNAL) != 1)
            break;
    } while (step == STEP_MORE);
    usage_after(&after);
    receiving->half.cpu_ns = usage_between(&before, &after).cpu_ns;
    receiving_complete(receiving, step);
}

/* Waits for the receiver's word. Returns 0, or -1 with an error. */
static int
await_word(const struct arm *arm, uint64_t deadline_ns)
{
    struct pollfd wait = {.fd = arm->word, .events = POLLIN};
    const struct receiving *receiving = &arm->common->receiving;
    char word;

    while (poll(&wait, 1, clock_poll_ms(deadline_ns)) <= 0) {
        if (interrupt_seen())
            return err_set(STATUS_INTERRUPTED, "interrupted by a signal");
        if (clock_now_ns() >= deadline_ns)
            return err_set(STATUS_FAILED, "receiver: it did not read what was sent in time");
    }
    if (recv(arm->word, &word, 1, 0) == 1 && word != '0')
        return 0;
    if (receiving->failed_status != STATUS_DONE)
        return err_set((enum status)receiving->failed_status, "%s", receiving->failed_text);
    return err_set(STATUS_FAILED, "receiver: it ended too early");
}

static struct receive_plan
plan_of(const struct config *config)
{
    return (struct receive_plan){
        .sink = {.stream_bytes = MISSING, .read_size = config->read_size, .connections = 1, .verify = config->verify},
        .requested = config->receiver,
        .log = config->log,
        .stamps = config->stamps,
        .rearms = config->rearm_quickack,
        .rcvbuf_late = config->rcvbuf_late,
        .pattern = config->pattern,
        .events_max = config->events_max,
        .sample_every_ns = config->sample_every_ns,
        .deadline_ns = clock_deadline_ns(config->timeout_ns)};
}

static int
listen_for_data(const struct arm *arm, struct endpoint *bound)
{
    struct sockopt_values options = arm->config.receiver;
    struct endpoint any;

    if (arm->config.rcvbuf_late)
        options.of[SOCKOPT_RCVBUF].known = false;
    if (net_resolve(NULL, 0, arm->config.family, &any) != 0)
        return -1;
    int listener = net_listen(&any, &options, 1, bound);
    if (listener >= 0 && arm->config.stamps && stamps_enable_receiving(listener) != 0) {
        close(listener);
        return err_context("receiver");
    }
    return listener;
}

/* Connects both ends. The data connection is made and its options are proved before there are two processes. */
static int
connect_ends(struct arm *arm)
{
    struct receiving *receiving = &arm->common->receiving;
    struct endpoint at, peer;
    int listener = listen_for_data(arm, &at);

    if (listener < 0)
        return -1;
    int fd = sending_open(&arm->sending, &at) == 0 ? net_accept(listener, &peer) : -1;
    if (fd < 0 && err_status() == STATUS_DONE)
        err_system(errno, "receiver: cannot accept the data connection");
    close(listener);
    return fd < 0 ? -1 : receiving_open(receiving, fd);
}

/* Parts the ends: the receiver gets a process of its own. */
static int
start_receiver(struct arm *arm)
{
    struct receiving *receiving = &arm->common->receiving;
    int word[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, word) != 0)
        return err_system(errno, "cannot make a channel to the receiver");
    arm->receiver = fork();
    if (arm->receiver == 0) {
        close(word[0]);
        close(STDOUT_FILENO); /* who waits for the sender's end must not wait for ours */
        close(STDIN_FILENO);
        interrupt_leave_to_parent();
        interrupt_unwatch(arm->sending.fd);
        close(arm->sending.fd);
        receive(arm, word[1]);
        _exit(0);
    }
    close(word[1]);
    if (arm->receiver < 0) {
        close(word[0]);
        return err_system(errno, "cannot fork the receiver");
    }
    arm->word = word[0];
    interrupt_unwatch(receiving->fd);
    close(receiving->fd);
    return 0;
}

/* The other end is a foreign server: it may have been started a moment ago, and is tried until it listens. */
static int
connect_to_server(struct arm *arm)
{
    const struct timespec moment = {.tv_nsec = 2000000};
    uint64_t deadline_ns = clock_deadline_ns(START_LIMIT_NS);
    struct endpoint at;

    if (net_resolve(NULL, (uint16_t)arm->config.slices.connect, arm->config.family, &at) != 0)
        return -1;
    while (sending_open(&arm->sending, &at) != 0) {
        if (clock_now_ns() >= deadline_ns || interrupt_seen() || arm->sending.fd >= 0)
            return err_context("--connect");
        err_clear();
        nanosleep(&moment, NULL); /* nobody listens yet */
    }
    return 0;
}

/* Both ends connected, options in effect, each where it should run. */
static int
prepare(struct arm *arm)
{
    const struct config *config = &arm->config;

    arm->common = shared_new(sizeof *arm->common);
    if (arm->common == NULL || source_open(config, &arm->source) != 0)
        return -1;
    arm->trial.source_bytes = arm->source.bytes;
    arm->common->mark = NO_MARK;
    arm->common->receiving =
        (struct receiving){.plan = &arm->plan, .workload = workload_of(config->workload), .fd = -1};
    arm->sending.deadline_ns = clock_deadline_ns(config->timeout_ns);
    if (cpu_schedule((enum sched)config->sched, "arm") != 0 || cpu_pin(config->cpus.sender, "sender") != 0)
        return -1;
    if (config->slices.connect != 0) {
        if (connect_to_server(arm) != 0)
            return -1;
    } else if (connect_ends(arm) != 0 || start_receiver(arm) != 0 ||
               await_word(arm, clock_deadline_ns(START_LIMIT_NS)) != 0)
        return -1;
    arm->sending.half.cpu_ns = 0;
    arm->trial.bridge[0] = clock_bridge_read();
    return 0;
}

/* CPU time of the sender so far. */
static uint64_t
cpu_used_ns(void)
{
    struct timespec used;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * NS_PER_S + (uint64_t)used.tv_nsec;
}

/* Sends what Nagle's algorithm or a cork holds back. */
static int
push(const struct arm *arm)
{
    const struct sockopt_value *nodelay = &arm->config.sender.of[SOCKOPT_NODELAY];

    return arm->config.family == AF_UNIX ? 0 : sockopt_push(arm->sending.fd, nodelay->known && nodelay->number != 0);
}

/* A slice of a transfer is over when its last byte was read. */
static int
settle(struct arm *arm)
{
    struct common *common = arm->common;
    uint64_t mark = arm->sending.half.bytes;

    if (push(arm) != 0)
        return -1;
    atomic_store(&common->mark, mark);
    /* Either it has read so far and nobody speaks of it any more, or its word comes. */
    if (atomic_load(&common->read_bytes) >= mark && atomic_compare_exchange_strong(&common->mark, &mark, NO_MARK))
        return 0;
    return await_word(arm, clock_earlier_ns(arm->sending.deadline_ns, clock_deadline_ns(PROGRESS_LIMIT_NS)));
}

/* A slice of exchanges is over when none is outstanding: one that was would be answered in the other arm's turn. The
 * last requests are pushed out; and since none follows them, to carry the acknowledgement for which Nagle's algorithm
 * at the receiver holds back their replies, TCP_QUICKACK sends it. */
static enum step
exchange_units(struct arm *arm, uint64_t units)
{
    struct sending *sending = &arm->sending;
    uint64_t last = arm->config.pattern.outstanding - 1;
    enum step step = STEP_MORE;

    if (last >= units)
        last = units - 1;
    arm->config.pacing.count = sending->units_done + units;
    step = sending->workload->send_step(sending, units - last);
    if (last == 0 || step != STEP_MORE)
        return step;
    if (push(arm) != 0 || (arm->config.family != AF_UNIX && sockopt_quickack(sending->fd) != 0))
        return STEP_FAILED;
    return sending->workload->send_step(sending, last);
}

/* A slowdown of known size, so that a comparison can be put to the proof: the slice that began at `begin_ns` becomes
 * longer by `permille`, at its end. Spinning between the calls instead would change how the two ends share their CPU,
 * and make a transfer slower by more than was injected. */
static void
stretch(uint64_t begin_ns, uint64_t permille)
{
    uint64_t now_ns = clock_now_ns();
    uint64_t until_ns = now_ns + (now_ns - begin_ns) * permille / 1000;

    while (now_ns < until_ns)
        now_ns = clock_now_ns();
}

/* One slice: `units` exchanges or chunks. Its time goes to *slice_ns. */
static int
work(struct arm *arm, uint64_t units, uint64_t *slice_ns)
{
    struct sending *sending = &arm->sending;
    uint64_t before_cpu_ns = cpu_used_ns();
    uint64_t begin_ns = clock_now_ns();

    enum step step = arm->config.workload == WORKLOAD_EXCHANGE ? exchange_units(arm, units)
                                                               : sending->workload->send_step(sending, units);
    if (step == STEP_MORE && arm->config.workload == WORKLOAD_TRANSFER && settle(arm) != 0)
        return -1;
    if (arm->config.inject_permille > 0)
        stretch(begin_ns, arm->config.inject_permille);
    *slice_ns = clock_now_ns() - begin_ns;
    sending->half.cpu_ns += cpu_used_ns() - before_cpu_ns;
    arm->trial.worked_ns += *slice_ns;
    if (step == STEP_MORE)
        return 0;
    if (interrupt_seen())
        return err_set(STATUS_INTERRUPTED, "interrupted by a signal");
    return step == STEP_FAILED ? -1 : err_set(STATUS_FAILED, "the workload ended by itself");
}

/* Takes turns until it is told to finish. */
static int
take_turns(struct arm *arm)
{
    uint64_t limit_ns = clock_deadline_ns(arm->config.timeout_ns);
    struct turn turn;

    for (;;) {
        uint64_t slice_ns = 0;
        if (turn_receive(STDIN_FILENO, &turn, limit_ns) != 0)
            return err_context("turns");
        if (turn.kind == TURN_FINISH)
            return 0;
        if (turn.kind != TURN_RUN || turn.number == 0)
            return err_set(STATUS_FAILED, "turns: a message came that is not expected");
        if (work(arm, turn.number, &slice_ns) != 0 || turn_send(STDOUT_FILENO, TURN_DONE, slice_ns, "") != 0)
            return -1;
    }
}

/* Compares both ends' accounts. */
static int
judge(const struct arm *arm)
{
    const struct half *sent = &arm->sending.half;
    const struct half *arrived = &arm->receiver_end.half;
    bool same = sent->checked_bytes == arrived->checked_bytes && sent->digest_high == arrived->digest_high &&
                sent->digest_low == arrived->digest_low;

    if (sent->bytes != arrived->bytes)
        return err_set(STATUS_FAILED, "%" PRIu64 " bytes were sent and %" PRIu64 " arrived", sent->bytes,
                       arrived->bytes);
    if (arm->config.verify != VERIFY_OFF && !same)
        return err_set(STATUS_FAILED, "the content differs from what was sent");
    return 0;
}

/* Waits for the receiver's end and takes its account. */
static int
take_receiver(struct arm *arm)
{
    const struct receiving *receiving = &arm->common->receiving;
    uint64_t deadline_ns = clock_deadline_ns(END_LIMIT_NS);
    struct pollfd wait = {.fd = arm->word, .events = POLLIN};

    while (poll(&wait, 1, clock_poll_ms(deadline_ns)) <= 0 && clock_now_ns() < deadline_ns)
        ;
    if (wait.revents == 0)
        return err_set(STATUS_FAILED, "receiver: it did not end in time");
    if (receiving->failed_status != STATUS_DONE)
        return err_set((enum status)receiving->failed_status, "%s", receiving->failed_text);
    arm->receiver_end =
        (struct end){.known = true, .half = receiving->half, .events = receiving->reads, .samples = receiving->samples};
    return 0;
}

/* Ends the connection and moves both ends' accounts into the trial. */
static int
finish(struct arm *arm)
{
    struct sending *sending = &arm->sending;
    struct digest_value value = {.checked_bytes = MISSING};
    bool foreign = arm->config.slices.connect != 0;

    arm->trial.bridge[1] = clock_bridge_read();
    if (sending->workload->send_finish(sending) != 0)
        return -1;
    sockopt_read(sending->fd, &sending->half.end);
    if (shutdown(sending->fd, SHUT_WR) != 0)
        return err_system(errno, "cannot half-close the data connection");
    if (!foreign && take_receiver(arm) != 0)
        return -1;
    tcpinfo_read(sending->fd, &sending->half.info);
    if (arm->config.verify != VERIFY_OFF &&
        source_digest(&arm->source, sending->half.bytes, arm->config.verify == VERIFY_SAMPLED, &value) != 0)
        return -1;
    sending->half.digest_high = value.high;
    sending->half.digest_low = value.low;
    sending->half.checked_bytes = value.checked_bytes;
    return !foreign && judge(arm) != 0 ? -1 : source_check(&arm->source);
}

/* Writes the result document of all slices. */
static int
report(struct arm *arm)
{
    static struct result result; /* too large for a stack */

    arm->config.pacing.count = MISSING;
    sending_account(&arm->sending, &arm->sender_end);
    result_of(&arm->trial, &result);
    record_write(stdout, &arm->trial, &result, true);
    if (fflush(stdout) != 0 || ferror(stdout))
        return err_system(errno, "cannot write the result");
    return 0;
}

static void
begin(struct arm *arm, const struct config *config)
{
    *arm = (struct arm){.config = *config, .receiver = -1, .word = -1, .source = {.fd = -1}};
    arm->config.pacing.count = MISSING;
    arm->config.duration_ns = TIMEOUT_MAX_NS; /* it ends when it is told to */
    if (config->workload == WORKLOAD_TRANSFER && config->verify == VERIFY_AUTO)
        arm->config.verify = VERIFY_SAMPLED;
    arm->plan = plan_of(&arm->config);
    arm->sending = (struct sending){.config = &arm->config,
                                    .source = &arm->source,
                                    .workload = workload_of(config->workload),
                                    .fd = -1,
                                    .pipe = {-1, -1}};
    arm->trial = (struct trial){.role = "arm",
                                .config = &arm->config,
                                .source_bytes = MISSING,
                                .stream_bytes = MISSING,
                                .verify = arm->config.verify,
                                .same_clock = true,
                                .confirmed_ns = MISSING,
                                .connections = 1,
                                .sender = &arm->sender_end,
                                .receiver = &arm->receiver_end};
    clock_gettime(CLOCK_REALTIME, &arm->trial.started);
}

static void
clean_up(struct arm *arm)
{
    sending_close(&arm->sending);
    end_free(&arm->sender_end);
    end_free(&arm->receiver_end);
    if (arm->word >= 0)
        close(arm->word);
    if (arm->receiver > 0) {
        kill(arm->receiver, SIGKILL); /* it has ended, or never will */
        while (waitpid(arm->receiver, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    shared_free(arm->common, sizeof *arm->common);
    source_close(&arm->source);
}

enum status
arm_main(const struct config *config)
{
    static struct arm arm; /* large */

    interrupt_install();
    begin(&arm, config);
    bool done = prepare(&arm) == 0 && turn_send(STDOUT_FILENO, TURN_READY, 1, "") == 0 && take_turns(&arm) == 0 &&
                finish(&arm) == 0 && report(&arm) == 0;
    enum status status = err_status();
    if (!done) {
        char text[ERR_TEXT_BYTES];
        memcpy(text, err_text(), sizeof text);
        turn_send(STDOUT_FILENO, TURN_FAILED, (uint64_t)status, text);
        err_clear(); /* it is told where it is heard */
    }
    clean_up(&arm);
    return status;
}
