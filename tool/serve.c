/* serve.c: see serve.h. */
#include "serve.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "interrupt.h"
#include "net.h"

struct session *
serve_accept(const struct server *server)
{
    struct endpoint peer;
    int fd = net_accept(server->listener, &peer);

    err_clear();
    if (fd >= 0)
        return session_new(server->config, fd, &peer);
    if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR && errno != ECONNABORTED)
        err_system(errno, "cannot accept a sender");
    return NULL;
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
    if (net_set_nonblocking(server->listener, true) != 0 || interrupt_watch(server->wake[0], SHUT_RD) != 0)
        status = err_status();
    else if (server->config->concurrency == CONCURRENCY_FORK)
        status = serve_fork(server);
    else if (server->config->concurrency == CONCURRENCY_POLL)
        status = serve_poll(server);
    else
        status = serve_thread(server);
    interrupt_unwatch(server->wake[0]);
    close(server->wake[0]);
    close(server->wake[1]);
    return status;
}
