/* serve.c: see serve.h. */
#include "serve.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "control.h"
#include "interrupt.h"
#include "net.h"

/* Sessions that end free descriptors and memory: the next try of a server that has none comes after this time. */
#define PAUSE_MS 100

void
serve_turn_away(const struct server *server, int control)
{
    struct wire_reply reply;

    memset(&reply, 0, sizeof reply);
    reply.status = (uint64_t)err_status();
    snprintf(reply.text, sizeof reply.text, "receiver: %.480s", err_text());
    if (server->leash < 0)
        err_print();
    control_send(control, WIRE_WELCOME, &reply, 0); /* as far as it can be sent at once */
    err_clear();
}

/* No descriptor is left for a sender: gives the spare one up for a moment. */
static void
accept_and_turn_away(struct server *server)
{
    struct endpoint peer;

    if (server->spare >= 0)
        close(server->spare);
    int fd = net_accept(server->listener, &peer);
    if (fd >= 0) {
        serve_turn_away(server, fd);
        close(fd);
    }
    server->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    poll(NULL, 0, PAUSE_MS);
}

struct session *
serve_accept(struct server *server)
{
    struct endpoint peer;
    int fd = net_accept(server->listener, &peer);
    int code = errno;

    err_clear();
    if (fd >= 0) {
        struct session *session = session_new(server->config, fd, &peer);
        if (session == NULL)
            err_print();
        return session;
    }
    if (code == EAGAIN || code == EWOULDBLOCK || code == EINTR || code == ECONNABORTED)
        return NULL;
    err_system(code, "cannot accept a sender");
    accept_and_turn_away(server);
    return NULL;
}

void
serve_nobody(struct server *server)
{
    struct pollfd wait[] = {{.fd = server->listener, .events = POLLIN}, {.fd = server->leash, .events = POLLIN}};

    server->spare = -1;
    while (poll(wait, 2, -1) < 0 && errno == EINTR && !interrupt_seen())
        ;
    if (wait[0].revents != 0)
        accept_and_turn_away(server);
}

void
serve_wake_clear(const struct server *server)
{
    char bytes[64];

    while (recv(server->wake[0], bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        ;
}

enum status
serve(struct server *server)
{
    enum status status;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, server->wake) != 0) {
        err_system(errno, "cannot make a channel for the ends of sessions");
        return err_status();
    }
    fcntl(server->wake[0], F_SETFD, FD_CLOEXEC);
    fcntl(server->wake[1], F_SETFD, FD_CLOEXEC);
    server->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (server->spare < 0) {
        err_system(errno, "cannot keep a spare descriptor");
        status = err_status();
    } else if (net_set_nonblocking(server->listener, true) != 0 || interrupt_watch(server->wake[0], SHUT_RD) != 0)
        status = err_status();
    else if (server->config->concurrency == CONCURRENCY_FORK)
        status = serve_fork(server);
    else if (server->config->concurrency == CONCURRENCY_POLL)
        status = serve_poll(server);
    else
        status = serve_thread(server);
    if (server->spare >= 0)
        close(server->spare);
    interrupt_unwatch(server->wake[0]);
    close(server->wake[0]);
    close(server->wake[1]);
    return status;
}
