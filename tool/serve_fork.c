/*
 * serve_fork.c: a process for each session. SIGCHLD wakes the server, which reaps with waitpid(WNOHANG): no zombie
 * outlives one turn of its loop.
 */
#include "serve.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "interrupt.h"

/* The exit status of a child whose session was a stranger's. */
#define STATUS_STRANGER 64

/* The children of one server. */
struct children {
    pid_t process[SESSIONS_MAX];
    size_t count;
    bool ended; /* a session that counts has ended, with this status */
    enum status status;
};

static volatile sig_atomic_t wake_fd = -1;

static void
handle_child(int signal_number)
{
    int saved = errno;

    (void)signal_number;
    if (wake_fd >= 0 && send(wake_fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        errno = saved; /* the channel is full: it will wake all the same */
    errno = saved;
}

static void
install_handler(void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_NOCLDSTOP};

    sigemptyset(&action.sa_mask);
    sigaction(SIGCHLD, &action, NULL);
}

/* Forgets a child that has ended, and notes its outcome. */
static void
note_end(struct children *children, pid_t process, int outcome)
{
    for (size_t i = 0; i < children->count; i++) {
        if (children->process[i] != process)
            continue;
        children->process[i] = children->process[--children->count];
        break;
    }
    if (WIFEXITED(outcome) && WEXITSTATUS(outcome) == STATUS_STRANGER)
        return;
    children->ended = true;
    children->status = WIFEXITED(outcome) ? (enum status)WEXITSTATUS(outcome) : STATUS_FAILED;
}

static void
reap(struct children *children, int flags)
{
    int outcome;
    pid_t process;

    while ((process = waitpid(-1, &outcome, flags)) > 0 || (process < 0 && errno == EINTR))
        if (process > 0)
            note_end(children, process, outcome);
}

/* What a child does: one session, to its end. */
static void
run_child(struct server *server, struct session *session)
{
    wake_fd = -1;
    install_handler(SIG_DFL);
    interrupt_unwatch(server->wake[0]);
    close(server->wake[0]);
    close(server->wake[1]);
    close(server->listener);
    if (server->spare >= 0)
        close(server->spare);
    session_run(session);
    bool stranger = !session->greeted;
    enum status status = server->ended(session);
    session_free(session);
    _exit(stranger ? STATUS_STRANGER : (int)status);
}

static void
start_child(struct server *server, struct children *children)
{
    struct session *session = serve_accept(server);

    if (session == NULL)
        return;
    pid_t process = fork();
    if (process == 0)
        run_child(server, session);
    if (process > 0)
        children->process[children->count++] = process;
    else {
        err_system(errno, "cannot fork a process for a sender");
        serve_turn_away(server, session->control);
    }
    session_free(session); /* the child has its own */
}

enum status
serve_fork(struct server *server)
{
    static struct children children;

    children = (struct children){.count = 0};
    wake_fd = server->wake[1];
    install_handler(handle_child);
    while (!interrupt_seen() && !(server->config->once && children.ended)) {
        struct pollfd wait[] = {{.fd = server->wake[0], .events = POLLIN},
                                {.fd = children.count < SESSIONS_MAX ? server->listener : -1, .events = POLLIN},
                                {.fd = server->leash, .events = POLLIN}};
        if (poll(wait, 3, -1) < 0)
            continue;
        if (wait[2].revents != 0)
            break;
        if (wait[0].revents != 0) {
            serve_wake_clear(server);
            reap(&children, WNOHANG);
        }
        if (wait[1].revents != 0)
            start_child(server, &children);
    }
    for (size_t i = 0; i < children.count; i++) /* strangers that linger, or all of them after a signal */
        interrupt_pass_on(children.process[i]);
    reap(&children, 0);
    wake_fd = -1;
    install_handler(SIG_DFL);
    return interrupt_seen() ? STATUS_INTERRUPTED : children.status;
}
