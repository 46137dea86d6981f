/*
 * preload_lose_nodelay.c: a TCP_NODELAY that is taken, read back as asked for, and has no effect.
 *
 * Loaded with LD_PRELOAD before a program, it stands for a build that has lost the option on the way, which no reading
 * back can show: only what the segments do. A comparison must find it by its stalls.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Descriptors above this keep the real option. */
#define DESCRIPTORS 1024

static int asked[DESCRIPTORS];

static int
is_lost(int fd, int level, int option)
{
    return level == IPPROTO_TCP && option == TCP_NODELAY && fd >= 0 && fd < DESCRIPTORS;
}

int
setsockopt(int fd, int level, int option, const void *value, socklen_t length)
{
    if (!is_lost(fd, level, option) || length != sizeof(int))
        return (int)syscall(SYS_setsockopt, fd, level, option, value, length);
    memcpy(&asked[fd], value, sizeof(int));
    return 0;
}

int
getsockopt(int fd, int level, int option, void *value, socklen_t *length)
{
    if (!is_lost(fd, level, option) || *length < (socklen_t)sizeof(int))
        return (int)syscall(SYS_getsockopt, fd, level, option, value, length);
    memcpy(value, &asked[fd], sizeof(int));
    *length = sizeof(int);
    return 0;
}
