/*
 * preload_congestion.c: a socket() that gives every TCP socket the congestion control that BENCH_CONGESTION names.
 *
 * Loaded with LD_PRELOAD before those peers that have no option for it, so that a comparison changes one thing only.
 * The system-wide default was left alone: it belongs to everybody on this machine. A peer whose socket refuses the
 * congestion control ends at once, with a sentence and status 3.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int
socket(int domain, int type, int protocol)
{
    int fd = (int)syscall(SYS_socket, domain, type, protocol);
    const char *name = getenv("BENCH_CONGESTION");
    int is_tcp = (domain == AF_INET || domain == AF_INET6) && (type & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) == SOCK_STREAM;

    if (fd < 0 || !is_tcp || name == NULL)
        return fd;
    if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name)) != 0) {
        fprintf(stderr, "the congestion control %s cannot be set on a peer's socket: %s\n", name, strerror(errno));
        _exit(3);
    }
    return fd;
}
