/* net.c: see net.h. _GNU_SOURCE for accept4(); SOCK_CLOEXEC spares a call a socket. */
#define _GNU_SOURCE
#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "err.h"
#include "sockopt.h"

static uint16_t
port_of(const struct endpoint *endpoint)
{
    if (endpoint->address.ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)&endpoint->address)->sin_port);
    return ntohs(((const struct sockaddr_in6 *)&endpoint->address)->sin6_port);
}

char *
endpoint_text(const struct endpoint *endpoint, char *text)
{
    char host[INET6_ADDRSTRLEN] = "?";

    switch (endpoint->address.ss_family) {
    case AF_INET:
        inet_ntop(AF_INET, &((const struct sockaddr_in *)&endpoint->address)->sin_addr, host, sizeof host);
        break;
    case AF_INET6:
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)&endpoint->address)->sin6_addr, host, sizeof host);
        break;
    case AF_UNIX: {
        const struct sockaddr_un *un = (const struct sockaddr_un *)&endpoint->address;
        size_t len = endpoint->len - offsetof(struct sockaddr_un, sun_path);
        if (endpoint->len <= offsetof(struct sockaddr_un, sun_path))
            snprintf(text, ENDPOINT_TEXT_BYTES, "(unnamed)");
        else if (un->sun_path[0] == '\0')
            snprintf(text, ENDPOINT_TEXT_BYTES, "@%.*s", (int)(len - 1), un->sun_path + 1);
        else
            snprintf(text, ENDPOINT_TEXT_BYTES, "%.*s", (int)len, un->sun_path);
        return text;
    }
    default:
        snprintf(text, ENDPOINT_TEXT_BYTES, "(unknown family)");
        return text;
    }
    snprintf(text, ENDPOINT_TEXT_BYTES, "%s port %u", host, port_of(endpoint));
    return text;
}

bool
endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
    if (a->address.ss_family != b->address.ss_family)
        return false;
    switch (a->address.ss_family) {
    case AF_INET: {
        const struct sockaddr_in *left = (const struct sockaddr_in *)&a->address;
        const struct sockaddr_in *right = (const struct sockaddr_in *)&b->address;
        return left->sin_port == right->sin_port && left->sin_addr.s_addr == right->sin_addr.s_addr;
    }
    case AF_INET6: {
        const struct sockaddr_in6 *left = (const struct sockaddr_in6 *)&a->address;
        const struct sockaddr_in6 *right = (const struct sockaddr_in6 *)&b->address;
        return left->sin6_port == right->sin6_port &&
               memcmp(&left->sin6_addr, &right->sin6_addr, sizeof left->sin6_addr) == 0;
    }
    default:
        return a->len == b->len && memcmp(&a->address, &b->address, a->len) == 0;
    }
}

static int
resolve_unix(const char *path, struct endpoint *endpoint)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&endpoint->address;

    un->sun_family = AF_UNIX;
    endpoint->len = offsetof(struct sockaddr_un, sun_path); /* bind(2) of this length: the kernel names it */
    if (path == NULL)
        return 0;
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof un->sun_path)
        return err_set(STATUS_USAGE, "'%.60s': the path of a unix socket has 1 to %zu characters", path,
                       sizeof un->sun_path - 1);
    memcpy(un->sun_path, path, len);
    if (path[0] == '@')
        un->sun_path[0] = '\0';
    endpoint->len += (socklen_t)(path[0] == '@' ? len : len + 1);
    return 0;
}

int
net_resolve(const char *host, uint16_t port, int family, struct endpoint *endpoint)
{
    struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found;
    char service[8];

    memset(endpoint, 0, sizeof *endpoint);
    if (family == AF_UNIX)
        return resolve_unix(host, endpoint);
    if (host == NULL)
        host = family == AF_INET6 ? "::1" : "127.0.0.1";
    snprintf(service, sizeof service, "%u", port);
    int code = getaddrinfo(host, service, &hints, &found);
    if (code != 0)
        return err_set(STATUS_REFUSED, "host '%.80s' has no %s address: %s; check the name and --family", host,
                       family == AF_INET6 ? "inet6" : "inet", gai_strerror(code));
    memcpy(&endpoint->address, found->ai_addr, found->ai_addrlen);
    endpoint->len = found->ai_addrlen;
    freeaddrinfo(found);
    return 0;
}

int
net_local(int fd, struct endpoint *local)
{
    local->len = sizeof local->address;
    if (getsockname(fd, (struct sockaddr *)&local->address, &local->len) != 0)
        return err_system(errno, "cannot read a socket's own address");
    return 0;
}

static int
open_socket(int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        err_system(errno, "cannot make a socket");
    return fd;
}

int
net_listen(const struct endpoint *at, const struct sockopt_values *options, int backlog, struct endpoint *bound)
{
    char text[ENDPOINT_TEXT_BYTES];
    int fd = open_socket(at->address.ss_family);

    if (fd < 0)
        return -1;
    if (options != NULL && sockopt_apply(fd, options, SOCKOPT_BEFORE, "receiver") != 0)
        goto failed;
    if (bind(fd, (const struct sockaddr *)&at->address, at->len) != 0) {
        err_system(errno, "cannot listen at %s", endpoint_text(at, text));
        goto failed;
    }
    if (listen(fd, backlog) != 0) {
        err_system(errno, "cannot listen at %s", endpoint_text(at, text));
        goto failed;
    }
    if (net_local(fd, bound) != 0)
        goto failed;
    return fd;

failed:
    close(fd);
    return -1;
}

/* Waits for a connect() under way; returns 0 or an errno value. */
static int
await_connected(int fd, uint64_t deadline_ns)
{
    struct pollfd wait = {.fd = fd, .events = POLLOUT};

    for (;;) {
        int ready = poll(&wait, 1, clock_poll_ms(deadline_ns));
        if (ready > 0)
            return sockopt_pending_error(fd);
        if (ready < 0)
            return errno; /* EINTR too: an interruption ends the trial */
        if (clock_now_ns() >= deadline_ns)
            return ETIMEDOUT;
    }
}

int
net_connect(const struct endpoint *to, const struct sockopt_values *options, uint64_t deadline_ns)
{
    char text[ENDPOINT_TEXT_BYTES];
    int fd = open_socket(to->address.ss_family);

    if (fd < 0)
        return -1;
    if (options != NULL && sockopt_apply(fd, options, SOCKOPT_BEFORE, "sender") != 0)
        goto failed;
    if (to->address.ss_family == AF_UNIX) { /* a name of its own, so that the receiver can tell connections apart */
        struct endpoint own;
        if (net_resolve(NULL, 0, AF_UNIX, &own) != 0)
            goto failed;
        if (bind(fd, (const struct sockaddr *)&own.address, own.len) != 0) {
            err_system(errno, "cannot name a unix socket");
            goto failed;
        }
    }
    if (net_set_nonblocking(fd, true) != 0)
        goto failed;
    int code = connect(fd, (const struct sockaddr *)&to->address, to->len) == 0 ? 0 : errno;
    if (code == EINPROGRESS || (code == EAGAIN && to->address.ss_family != AF_UNIX))
        code = await_connected(fd, deadline_ns);
    if (code != 0) {
        err_system(code, "cannot connect to %s%s", endpoint_text(to, text),
                   code == ECONNREFUSED ? " (does `tinygram recv` listen there?)" : "");
        goto failed;
    }
    if (net_set_nonblocking(fd, false) != 0)
        goto failed;
    return fd;

failed:
    close(fd);
    return -1;
}

int
net_accept(int listener, struct endpoint *peer)
{
    peer->len = sizeof peer->address;
    return accept4(listener, (struct sockaddr *)&peer->address, &peer->len, SOCK_CLOEXEC);
}

void
net_any_port(struct endpoint *endpoint)
{
    if (endpoint->address.ss_family == AF_INET)
        ((struct sockaddr_in *)&endpoint->address)->sin_port = 0;
    else if (endpoint->address.ss_family == AF_INET6)
        ((struct sockaddr_in6 *)&endpoint->address)->sin6_port = 0;
    else
        net_resolve(NULL, 0, AF_UNIX, endpoint);
}

int
net_set_nonblocking(int fd, bool on)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) != 0)
        return err_system(errno, "cannot change a socket's blocking mode");
    return 0;
}
