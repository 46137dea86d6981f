/* kit.c: see kit.h. _GNU_SOURCE for unshare() and the names of Linux. */
#define _GNU_SOURCE
#include "lab/kit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/sockios.h>
#include <linux/tcp.h>

#include "err.h"
#include "tcpinfo.h"

/* Bytes of one write of lab_fill(), and of one read. */
#define PIECE_BYTES 16384

void
lab_pause(void)
{
    struct timespec quarter = {.tv_nsec = 250000};
    nanosleep(&quarter, NULL);
}

void
lab_set(struct lab_case *lab, int fd, int level, int option, int value)
{
    if (setsockopt(fd, level, option, &value, sizeof value) != 0)
        lab_give_up(lab, "option %d of level %d took no %d: %s", option, level, value, lab_errno(errno));
}

int
lab_get(struct lab_case *lab, int fd, int level, int option)
{
    int value = 0;
    socklen_t len = sizeof value;
    if (getsockopt(fd, level, option, &value, &len) != 0)
        lab_give_up(lab, "option %d of level %d cannot be read: %s", option, level, lab_errno(errno));
    return value;
}

void
lab_linger(struct lab_case *lab, int fd, int seconds)
{
    struct linger value = {.l_onoff = 1, .l_linger = seconds};

    if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &value, sizeof value) != 0)
        lab_give_up_system(lab, errno, "SO_LINGER was refused");
}

int
lab_socket(struct lab_case *lab, int family, int type)
{
    int fd = socket(family, type, 0);
    if (fd < 0)
        lab_give_up_system(lab, errno, "no socket could be made");
    return fd;
}

struct endpoint
lab_loopback(struct lab_case *lab, int family, uint16_t port)
{
    struct endpoint at;
    memset(&at, 0, sizeof at);
    if (family == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)&at.address;
        in->sin_family = AF_INET;
        in->sin_port = htons(port);
        in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        at.len = sizeof *in;
    } else if (family == AF_INET6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&at.address;
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
        in6->sin6_addr = in6addr_loopback;
        at.len = sizeof *in6;
    } else if (net_resolve(NULL, 0, family, &at) != 0)
        lab_give_up(lab, "%s", err_text());
    return at;
}

uint16_t
lab_port(const struct endpoint *at)
{
    if (at->address.ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)&at->address)->sin_port);
    if (at->address.ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)&at->address)->sin6_port);
    return 0;
}

struct endpoint
lab_name_of(struct lab_case *lab, int fd)
{
    struct endpoint at;
    memset(&at, 0, sizeof at);
    if (net_local(fd, &at) != 0)
        lab_give_up(lab, "%s", err_text());
    return at;
}

int
lab_connect_to(int fd, const struct endpoint *at)
{
    return connect(fd, (const struct sockaddr *)&at->address, at->len) == 0 ? 0 : errno;
}

int
lab_bind_at(int fd, const struct endpoint *at)
{
    return bind(fd, (const struct sockaddr *)&at->address, at->len) == 0 ? 0 : errno;
}

static void
bind_to(struct lab_case *lab, int fd, const struct endpoint *at)
{
    int code = lab_bind_at(fd, at);
    if (code != 0)
        lab_give_up_system(lab, code, "bind() to loopback failed");
}

int
lab_listen(struct lab_case *lab, int family, int backlog, struct endpoint *bound)
{
    struct endpoint at = lab_loopback(lab, family, 0);
    int fd = lab_socket(lab, family, SOCK_STREAM);

    bind_to(lab, fd, &at);
    if (listen(fd, backlog) != 0)
        lab_give_up_system(lab, errno, "listen() failed");
    *bound = lab_name_of(lab, fd);
    return fd;
}

/* Datagram sockets: both bound, the first connected to the second. */
static void
connect_datagrams(struct lab_case *lab, const struct lab_link *link, int family, int ends[2])
{
    struct endpoint at = lab_loopback(lab, family, 0);

    for (int i = 0; i < 2; i++) {
        ends[i] = lab_socket(lab, family, link->type);
        bind_to(lab, ends[i], &at);
    }
    if (link->sndbuf != 0)
        lab_set(lab, ends[0], SOL_SOCKET, SO_SNDBUF, link->sndbuf);
    if (link->rcvbuf != 0)
        lab_set(lab, ends[1], SOL_SOCKET, SO_RCVBUF, link->rcvbuf);
    struct endpoint to = lab_name_of(lab, ends[1]);
    if (connect(ends[0], (const struct sockaddr *)&to.address, to.len) != 0)
        lab_give_up_system(lab, errno, "a datagram socket could not be connected");
}

/* The first connection's congestion control and MSS stand beside the verdict. */
static void
note_connection(struct lab_case *lab, const struct lab_link *link, int fd)
{
    struct lab_record *record = lab->record;
    char name[sizeof record->congestion] = "";
    socklen_t len = sizeof name - 1;

    if (record->congestion[0] != '\0' || getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &len) != 0)
        return;
    snprintf(record->congestion, sizeof record->congestion, "%s", name);
    record->mss = link->mss != 0 ? lab_info(fd, "snd_mss") : MISSING;
}

void
lab_connect(struct lab_case *lab, const struct lab_link *link, int ends[2])
{
    int family = link->family != 0 ? link->family : AF_INET;

    if (link->type != 0 && link->type != SOCK_STREAM) {
        connect_datagrams(lab, link, family, ends);
        return;
    }
    struct endpoint at = lab_loopback(lab, family, 0);
    int listener = lab_socket(lab, family, SOCK_STREAM);
    ends[0] = lab_socket(lab, family, SOCK_STREAM);
    if (link->sndbuf != 0)
        lab_set(lab, ends[0], SOL_SOCKET, SO_SNDBUF, link->sndbuf);
    if (link->rcvbuf != 0)
        lab_set(lab, listener, SOL_SOCKET, SO_RCVBUF, link->rcvbuf);
    if (family != AF_UNIX) {
        const int both[2] = {listener, ends[0]};
        for (int i = 0; i < 2; i++) {
            if (link->mss != 0)
                lab_set(lab, both[i], IPPROTO_TCP, TCP_MAXSEG, link->mss);
            if (!link->congested && setsockopt(both[i], IPPROTO_TCP, TCP_CONGESTION, "reno", 4) != 0)
                lab_give_up_system(lab, errno, "TCP_CONGESTION reno was refused");
        }
    }
    bind_to(lab, listener, &at);
    if (listen(listener, 1) != 0)
        lab_give_up_system(lab, errno, "listen() failed");
    at = lab_name_of(lab, listener);
    if (connect(ends[0], (const struct sockaddr *)&at.address, at.len) != 0)
        lab_give_up_system(lab, errno, "connect() to loopback failed");
    ends[1] = accept(listener, NULL, NULL);
    if (ends[1] < 0)
        lab_give_up_system(lab, errno, "accept() failed");
    close(listener);
    if (family != AF_UNIX)
        note_connection(lab, link, ends[0]);
}

void
lab_send(struct lab_case *lab, int fd, size_t count, int flags)
{
    static const char letters[PIECE_BYTES];

    while (count > 0) {
        size_t piece = count < sizeof letters ? count : sizeof letters;
        ssize_t sent = send(fd, letters, piece, flags | MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent <= 0)
            lab_give_up_system(lab, errno, "the kernel did not take what was to be sent");
        count -= (size_t)sent;
    }
}

void
lab_receive(struct lab_case *lab, int fd, size_t count)
{
    static char letters[PIECE_BYTES];

    while (count > 0) {
        if (lab_ready(lab, fd, POLLIN, LAB_SOON_NS) == 0)
            lab_give_up(lab, "%zu bytes that were sent did not arrive", count);
        ssize_t got = recv(fd, letters, count < sizeof letters ? count : sizeof letters, MSG_DONTWAIT);
        if (got < 0)
            lab_give_up_system(lab, errno, "reading what was sent failed");
        if (got == 0)
            lab_give_up(lab, "the stream ended %zu bytes early", count);
        count -= (size_t)got;
    }
}

size_t
lab_fill(struct lab_case *lab, int fd)
{
    static const char letters[PIECE_BYTES];
    size_t total = 0;

    for (bool waited = false;;) {
        ssize_t sent = send(fd, letters, sizeof letters, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) {
            total += (size_t)sent;
            waited = false;
            continue;
        }
        if (sent < 0 && errno != EAGAIN)
            lab_give_up_system(lab, errno, "filling the connection failed");
        if (waited)
            return total;
        /* Full. poll() reports room only when a good part is free, send() takes what fits: it has the last word. */
        waited = lab_ready(lab, fd, POLLOUT, 100 * NS_PER_MS) == 0;
    }
}

size_t
lab_drain(struct lab_case *lab, int fd, int *code)
{
    static char letters[PIECE_BYTES];
    size_t total = 0;

    for (;;) {
        if (lab_ready(lab, fd, POLLIN, LAB_SOON_NS) == 0)
            lab_give_up(lab, "after %zu bytes nothing more came, neither data nor an end", total);
        ssize_t got = recv(fd, letters, sizeof letters, MSG_DONTWAIT);
        *code = got < 0 ? errno : 0;
        if (got <= 0)
            return total;
        total += (size_t)got;
    }
}

static int
queue(struct lab_case *lab, int fd, unsigned long request, const char *name)
{
    int bytes = 0;
    if (ioctl(fd, request, &bytes) != 0)
        lab_give_up_system(lab, errno, name);
    return bytes;
}

int
lab_unsent(struct lab_case *lab, int fd)
{
    return queue(lab, fd, SIOCOUTQNSD, "SIOCOUTQNSD failed");
}

int
lab_unacknowledged(struct lab_case *lab, int fd)
{
    return queue(lab, fd, SIOCOUTQ, "SIOCOUTQ failed");
}

int
lab_unread(struct lab_case *lab, int fd)
{
    return queue(lab, fd, SIOCINQ, "SIOCINQ failed");
}

uint64_t
lab_info(int fd, const char *field)
{
    struct tcpinfo info;
    tcpinfo_read(fd, &info);
    return tcpinfo_get(&info, field);
}

uint64_t
lab_segments(int fd)
{
    struct tcpinfo info;
    tcpinfo_read(fd, &info);
    uint64_t sent = tcpinfo_get(&info, "data_segs_out");
    uint64_t again = tcpinfo_get(&info, "total_retrans");
    return sent == MISSING || again == MISSING ? MISSING : sent - again;
}

int
lab_ready(struct lab_case *lab, int fd, short events, uint64_t limit_ns)
{
    struct pollfd wait = {.fd = fd, .events = events};
    uint64_t deadline_ns = clock_deadline_ns(limit_ns);

    for (;;) {
        int ready = poll(&wait, 1, clock_poll_ms(deadline_ns));
        if (ready > 0)
            return wait.revents;
        if (ready < 0 && errno != EINTR)
            lab_give_up_system(lab, errno, "poll() failed");
        if (clock_now_ns() >= deadline_ns)
            return 0;
    }
}

const char *
lab_tcp_state(struct lab_case *lab, uint16_t local, uint16_t remote, uint64_t *timer_ms)
{
    static const char *const names[] = {"",          "ESTABLISHED", "SYN_SENT",    "SYN_RECV",   "FIN_WAIT1",
                                        "FIN_WAIT2", "TIME_WAIT",   "CLOSE",       "CLOSE_WAIT", "LAST_ACK",
                                        "LISTEN",    "CLOSING",     "NEW_SYN_RECV"};
    FILE *file = fopen("/proc/net/tcp", "re");
    char line[512];
    const char *found = "";
    uint64_t ticks = MISSING;

    if (file == NULL)
        lab_give_up_system(lab, errno, "/proc/net/tcp cannot be read");
    while (found[0] == '\0' && fgets(line, sizeof line, file) != NULL) {
        /* sl: local:port remote:port state tx:rx timer:when ..., all but the first hexadecimal */
        uint64_t field[9];
        char *next = strchr(line, ':');
        for (size_t i = 0; i < sizeof field / sizeof field[0]; i++)
            field[i] = next != NULL && *next != '\0' ? strtoull(next + 1, &next, 16) : 0;
        if (field[1] != local || field[3] != remote || field[4] >= sizeof names / sizeof names[0])
            continue;
        found = names[field[4]];
        ticks = field[7] != 0 ? field[8] : MISSING;
    }
    fclose(file);
    long hertz = sysconf(_SC_CLK_TCK);
    if (timer_ms != NULL)
        *timer_ms = ticks == MISSING || hertz <= 0 ? MISSING : ticks * 1000 / (uint64_t)hertz;
    return found;
}
