/*
 * net.h: addresses, and sockets that listen, connect and accept, for the families inet, inet6 and unix.
 *
 * Sockets that this file makes are close-on-exec. An address is named by endpoint_text() in every message.
 */
#ifndef TINYGRAM_NET_H
#define TINYGRAM_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct sockopt_values;

/* One address with its length. */
struct endpoint {
    struct sockaddr_storage address;
    socklen_t len;
};

/* Room for endpoint_text(). */
#define ENDPOINT_TEXT_BYTES 160

/* "127.0.0.1 port 4242", "::1 port 4242" or the path (an abstract name begins with @); returns text. */
char *endpoint_text(const struct endpoint *endpoint, char *text);

/* Whether both name the same socket. */
bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);

/* Resolves `host` and `port` in `family` (AF_INET, AF_INET6; AF_UNIX takes a path or @name and no port); a NULL
 * host is loopback, or for AF_UNIX a name that the kernel chooses. Returns 0, or -1 with an error. */
int net_resolve(const char *host, uint16_t port, int family, struct endpoint *endpoint);

/* Makes a listener at `at` (port 0: the kernel chooses) whose SOCKOPT_BEFORE options were applied, and stores its
 * actual address in *bound. `options` may be NULL. Returns the descriptor, or -1 with an error. */
int net_listen(const struct endpoint *at, const struct sockopt_values *options, int backlog, struct endpoint *bound);

/* Connects to `to` before `deadline_ns`, with the SOCKOPT_BEFORE options of `options` (may be NULL). Returns the
 * descriptor (blocking), or -1 with an error. */
int net_connect(const struct endpoint *to, const struct sockopt_values *options, uint64_t deadline_ns);

/* Accepts one connection from a listener; the descriptor is close-on-exec. Stores the peer's address. Returns the
 * descriptor, or -1 with errno as accept(2) left it. */
int net_accept(int listener, struct endpoint *peer);

/* Addresses of the two ends of a connected socket. Returns 0, or -1 with an error. */
int net_local(int fd, struct endpoint *local);

/* The same host, another port: 0, or for unix a name that the kernel chooses. */
void net_any_port(struct endpoint *endpoint);

/* Sets or clears O_NONBLOCK. Returns 0, or -1 with an error. */
int net_set_nonblocking(int fd, bool on);

#endif
