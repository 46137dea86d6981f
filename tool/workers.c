/* workers.c: see workers.h. */
#include "workers.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
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
    struct receiving *receiving;
    int ready; /* a byte goes in here when the memory is prepared */
    pid_t process;
    pthread_t thread;
    bool started;
};

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
    work(argument);
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

/* Waits for the end of every worker that was started. */
static void
join_workers(struct session *session)
{
    bool forks = session->config->concurrency == CONCURRENCY_FORK;

    for (uint64_t i = 0; session->workers != NULL && i < session->hello.connections; i++) {
        struct worker *worker = &session->workers[i];
        int outcome = 0;
        if (!worker->started)
            continue;
        if (!forks) {
            pthread_join(worker->thread, NULL);
            continue;
        }
        while (waitpid(worker->process, &outcome, 0) < 0 && errno == EINTR)
            if (interrupt_seen())
                interrupt_pass_on(worker->process);
        sink_forget(&worker->receiving->sink);
        if (!WIFEXITED(outcome) && worker->receiving->failed_status == STATUS_DONE) {
            worker->receiving->failed_status = STATUS_FAILED;
            snprintf(worker->receiving->failed_text, sizeof worker->receiving->failed_text,
                     "the process that read a data connection was killed");
        }
    }
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
        *worker = (struct worker){.receiving = &session->receiving[i], .ready = ready[1]};
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
