/* send.c: see send.h. */
#include "send.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "collect.h"
#include "control.h"
#include "cpu.h"
#include "interrupt.h"
#include "limit.h"
#include "machine.h"
#include "outfile.h"
#include "record.h"
#include "result.h"
#include "sending.h"
#include "session.h"
#include "show.h"
#include "source.h"
#include "tcpinfo.h"

/* Time for the receiver to answer HELLO. */
#define ANSWER_LIMIT_NS (UINT64_C(5) * NS_PER_S)

/* Time for the receiver's word on why it broke a connection: it was sent before. */
#define WHY_LIMIT_NS (250 * NS_PER_MS)

/* Everything of one trial at the sender. */
struct sender {
    const struct config *config;
    struct trial trial;
    struct source source;
    struct sending *sending; /* [connections] */
    pthread_t *thread;       /* [connections] */
    int control;
    struct wire_in in;
    struct endpoint data; /* where the receiver awaits the data connections */
    uint64_t deadline_ns;
    struct outfile json;
    struct outfile events;
    struct outfile hgrm;
};

/* --verify auto: every byte where that can wait until after the last read, else a sample. */
static int
resolve_verify(const struct config *config, uint64_t stream_bytes)
{
    if (config->verify != VERIFY_AUTO)
        return config->verify;
    bool kept = stream_bytes != MISSING && stream_bytes <= VERIFY_KEEP_BYTES &&
                stream_bytes * config->connections <= 4 * VERIFY_KEEP_BYTES;
    return kept ? VERIFY_FULL : VERIFY_SAMPLED;
}

static int
open_outputs(struct sender *sender)
{
    if (sender->config->json_path != NULL && outfile_open(&sender->json, sender->config->json_path) != 0)
        return err_context("--json");
    if (sender->config->hgrm_path != NULL && outfile_open(&sender->hgrm, sender->config->hgrm_path) != 0)
        return err_context("--hgrm");
    if (sender->config->events_path != NULL && outfile_open(&sender->events, sender->config->events_path) != 0)
        return err_context("--events");
    return 0;
}

/* Opens the source and allocates what a trial needs. */
static int
prepare(struct sender *sender)
{
    const struct config *config = sender->config;
    struct trial *trial = &sender->trial;
    size_t count = (size_t)config->connections;

    if (source_open(config, &sender->source) != 0)
        return -1;
    trial->source_bytes = sender->source.bytes;
    trial->stream_bytes = config->workload == WORKLOAD_TRANSFER ? sender->source.stream_bytes : MISSING;
    trial->verify = resolve_verify(config, trial->stream_bytes);
    sender->sending = calloc(count, sizeof *sender->sending);
    sender->thread = calloc(count, sizeof *sender->thread);
    if (sender->sending == NULL || sender->thread == NULL)
        return err_set(STATUS_REFUSED, "no memory for %zu connections", count);
    for (size_t i = 0; i < count; i++) {
        sender->sending[i] = (struct sending){.config = config,
                                              .source = &sender->source,
                                              .workload = workload_of(config->workload),
                                              .index = i,
                                              .fd = -1,
                                              .pipe = {-1, -1},
                                              .deadline_ns = sender->deadline_ns};
    }
    return 0;
}

/* Turns a reply of the receiver into an error of this end, when it is one. */
static int
check_reply(const struct wire_reply *reply)
{
    if (reply->status == STATUS_DONE)
        return 0;
    return err_set((enum status)reply->status, "%s", reply->text);
}

/* HELLO and WELCOME: tell the receiver what will come, learn where it should go. */
static int
agree(struct sender *sender)
{
    const struct config *config = sender->config;
    const struct trial *trial = &sender->trial;
    uint64_t limit_ns = clock_earlier_ns(sender->deadline_ns, clock_deadline_ns(ANSWER_LIMIT_NS));
    struct wire_hello hello = {
        .stream_bytes = trial->stream_bytes,
        .read_size = config->read_size,
        .connections = config->connections,
        .wait = (uint64_t)config->wait,
        .verify = (uint64_t)trial->verify,
        .log = config->log,
        .events_max = config->events_max,
        .sample_every_ns = config->sample_every_ns,
        .timeout_ns = config->timeout_ns,
        .cpu = config->cpus.receiver == CPU_ANY ? MISSING : (uint64_t)config->cpus.receiver,
        .workload = (uint64_t)config->workload,
        .stamps = config->stamps,
        .rearm_quickack = config->rearm_quickack,
        .rcvbuf_late = config->rcvbuf_late,
        .pattern = config->pattern,
        .sched = (uint64_t)config->sched,
        .receiver = config->receiver,
    };
    struct wire_reply welcome;

    machine_boot_id(&hello.boot_high, &hello.boot_low);
    if (control_send(sender->control, WIRE_HELLO, &hello, limit_ns) != 0 ||
        control_receive(sender->control, &sender->in, WIRE_WELCOME, &welcome, limit_ns) != 0)
        return err_context("receiver");
    if (check_reply(&welcome) != 0)
        return -1;
    if (welcome.data.len == 0)
        return err_set(STATUS_FAILED, "receiver: it named no address for the data");
    sender->trial.same_clock = welcome.same_clock == 1;
    if (welcome.verify_full == 1) /* a receiver that stores the file wants every byte checked */
        sender->trial.verify = VERIFY_FULL;
    sender->data = welcome.data;
    return 0;
}

/* Makes the data connections, announces each, and waits until the receiver is ready to read. */
static int
open_connections(struct sender *sender)
{
    uint64_t count = sender->config->connections;
    uint64_t limit_ns = clock_earlier_ns(sender->deadline_ns, clock_deadline_ns(OPEN_LIMIT_NS));
    struct wire_reply ready;

    for (uint64_t i = 0; i < count; i++) {
        struct wire_open message = {.index = i};
        if (sending_open(&sender->sending[i], &sender->data) != 0)
            return -1;
        message.sender = sender->sending[i].local;
        if (control_send(sender->control, WIRE_OPEN, &message, limit_ns) != 0)
            return err_context("receiver");
    }
    if (control_receive(sender->control, &sender->in, WIRE_READY, &ready, limit_ns) != 0)
        return err_context("receiver");
    return check_reply(&ready);
}

static void *
run_as_thread(void *argument)
{
    struct sending *sending = argument;

    if (sending_run(sending) != 0) {
        sending->failed_status = (int)err_status();
        memcpy(sending->failed_text, err_text(), sizeof sending->failed_text);
    }
    return NULL;
}

/* The measured part: one connection on this thread, several on a thread each. */
static int
transfer(struct sender *sender)
{
    uint64_t count = sender->config->connections;
    uint64_t started = 0;
    int result = 0;

    if (count == 1)
        return sending_run(&sender->sending[0]);
    while (started < count && result == 0) {
        int code = pthread_create(&sender->thread[started], NULL, run_as_thread, &sender->sending[started]);
        if (code == 0)
            started++;
        else
            result = err_system(code, "sender: cannot start thread %" PRIu64, started + 1);
    }
    for (uint64_t i = started; i < count; i++) /* connections that will have no thread */
        sending_close(&sender->sending[i]);
    for (uint64_t i = 0; i < started; i++)
        pthread_join(sender->thread[i], NULL);
    for (uint64_t i = 0; i < started && result == 0; i++)
        if (sender->sending[i].failed_status != STATUS_DONE)
            result = err_set((enum status)sender->sending[i].failed_status, "connection %" PRIu64 ": %s", i,
                             sender->sending[i].failed_text);
    return result;
}

/* Until when the next message of the report is waited for. */
static uint64_t
report_limit_ns(const struct sender *sender)
{
    return clock_earlier_ns(sender->deadline_ns, clock_deadline_ns(REPORT_LIMIT_NS));
}

/* FINISH: our account of each connection. The digest of what was sent is computed while the receiver computes its. */
static int
account(struct sender *sender)
{
    struct digest_value value = {.checked_bytes = MISSING};
    uint64_t hashed_bytes = MISSING; /* connections that sent equally much sent the same */

    for (uint64_t i = 0; i < sender->config->connections; i++) {
        struct half *half = &sender->sending[i].half;
        if (sender->trial.verify != VERIFY_OFF && hashed_bytes != half->bytes) {
            if (source_digest(&sender->source, half->bytes, sender->trial.verify == VERIFY_SAMPLED, &value) != 0)
                return -1;
            hashed_bytes = half->bytes;
        }
        half->digest_high = value.high;
        half->digest_low = value.low;
        half->checked_bytes = value.checked_bytes;
        struct wire_finish message = {.index = i,
                                      .bytes = half->bytes,
                                      .digest_high = half->digest_high,
                                      .digest_low = half->digest_low,
                                      .checked_bytes = half->checked_bytes,
                                      .interrupted = interrupt_seen()};
        if (control_send(sender->control, WIRE_FINISH, &message, report_limit_ns(sender)) != 0)
            return err_context("receiver");
    }
    return 0;
}

/* HALF, READS, SAMPLE and DONE: the receiver's half of the result, which is also the confirmation. */
static int
confirm(struct sender *sender)
{
    struct trial *trial = &sender->trial;
    struct collector from = {.control = sender->control,
                             .in = &sender->in,
                             .events_max = sender->config->events_max,
                             .deadline_ns = sender->deadline_ns,
                             .first_ns = MISSING};
    struct wire_reply done;
    int collected = 0;

    for (uint64_t i = 0; i < sender->config->connections && collected == 0; i++)
        collected = collect_end(&from, &trial->receiver[i], i);
    trial->confirmed_ns = from.first_ns;
    if (collected != 0)
        return -1;
    if (control_receive(sender->control, &sender->in, WIRE_DONE, &done, report_limit_ns(sender)) != 0)
        return err_context("receiver");
    for (uint64_t i = 0; i < sender->config->connections; i++)
        tcpinfo_read(sender->sending[i].fd, &sender->sending[i].half.info);
    trial->interrupted = trial->interrupted || done.interrupted == 1;
    return check_reply(&done);
}

/* Buffers that lie between the receiver's write and the sender's read are at least half of what was asked for, or of
 * what a fresh socket has: the kernel counts its bookkeeping in them. */
static int
check_deadlock(const struct config *config)
{
    struct sockopt_values fresh;
    struct endpoint any;
    uint64_t room = 0;

    if (config->workload != WORKLOAD_EXCHANGE || config->pattern.outstanding == 1)
        return 0;
    int fd = net_resolve(NULL, 0, config->family, &any) == 0 ? socket(config->family, SOCK_STREAM, 0) : -1;
    if (fd < 0)
        return err_system(errno, "cannot make a socket");
    sockopt_read(fd, &fresh);
    close(fd);
    const struct sockopt_value *asked[] = {&config->receiver.of[SOCKOPT_SNDBUF], &config->sender.of[SOCKOPT_RCVBUF]};
    const struct sockopt_value *given[] = {&fresh.of[SOCKOPT_SNDBUF], &fresh.of[SOCKOPT_RCVBUF]};
    for (int i = 0; i < 2; i++)
        room += asked[i]->known ? asked[i]->number : given[i]->number / 2;
    return pattern_check_deadlock(&config->pattern, config->pattern_text, room);
}

/* A connection broke. When the receiver did it, it has said why first, in a reply of `type`: that is the error then,
 * else the kept one stays. Returns -1. */
static int
ask_why(struct sender *sender, enum wire_type type)
{
    enum status status = err_status();
    char text[ERR_TEXT_BYTES];
    struct wire_reply reply;

    memcpy(text, err_text(), sizeof text);
    if (!interrupt_seen() &&
        control_receive(sender->control, &sender->in, type, &reply, clock_deadline_ns(WHY_LIMIT_NS)) == 0 &&
        check_reply(&reply) != 0)
        return -1;
    return err_set(status, "%s", text);
}

/* Runs the whole trial; each sentence needs the one before. */
static int
run(struct sender *sender, const struct endpoint *control)
{
    if (cpu_pin(sender->config->cpus.sender, "sender") != 0 ||
        cpu_schedule((enum sched)sender->config->sched, "sender") != 0)
        return -1;
    if (check_deadlock(sender->config) != 0 || prepare(sender) != 0)
        return -1;
    sender->control = net_connect(control, NULL, sender->deadline_ns);
    if (sender->control < 0)
        return -1;
    control_prepare(sender->control);
    if (agree(sender) != 0)
        return ask_why(sender, WIRE_WELCOME);
    if (open_connections(sender) != 0)
        return ask_why(sender, WIRE_READY);
    sender->trial.bridge[0] = clock_bridge_read();
    int moved = transfer(sender);
    sender->trial.bridge[1] = clock_bridge_read();
    if (moved != 0 || account(sender) != 0 || confirm(sender) != 0) /* a changed file explains it all */
        return source_check(&sender->source) != 0 ? -1 : ask_why(sender, WIRE_DONE);
    return source_check(&sender->source);
}

/* Moves the sendings' accounts into the trial, complete or not. */
static void
gather(struct sender *sender)
{
    for (uint64_t i = 0; sender->sending != NULL && i < sender->config->connections; i++)
        sending_account(&sender->sending[i], &sender->trial.sender[i]);
}

/* Writes the outcome where it was asked for. */
static int
report(struct sender *sender)
{
    static struct result result; /* too large for a stack */

    result_of(&sender->trial, &result);
    if (sender->trial.status == STATUS_DONE && limits_check(&sender->trial, &result) != 0)
        trial_fail(&sender->trial);
    if (sender->hgrm.stream != NULL && result.latency.count == 0 && sender->trial.status == STATUS_DONE) {
        err_set(STATUS_REFUSED,
                "--hgrm: nothing was measured that could be written; of exchanges the first %d are "
                "reported apart, so ask for more of them",
                EXCHANGES_APART);
        trial_fail(&sender->trial);
    }
    if (sender->hgrm.stream != NULL && result.latency.count > 0) {
        record_write_hgrm(sender->hgrm.stream, &result);
        if (outfile_commit(&sender->hgrm) != 0)
            return err_context("--hgrm");
    }
    if (sender->events.stream != NULL) {
        record_write_events(sender->events.stream, &sender->trial);
        if (outfile_commit(&sender->events) != 0)
            return err_context("--events");
    }
    if (sender->json.stream != NULL) {
        record_write(sender->json.stream, &sender->trial, &result, false);
        return outfile_commit(&sender->json) == 0 ? 0 : err_context("--json");
    }
    if (sender->trial.status == STATUS_DONE || sender->trial.status == STATUS_LIMIT || sender->trial.interrupted)
        show_result(stdout, &sender->trial, &result);
    return outfile_flush_stdout();
}

static void
clean_up(struct sender *sender)
{
    for (uint64_t i = 0; i < sender->config->connections; i++) {
        if (sender->sending != NULL)
            sending_close(&sender->sending[i]);
        if (sender->trial.sender != NULL)
            end_free(&sender->trial.sender[i]);
        if (sender->trial.receiver != NULL)
            end_free(&sender->trial.receiver[i]);
    }
    if (sender->control >= 0)
        close(sender->control);
    outfile_discard(&sender->json);
    outfile_discard(&sender->events);
    outfile_discard(&sender->hgrm);
    source_close(&sender->source);
    free(sender->sending);
    free(sender->thread);
    free(sender->trial.sender);
    free(sender->trial.receiver);
}

/* A signal explains every error that came after it. */
static void
note_interruption(struct trial *trial)
{
    if (!interrupt_seen())
        return;
    trial->interrupted = true;
    trial->status = STATUS_INTERRUPTED;
    err_set(STATUS_INTERRUPTED, "interrupted by a signal; the result is partial");
    memcpy(trial->error, err_text(), sizeof trial->error);
}

/* Runs the trial to its end, whatever the outcome, and gathers what is left of it. */
static void
conduct(struct sender *sender, const struct endpoint *control)
{
    if (run(sender, control) != 0) {
        if (clock_now_ns() >= sender->deadline_ns && strstr(err_text(), "--timeout") == NULL)
            err_context("--timeout passed");
        trial_fail(&sender->trial);
    }
    note_interruption(&sender->trial);
    gather(sender);
}

static int
begin(struct sender *sender, const struct config *config, const char *role)
{
    struct trial *trial = &sender->trial;

    *sender = (struct sender){
        .config = config, .control = -1, .source = {.fd = -1}, .deadline_ns = clock_deadline_ns(config->timeout_ns)};
    *trial = (struct trial){.role = role,
                            .config = config,
                            .source_bytes = MISSING,
                            .stream_bytes = MISSING,
                            .verify = config->verify,
                            .worked_ns = MISSING,
                            .confirmed_ns = MISSING,
                            .connections = config->connections,
                            .sender = calloc((size_t)config->connections, sizeof(struct end)),
                            .receiver = calloc((size_t)config->connections, sizeof(struct end))};
    clock_gettime(CLOCK_REALTIME, &trial->started);
    if (trial->sender != NULL && trial->receiver != NULL)
        return 0;
    return err_set(STATUS_REFUSED, "no memory for %" PRIu64 " connections", config->connections);
}

enum status
send_trial(const struct config *config, const char *role, const struct endpoint *control)
{
    struct sender sender;

    if (begin(&sender, config, role) == 0) {
        if (open_outputs(&sender) == 0 && control != NULL)
            conduct(&sender, control);
        else
            trial_fail(&sender.trial);
        if (report(&sender) != 0)
            trial_fail(&sender.trial);
    }
    enum status status = err_status();
    clean_up(&sender);
    return status;
}

void
send_measure(const struct config *config, const struct endpoint *control, struct outcome *outcome)
{
    struct sender sender;

    err_clear();
    if (begin(&sender, config, "pair") == 0) {
        conduct(&sender, control);
        result_of(&sender.trial, &outcome->result);
        if (outcome->look != NULL)
            outcome->look(&sender.trial, &outcome->result, outcome->looker);
    }
    outcome->status = err_status();
    memcpy(outcome->error, err_text(), sizeof outcome->error);
    clean_up(&sender);
}

enum status
send_main(const struct config *config)
{
    struct endpoint control;

    interrupt_install();
    bool ready = net_resolve(config->host, (uint16_t)config->port, config->family, &control) == 0;
    return send_trial(config, "send", ready ? &control : NULL);
}
