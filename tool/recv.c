/* recv.c: see recv.h. */
#include "recv.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "interrupt.h"
#include "outfile.h"
#include "record.h"
#include "result.h"
#include "serve.h"
#include "session.h"
#include "show.h"
#include "trial.h"

/* Senders that may wait to be accepted. */
#define BACKLOG 1024

/* Where the results of sessions go: set before the first, the same for all. -1: nowhere. */
static int output_fd = -1;

int
recv_listen(const struct config *config, struct endpoint *bound)
{
    struct endpoint at;
    struct sockopt_values options = {.of = {[SOCKOPT_REUSEADDR] = {.known = true, .number = 1}}};

    if (net_resolve(config->listen, (uint16_t)config->port, config->family, &at) != 0)
        return err_context("--listen");
    /* A server that is started again at its old port must not wait for TIME_WAIT; port 0 has no past. */
    return net_listen(&at, config->port != 0 ? &options : NULL, BACKLOG, bound);
}

/* What the sender asked for, in the words of a command line. */
static struct config
config_of(const struct session *session)
{
    const struct wire_hello *hello = &session->hello;
    struct config config = *session->config;

    config.workload = (int)hello->workload;
    config.pattern = hello->pattern;
    config.stamps = hello->stamps == 1;
    config.rearm_quickack = hello->rearm_quickack == 1;
    config.rcvbuf_late = hello->rcvbuf_late == 1;
    config.pacing.count = MISSING;
    config.read_size = hello->read_size;
    config.connections = hello->connections;
    config.duration_ns = MISSING;
    config.wait = (int)hello->wait;
    config.sched = (int)hello->sched;
    config.verify = (int)hello->verify;
    config.log = hello->log == 1;
    config.events_max = hello->events_max;
    config.sample_every_ns = hello->sample_every_ns;
    config.timeout_ns = hello->timeout_ns;
    config.receiver = hello->receiver;
    config.cpus = (struct cpus){
        .placement = PLACEMENT_GIVEN, .sender = CPU_ANY, .receiver = hello->cpu == MISSING ? CPU_ANY : (int)hello->cpu};
    return config;
}

/* Writes one text at once, so that sessions that end together do not mix their lines. */
static int
write_whole(const char *text, size_t len)
{
    while (len > 0) {
        ssize_t written = write(output_fd, text, len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return err_system(errno, "cannot write the result of a session");
        text += written;
        len -= (size_t)written;
    }
    return 0;
}

/* Writes the result of a session: a JSON document (a line, unless it is the only one), or a line for a person. */
static int
write_session(struct session *session, struct trial *trial)
{
    struct result *result = calloc(1, sizeof *result); /* sessions end in threads: not static, too large for a stack */
    char peer[ENDPOINT_TEXT_BYTES];
    char *text = NULL;
    size_t len = 0;
    FILE *stream = open_memstream(&text, &len);
    int outcome = -1;

    if (result == NULL || stream == NULL)
        err_set(STATUS_REFUSED, "no memory for the result of a session");
    else {
        result_of(trial, result);
        if (session->config->json_path != NULL)
            record_write(stream, trial, result, !session->config->once);
        else
            show_session(stream, trial, result, endpoint_text(&session->peer, peer));
    }
    if (stream != NULL && fclose(stream) == 0 && text != NULL && result != NULL)
        outcome = write_whole(text, len);
    free(text);
    free(result);
    return outcome;
}

/* A session has ended: its result is written. Returns its exit status. */
static enum status
session_ended(struct session *session)
{
    struct config config = config_of(session);
    struct trial trial = {.role = "recv",
                          .config = &config,
                          .status = (enum status)session->status,
                          .interrupted = session->interrupted,
                          .source_bytes = MISSING,
                          .stream_bytes = session->hello.stream_bytes,
                          .verify = (int)session->hello.verify,
                          .same_clock = true,
                          .worked_ns = MISSING,
                          .confirmed_ns = MISSING,
                          .connections = session->hello.connections};
    char peer[ENDPOINT_TEXT_BYTES];

    if (output_fd < 0)
        return trial.status;
    if (!session->greeted) {
        fprintf(stderr, "tinygram: %s: %s\n", endpoint_text(&session->peer, peer), session->text);
        return trial.status;
    }
    memcpy(trial.error, session->text, sizeof trial.error);
    clock_gettime(CLOCK_REALTIME, &trial.started);
    trial.receiver = calloc((size_t)trial.connections, sizeof *trial.receiver);
    if (trial.receiver == NULL)
        return STATUS_REFUSED;
    for (uint64_t i = 0; session->receiving != NULL && i < trial.connections; i++) {
        trial.receiver[i].known = session->receiving[i].half.first_ns != 0;
        trial.receiver[i].half = session->receiving[i].half;
    }
    int outcome = write_session(session, &trial);
    free(trial.receiver);
    if (outcome == 0)
        return trial.status;
    err_print();
    return err_status();
}

enum status
recv_serve(const struct config *config, int listener, int leash)
{
    struct server server = {.config = config, .listener = listener, .ended = session_ended, .leash = leash};
    enum status status = serve(&server);
    if (leash >= 0 && err_status() != STATUS_DONE) /* a pair: the sender is the one to tell why */
        serve_nobody(&server);
    return status;
}

/* Opens the file of --json for appending: sessions in processes of their own write to it. */
static int
open_output(const struct config *config)
{
    output_fd = STDOUT_FILENO;
    if (config->json_path == NULL || strcmp(config->json_path, "-") == 0)
        return 0;
    output_fd = open(config->json_path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
    return output_fd >= 0 ? 0 : err_system(errno, "--json: cannot write %.200s", config->json_path);
}

static int
check_directory(const char *path)
{
    struct stat status;

    if (path == NULL)
        return 0;
    if (stat(path, &status) != 0)
        return err_system(errno, "--output %.200s", path);
    if (!S_ISDIR(status.st_mode))
        return err_set(STATUS_USAGE, "--output %.200s is not a directory", path);
    return access(path, W_OK | X_OK) == 0 ? 0 : err_system(errno, "--output %.200s", path);
}

/* Says where we listen; with --json - on standard error, which the document does not need. */
static int
announce(const struct config *config, const struct endpoint *bound)
{
    char text[ENDPOINT_TEXT_BYTES];
    bool json_there = config->json_path != NULL && strcmp(config->json_path, "-") == 0;

    fprintf(json_there ? stderr : stdout, "listening on %s\n", endpoint_text(bound, text));
    return outfile_flush_stdout();
}

/* A unix socket leaves its name in the file system. */
static void
remove_name(const struct endpoint *bound)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)&bound->address;

    if (bound->address.ss_family == AF_UNIX && un->sun_path[0] != '\0')
        unlink(un->sun_path);
}

enum status
recv_main(const struct config *config)
{
    struct endpoint bound = {.len = 0};
    int listener = -1;
    enum status status;

    interrupt_install();
    if (check_directory(config->output) != 0 || (listener = recv_listen(config, &bound)) < 0) {
        return err_status();
    }
    if (open_output(config) != 0 || announce(config, &bound) != 0)
        status = err_status();
    else
        status = recv_serve(config, listener, -1);
    remove_name(&bound);
    close(listener);
    return status;
}
