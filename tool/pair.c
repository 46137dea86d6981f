/* pair.c: see pair.h. The listener is made before the fork, so there is nothing to wait for and no port to guess. */
#include "pair.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
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

/* The receiver's process, and a pipe whose writing end only it has: the pipe ends when the process does. */
struct receiver {
    pid_t process;
    int alive;
};

static int
start_receiver(const struct config *config, int listener, struct receiver *receiver)
{
    int alive[2];

    if (pipe(alive) != 0)
        return err_system(errno, "cannot make a pipe to the receiver");
    receiver->alive = alive[0];
    receiver->process = fork();
    if (receiver->process == 0) {
        close(alive[0]);
        interrupt_leave_to_parent();
        recv_serve(config, listener);
        _exit(0); /* how the session went was told to the sender */
    }
    close(alive[1]);
    if (receiver->process > 0)
        return 0;
    err_system(errno, "cannot fork the receiver");
    close(alive[0]);
    return -1;
}

/* Reaps the receiver: it ends when its session has ended. */
static void
reap(const struct receiver *receiver)
{
    struct pollfd wait = {.fd = receiver->alive, .events = POLLIN};
    uint64_t deadline_ns = clock_deadline_ns(END_LIMIT_NS);

    while (poll(&wait, 1, clock_poll_ms(deadline_ns)) <= 0 && clock_now_ns() < deadline_ns)
        ;
    if (wait.revents == 0)
        kill(receiver->process, SIGKILL);
    while (waitpid(receiver->process, NULL, 0) < 0 && errno == EINTR)
        ;
    close(receiver->alive);
}

enum status
pair_main(const struct config *config)
{
    struct config receiver_config = *config;
    struct receiver receiver = {.process = -1, .alive = -1};
    struct endpoint bound;
    enum status status;
    int listener;

    receiver_config.once = true;
    interrupt_install();
    if ((listener = recv_listen(config, &bound)) < 0 ||
        start_receiver(&receiver_config, listener, &receiver) != 0) {
        err_print();
        return err_status();
    }
    close(listener);
    if (cpu_pin(config->cpus.sender, "sender") == 0)
        status = send_trial(config, "pair", &bound);
    else {
        status = err_status();
        err_print();
        kill(receiver.process, SIGKILL);
    }
    reap(&receiver);
    return status;
}
