/* pair.c: see pair.h. The listener is made before the fork, so there is nothing to wait for and no port to guess. */
#include "pair.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "cpu.h"
#include "interrupt.h"
#include "net.h"
#include "recv.h"
#include "send.h"

/* Time for the receiver to end by itself once the sender has; then it is killed. */
#define END_LIMIT_NS (3 * NS_PER_S)

/* The receiver's process, and two pipes, each of which ends when the process that has its writing end does. */
struct receiver {
    pid_t process;
    int alive; /* ends with the receiver */
    int leash; /* ends with us, also when we are killed: then the receiver does not wait for a sender any more */
};

static int
start_receiver(const struct config *config, int listener, struct receiver *receiver)
{
    int alive[2], leash[2];

    if (pipe(alive) != 0)
        return err_system(errno, "cannot make a pipe to the receiver");
    if (pipe(leash) != 0) {
        err_system(errno, "cannot make a pipe to the receiver");
        goto err1;
    }
    receiver->alive = alive[0];
    receiver->leash = leash[1];
    receiver->process = fork();
    if (receiver->process == 0) {
        close(alive[0]);
        close(leash[1]);
        interrupt_leave_to_parent();
        recv_serve(config, listener, leash[0]);
        _exit(0); /* how the session went, and why there was none, was told to the sender */
    }
    if (receiver->process < 0) {
        err_system(errno, "cannot fork the receiver");
        goto err2;
    }
    close(alive[1]);
    close(leash[0]);
    return 0;

err2:
    close(leash[0]);
    close(leash[1]);
err1:
    close(alive[0]);
    close(alive[1]);
    return -1;
}

/* Reaps the receiver: it ends when its session has ended, or when there will be none. */
static void
reap(const struct receiver *receiver)
{
    struct pollfd wait = {.fd = receiver->alive, .events = POLLIN};
    uint64_t deadline_ns = clock_deadline_ns(END_LIMIT_NS);

    close(receiver->leash);
    while (poll(&wait, 1, clock_poll_ms(deadline_ns)) <= 0 && clock_now_ns() < deadline_ns)
        ;
    if (wait.revents == 0)
        kill(receiver->process, SIGKILL);
    while (waitpid(receiver->process, NULL, 0) < 0 && errno == EINTR)
        ;
    close(receiver->alive);
}

/* Runs a pair; the outcome goes to *outcome, or where the command line wants it. Returns the status, error kept. */
static enum status
run_pair(const struct config *config, struct outcome *outcome)
{
    struct config receiver_config = *config;
    struct receiver receiver = {.process = -1, .alive = -1, .leash = -1};
    struct endpoint bound;
    enum status status = STATUS_DONE;
    int listener;

    receiver_config.once = true;
    if ((listener = recv_listen(config, &bound)) < 0 || start_receiver(&receiver_config, listener, &receiver) != 0)
        return outcome != NULL ? err_status() : send_trial(config, "pair", NULL);
    close(listener);
    if (outcome != NULL)
        send_measure(config, &bound, outcome);
    else
        status = send_trial(config, "pair", &bound);
    reap(&receiver);
    return status;
}

void
pair_measure(const struct config *config, struct outcome *outcome)
{
    outcome->status = STATUS_DONE;
    err_clear();
    enum status status = run_pair(config, outcome);
    if (status == STATUS_DONE)
        return;
    outcome->status = status;
    memcpy(outcome->error, err_text(), sizeof outcome->error);
}

enum status
pair_main(const struct config *config)
{
    interrupt_install();
    return run_pair(config, NULL);
}
