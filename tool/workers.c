/* workers.c: see workers.h. */
#include "workers.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "err.h"
#include "interrupt.h"
#include "net.h"
#include "session.h"
#include "sink.h"

/* One worker: its task, and how to wait for its end. */
struct worker {
    struct session *session;
    struct receiving *receiving;
    int ready; /* a byte goes in here when the memory is prepared */
    pid_t process;
    pthread_t thread;
    bool started;
};

/* Ends the reading on every connection: one has failed, so the trial has. */
static void
stop_all(const struct session *session)
{
    for (uint64_t i = 0; i < session->hello.connections; i++)
        shutdown(session->receiving[i].fd, SHUT_RD);
}

/* What a worker does, whatever it is. */
static void
work(const struct worker *worker)
{
    char prepared = receiving_prepare(worker->receiving) == 0 ? 1 : 0;

    while (send(worker->ready, &prepared, 1, MSG_NOSIGNAL) < 0 && errno == EINTR)
        ;
    if (prepared)
        receiving_run(worker->receiving);
    receiving_release(worker->receiving);
}

static void *
work_as_thread(void *argument)
{
    const struct worker *worker = argument;

    work(worker);
    if (worker->receiving->failed_status != STATUS_DONE)
        stop_all(worker->session);
    return NULL;
}

static int
start_process(struct session *session, struct worker *worker)
{
    worker->process = fork();
    if (worker->process < 0)
        return err_system(errno, "receiver: cannot fork a worker");
    if (worker->process == 0) {
        /* the other connections belong to the other workers: an end seen there must not wait for us */
        for (uint64_t i = 0; i < session->hello.connections; i++)
            if (&session->receiving[i] != worker->receiving && session->receiving[i].fd >= 0) {
                interrupt_unwatch(session->receiving[i].fd);
                close(session->receiving[i].fd);
            }
        work(worker);
        _exit(0);
    }
    return 0;
}

static int
start_thread(struct worker *worker)
{
    int code = pthread_create(&worker->thread, NULL, work_as_thread, worker);
    return code == 0 ? 0 : err_system(code, "receiver: cannot start a worker thread");
}

/* Notes how the process `process` ended; its connections' other readers stop when it failed. */
static void
note_end(struct session *session, pid_t process, int outcome)
{
    for (uint64_t i = 0; i < session->hello.connections; i++) {
        struct worker *worker = &session->workers[i];
        struct receiving *receiving = worker->receiving;
        if (!worker->started || worker->process != process)
            continue;
        worker->started = false;
        sink_forget(&receiving->sink);
        if (!WIFEXITED(outcome) && receiving->failed_status == STATUS_DONE) {
            receiving->failed_status = STATUS_FAILED;
            snprintf(receiving->failed_text, sizeof receiving->failed_text,
                     "the process that read data connection %" PRIu64 " was killed", i);
        }
        if (receiving->failed_status != STATUS_DONE)
            stop_all(session);
    }
}

/* Reaps the workers, which are the only children, in whatever order they end. */
static void
join_processes(struct session *session)
{
    for (;;) {
        int outcome = 0;
        pid_t process = waitpid(-1, &outcome, 0);
        if (process > 0)
            note_end(session, process, outcome);
        else if (errno != EINTR)
            return;
        else if (interrupt_seen())
            for (uint64_t i = 0; i < session->hello.connections; i++)
                if (session->workers[i].started)
                    interrupt_pass_on(session->workers[i].process);
    }
}

/* Waits for the end of every worker that was started. */
static void
join_workers(struct session *session)
{
    if (session->workers == NULL)
        return;
    if (session->config->concurrency == CONCURRENCY_FORK)
        join_processes(session);
    else
        for (uint64_t i = 0; i < session->hello.connections; i++)
            if (session->workers[i].started)
                pthread_join(session->workers[i].thread, NULL);
    free(session->workers);
    session->workers = NULL;
}

/* Waits for a byte of every worker. Returns 0, or -1 with the error of the first that failed. */
static int
await_prepared(struct session *session, int ready)
{
    for (uint64_t i = 0; i < session->hello.connections; i++) {
        char prepared = 0;
        ssize_t got;
        do
            got = recv(ready, &prepared, 1, 0);
        while (got < 0 && errno == EINTR);
        if (got != 1)
            return err_set(STATUS_FAILED, "receiver: a worker ended before it was ready");
        if (prepared)
            continue;
        for (uint64_t j = 0; j < session->hello.connections; j++)
            if (session->receiving[j].failed_status != STATUS_DONE)
                return err_set((enum status)session->receiving[j].failed_status, "receiver: %s",
                               session->receiving[j].failed_text);
    }
    return 0;
}

static int
start_all(struct session *session, int ready[2])
{
    bool forks = session->config->concurrency == CONCURRENCY_FORK;

    for (uint64_t i = 0; i < session->hello.connections; i++) {
        struct worker *worker = &session->workers[i];
        *worker = (struct worker){.session = session, .receiving = &session->receiving[i], .ready = ready[1]};
        if ((forks ? start_process(session, worker) : start_thread(worker)) != 0)
            return -1;
        worker->started = true;
    }
    if (forks) { /* the children have it: when the last of them has gone, waiting for a byte ends */
        close(ready[1]);
        ready[1] = -1;
    }
    return await_prepared(session, ready[0]);
}

int
workers_start(struct session *session)
{
    int ready[2];

    if (session->hello.connections == 1)
        return receiving_prepare(&session->receiving[0]);
    session->workers = calloc((size_t)session->hello.connections, sizeof *session->workers);
    if (session->workers == NULL)
        return err_set(STATUS_REFUSED, "receiver: no memory for its workers");
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ready) != 0) {
        free(session->workers);
        session->workers = NULL;
        return err_system(errno, "receiver: cannot make a channel to its workers");
    }
    int result = start_all(session, ready);
    if (result != 0) { /* those that run see the end of their connection and stop */
        for (uint64_t i = 0; i < session->hello.connections; i++)
            shutdown(session->receiving[i].fd, SHUT_RDWR);
        join_workers(session);
    }
    close(ready[0]);
    if (ready[1] >= 0)
        close(ready[1]);
    return result;
}

void
workers_finish(struct session *session)
{
    if (session->hello.connections > 1) {
        join_workers(session);
        return;
    }
    receiving_run(&session->receiving[0]);
    receiving_release(&session->receiving[0]);
}
