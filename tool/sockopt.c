/*
 * sockopt.c: see sockopt.h. The names of Linux stand here and in tcpinfo.c, and nowhere else.
 *
 * Sources: socket(7), ip(7), ipv6(7), tcp(7), unix(7); for what a read-back value means: net/core/sock.c and
 * net/ipv4/tcp.c of Linux (SO_SNDBUF and SO_RCVBUF read as twice the request; TCP_MAXSEG reads as the MSS in
 * use, from which TCP's own options were taken; TCP_QUICKACK reads whether the socket is out of the
 * delayed-ACK mode at this moment).
 */
#define _GNU_SOURCE
#include "sockopt.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <linux/sock_diag.h>
#include <linux/tcp.h>

#include "clock.h"
#include "err.h"
#include "system.h"
#include "units.h"

#ifndef SO_ZEROCOPY
#define SO_ZEROCOPY 60
#endif

/* How a read-back value proves the request. */
enum proof {
    PROOF_EQUAL,   /* the same value */
    PROOF_DOUBLED, /* at least twice the request; above it is the kernel's floor */
    PROOF_MSS      /* at most the request, less at most the room of TCP's own options */
};

/* The most bytes that options take from a TCP header (RFC 9293, 3.1). */
#define TCP_OPTION_BYTES 40

struct kernel_row {
    struct sockopt_row row;
    int level;
    int optname;
    enum proof proof;
    const char *cause; /* why a value may not take effect */
};

static const struct kernel_row table[SOCKOPT_COUNT] = {
    [SOCKOPT_NODELAY] = {{"nodelay", "TCP_NODELAY", SOCKOPT_BOOLEAN, "", SOCKOPT_SENDER, SOCKOPT_CONNECTED, true, 0, 1,
                          "Turn Nagle's algorithm off: a small segment does not wait for the ACK of the one before."},
                         IPPROTO_TCP,
                         TCP_NODELAY,
                         PROOF_EQUAL,
                         "the kernel ignored it"},
    [SOCKOPT_CORK] = {{"cork", "TCP_CORK", SOCKOPT_BOOLEAN, "", SOCKOPT_SENDER, SOCKOPT_CONNECTED, true, 0, 1,
                       "Hold every partial segment until uncorked or for 200 ms."},
                      IPPROTO_TCP,
                      TCP_CORK,
                      PROOF_EQUAL,
                      "the kernel ignored it"},
    [SOCKOPT_QUICKACK] = {{"quickack", "TCP_QUICKACK", SOCKOPT_BOOLEAN, "", SOCKOPT_RECEIVER, SOCKOPT_CONNECTED, true,
                           0, 1,
                           "Acknowledge at once instead of delayed. Not permanent: the kernel leaves this mode by "
                           "itself."},
                          IPPROTO_TCP,
                          TCP_QUICKACK,
                          PROOF_EQUAL,
                          "the kernel ignored it"},
    [SOCKOPT_SNDBUF] = {{"sndbuf", "SO_SNDBUF", SOCKOPT_SIZE, "bytes", SOCKOPT_SENDER, SOCKOPT_BEFORE, false, 1,
                         INT_MAX / 2,
                         "Send buffer. The kernel doubles the request, counts its own bookkeeping in it and stops "
                         "autotuning."},
                        SOL_SOCKET,
                        SO_SNDBUF,
                        PROOF_DOUBLED,
                        "net.core.wmem_max"},
    [SOCKOPT_RCVBUF] = {{"rcvbuf", "SO_RCVBUF", SOCKOPT_SIZE, "bytes", SOCKOPT_RECEIVER, SOCKOPT_BEFORE, false, 1,
                         INT_MAX / 2,
                         "Receive buffer, which bounds the window. The kernel doubles the request and stops "
                         "autotuning."},
                        SOL_SOCKET,
                        SO_RCVBUF,
                        PROOF_DOUBLED,
                        "net.core.rmem_max"},
    [SOCKOPT_MSS] =
        {{"mss", "TCP_MAXSEG", SOCKOPT_SIZE, "bytes", SOCKOPT_SENDER, SOCKOPT_BEFORE, true, 88, 32767,
          "Largest segment; 1460 makes loopback (64 KiB) behave like an Ethernet: with timestamps, 1448 bytes of "
          "data a segment."},
         IPPROTO_TCP,
         TCP_MAXSEG,
         PROOF_MSS,
         "the path's MTU or the other end's MSS is smaller"},
    [SOCKOPT_CONGESTION] = {{"congestion", "TCP_CONGESTION", SOCKOPT_TEXT, "", SOCKOPT_SENDER, SOCKOPT_BEFORE, true, 0,
                             0, "Congestion control algorithm, by name (cubic, reno, bbr, ...)."},
                            IPPROTO_TCP,
                            TCP_CONGESTION,
                            PROOF_EQUAL,
                            "the kernel ignored it"},
    [SOCKOPT_NOTSENT_LOWAT] = {{"notsent-lowat", "TCP_NOTSENT_LOWAT", SOCKOPT_SIZE, "bytes", SOCKOPT_SENDER,
                                SOCKOPT_BEFORE, true, 1, UINT32_MAX - 1,
                                "Unsent bytes in the send buffer beyond which the socket is not writable and a "
                                "blocking write waits; a buffer of up to 64 KiB that is begun is filled first."},
                               IPPROTO_TCP,
                               TCP_NOTSENT_LOWAT,
                               PROOF_EQUAL,
                               "the kernel ignored it"},
    [SOCKOPT_KEEPALIVE] = {{"keepalive", "SO_KEEPALIVE", SOCKOPT_BOOLEAN, "", SOCKOPT_SENDER, SOCKOPT_BEFORE, false, 0,
                            1, "Probe an idle connection."},
                           SOL_SOCKET,
                           SO_KEEPALIVE,
                           PROOF_EQUAL,
                           "the kernel ignored it"},
    [SOCKOPT_KEEPALIVE_IDLE] = {{"keepalive-idle", "TCP_KEEPIDLE", SOCKOPT_NUMBER, "s", SOCKOPT_SENDER, SOCKOPT_BEFORE,
                                 true, 1, 32767, "Idle seconds before the first keepalive probe."},
                                IPPROTO_TCP,
                                TCP_KEEPIDLE,
                                PROOF_EQUAL,
                                "the kernel ignored it"},
    [SOCKOPT_KEEPALIVE_INTERVAL] = {{"keepalive-interval", "TCP_KEEPINTVL", SOCKOPT_NUMBER, "s", SOCKOPT_SENDER,
                                     SOCKOPT_BEFORE, true, 1, 32767, "Seconds between keepalive probes."},
                                    IPPROTO_TCP,
                                    TCP_KEEPINTVL,
                                    PROOF_EQUAL,
                                    "the kernel ignored it"},
    [SOCKOPT_KEEPALIVE_COUNT] = {{"keepalive-count", "TCP_KEEPCNT", SOCKOPT_NUMBER, "", SOCKOPT_SENDER, SOCKOPT_BEFORE,
                                  true, 1, 127, "Unanswered keepalive probes that end the connection."},
                                 IPPROTO_TCP,
                                 TCP_KEEPCNT,
                                 PROOF_EQUAL,
                                 "the kernel ignored it"},
    [SOCKOPT_TOS] = {{"tos", "IP_TOS", SOCKOPT_NUMBER, "", SOCKOPT_SENDER, SOCKOPT_BEFORE, true, 0, 255,
                      "Type-of-service byte (IPV6_TCLASS on inet6); TCP keeps its two ECN bits to itself."},
                     IPPROTO_IP,
                     IP_TOS,
                     PROOF_EQUAL,
                     "the lowest two bits (ECN) belong to TCP"},
    [SOCKOPT_REUSEADDR] = {{"reuseaddr", "SO_REUSEADDR", SOCKOPT_BOOLEAN, "", SOCKOPT_RECEIVER, SOCKOPT_BEFORE, false,
                            0, 1, "Let a listener bind while old connections of its port are in TIME_WAIT."},
                           SOL_SOCKET,
                           SO_REUSEADDR,
                           PROOF_EQUAL,
                           "the kernel ignored it"},
    [SOCKOPT_BUSY_POLL] = {{"busy-poll", "SO_BUSY_POLL", SOCKOPT_NUMBER, "us", SOCKOPT_RECEIVER, SOCKOPT_BEFORE, false,
                            0, INT_MAX,
                            "Microseconds that a read spins on the device queue before it sleeps (needs "
                            "CAP_NET_ADMIN to raise)."},
                           SOL_SOCKET,
                           SO_BUSY_POLL,
                           PROOF_EQUAL,
                           "the kernel has no busy polling"},
    [SOCKOPT_USER_TIMEOUT] = {{"user-timeout", "TCP_USER_TIMEOUT", SOCKOPT_NUMBER, "ms", SOCKOPT_SENDER, SOCKOPT_BEFORE,
                               true, 1, INT_MAX,
                               "Milliseconds that sent data may stay unacknowledged before the connection ends."},
                              IPPROTO_TCP,
                              TCP_USER_TIMEOUT,
                              PROOF_EQUAL,
                              "the kernel ignored it"},
    [SOCKOPT_MAX_PACING_RATE] = {{"max-pacing-rate", "SO_MAX_PACING_RATE", SOCKOPT_SIZE, "bytes/s", SOCKOPT_SENDER,
                                  SOCKOPT_BEFORE, true, 1, UINT32_MAX - 1,
                                  "Upper bound of the sending rate: a slow link that needs no queueing discipline."},
                                 SOL_SOCKET,
                                 SO_MAX_PACING_RATE,
                                 PROOF_EQUAL,
                                 "the kernel ignored it"},
};

const struct sockopt_row *
sockopt_row(enum sockopt option)
{
    return &table[option].row;
}

void
sockopt_numbers(enum sockopt option, int *level, int *optname)
{
    *level = table[option].level;
    *optname = table[option].optname;
}

int
sockopt_set_raw(int fd, int level, int optname, const void *value, size_t len)
{
    return setsockopt(fd, level, optname, value, (socklen_t)len) == 0 ? 0 : errno;
}

int
sockopt_get_raw(int fd, int level, int optname, void *value, size_t len)
{
    socklen_t got = (socklen_t)len;
    return getsockopt(fd, level, optname, value, &got) == 0 ? 0 : errno;
}

static int
parse_boolean(const char *text, uint64_t *number)
{
    *number = strcmp(text, "on") == 0;
    if (*number == 0 && strcmp(text, "off") != 0)
        return err_set(STATUS_USAGE, "'%.40s' is not on, off or auto", text);
    return 0;
}

static int
parse_text(const char *text, char *value)
{
    size_t len = strlen(text);
    if (len == 0 || len >= SOCKOPT_TEXT_BYTES)
        return err_set(STATUS_USAGE, "'%.40s' is not a name of 1 to %d characters", text, SOCKOPT_TEXT_BYTES - 1);
    memcpy(value, text, len + 1);
    return 0;
}

int
sockopt_parse(enum sockopt option, const char *text, struct sockopt_value *value)
{
    const struct sockopt_row *row = &table[option].row;
    struct sockopt_value parsed = {.known = true};

    *value = (struct sockopt_value){.known = false};
    if (strcmp(text, "auto") == 0)
        return 0;
    switch (row->kind) {
    case SOCKOPT_BOOLEAN:
        if (parse_boolean(text, &parsed.number) != 0)
            return -1;
        break;
    case SOCKOPT_TEXT:
        if (parse_text(text, parsed.text) != 0)
            return -1;
        break;
    case SOCKOPT_NUMBER:
    case SOCKOPT_SIZE:
        if ((row->kind == SOCKOPT_SIZE ? units_parse_size : units_parse_count)(text, &parsed.number) != 0)
            return -1;
        if (parsed.number < row->smallest || parsed.number > row->largest)
            return err_set(STATUS_USAGE, "'%.40s' is outside %" PRIu64 " to %" PRIu64 "%s%s (auto means: not set)",
                           text, row->smallest, row->largest, row->unit[0] ? " " : "", row->unit);
        break;
    }
    *value = parsed;
    return 0;
}

int
sockopt_check_family(const struct sockopt_values *requested, int family)
{
    for (int option = 0; option < SOCKOPT_COUNT; option++) {
        const struct sockopt_row *row = &table[option].row;
        if (requested->of[option].known && row->tcp_only && family == AF_UNIX)
            return err_set(STATUS_USAGE, "--%s: a socket of family unix has no %s; leave it out", row->name,
                           row->kernel_name);
    }
    return 0;
}

/* Level and name of `option` on this socket: the type-of-service byte has another name on inet6. */
static void
kernel_name(int fd, int option, int *level, int *optname)
{
    *level = table[option].level;
    *optname = table[option].optname;
    if (option != SOCKOPT_TOS)
        return;
    int domain = AF_INET;
    socklen_t len = sizeof domain;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_INET6) {
        *level = IPPROTO_IPV6;
        *optname = IPV6_TCLASS;
    }
}

/* The sentence for a setsockopt() that failed with `code`. */
static int
refuse(int option, const struct sockopt_value *value, int code, const char *end)
{
    const struct sockopt_row *row = &table[option].row;
    char list[256];

    if (option == SOCKOPT_CONGESTION && code == ENOENT &&
        system_read_text("/proc/sys/net/ipv4/tcp_available_congestion_control", list, sizeof list) == 0)
        return err_set(STATUS_REFUSED, "%s: the kernel has no congestion control '%s'; available: %s", end, value->text,
                       list);
    if (row->kind == SOCKOPT_TEXT)
        return err_system(code, "%s: %s '%s' was refused", end, row->kernel_name, value->text);
    return err_system(code, "%s: %s %" PRIu64 " was refused", end, row->kernel_name, value->number);
}

int
sockopt_apply(int fd, const struct sockopt_values *requested, enum sockopt_when when, const char *end)
{
    for (int option = 0; option < SOCKOPT_COUNT; option++) {
        const struct sockopt_value *value = &requested->of[option];
        const struct sockopt_row *row = &table[option].row;
        int level, optname, number = (int)(unsigned int)value->number, result;

        if (!value->known || row->when != when)
            continue;
        kernel_name(fd, option, &level, &optname);
        if (row->kind == SOCKOPT_TEXT)
            result = setsockopt(fd, level, optname, value->text, (socklen_t)strlen(value->text));
        else
            result = setsockopt(fd, level, optname, &number, sizeof number);
        if (result != 0)
            return refuse(option, value, errno, end);
    }
    return 0;
}

void
sockopt_read(int fd, struct sockopt_values *effective)
{
    for (int option = 0; option < SOCKOPT_COUNT; option++) {
        struct sockopt_value *value = &effective->of[option];
        const struct sockopt_row *row = &table[option].row;
        int level, optname;

        *value = (struct sockopt_value){.known = false};
        kernel_name(fd, option, &level, &optname);
        if (row->kind == SOCKOPT_TEXT) {
            socklen_t len = sizeof value->text - 1;
            value->known = getsockopt(fd, level, optname, value->text, &len) == 0;
            continue;
        }
        uint32_t number = 0;
        socklen_t len = sizeof number;
        if (getsockopt(fd, level, optname, &number, &len) != 0)
            continue;
        value->number = number;
        /* A pacing rate of all ones is the kernel's word for "no bound": nothing that could be reported. */
        value->known = !(option == SOCKOPT_MAX_PACING_RATE && number == UINT32_MAX);
        if (row->kind == SOCKOPT_BOOLEAN)
            value->number = number != 0;
    }
}

/* The sentence for a number that was set without error and yet is not in effect. */
static int
without_effect(int option, uint64_t asked, uint64_t found, const char *end)
{
    const struct kernel_row *row = &table[option];
    if (row->proof != PROOF_DOUBLED)
        return err_set(STATUS_REFUSED, "%s: %s %" PRIu64 " did not take effect, %" PRIu64 " is: %s", end,
                       row->row.kernel_name, asked, found, row->cause);

    const char *path = option == SOCKOPT_SNDBUF ? "/proc/sys/net/core/wmem_max" : "/proc/sys/net/core/rmem_max";
    char limit[64];
    if (system_read_text(path, limit, sizeof limit) != 0)
        snprintf(limit, sizeof limit, "unknown");
    return err_set(STATUS_REFUSED,
                   "%s: %s %" PRIu64 " did not take effect: the kernel gives twice the request, which is %" PRIu64
                   ", but %" PRIu64 " is in effect; %s (%s) clamped it, ask for less or raise it",
                   end, row->row.kernel_name, asked, 2 * asked, found, row->cause, limit);
}

int
sockopt_verify(const struct sockopt_values *requested, const struct sockopt_values *effective, const char *end)
{
    for (int option = 0; option < SOCKOPT_COUNT; option++) {
        const struct sockopt_value *asked = &requested->of[option];
        const struct sockopt_value *found = &effective->of[option];
        const char *name = table[option].row.kernel_name;

        if (!asked->known)
            continue;
        if (!found->known)
            return err_set(STATUS_REFUSED, "%s: %s was set but cannot be read back on this socket", end, name);
        if (table[option].row.kind == SOCKOPT_TEXT) {
            if (strcmp(asked->text, found->text) != 0)
                return err_set(STATUS_REFUSED, "%s: %s '%s' did not take effect, '%s' is in effect", end, name,
                               asked->text, found->text);
            continue;
        }
        bool proved = false;
        switch (table[option].proof) {
        case PROOF_EQUAL:
            proved = found->number == asked->number;
            break;
        case PROOF_DOUBLED:
            proved = found->number >= 2 * asked->number;
            break;
        case PROOF_MSS:
            proved = found->number <= asked->number && found->number + TCP_OPTION_BYTES >= asked->number;
            break;
        }
        if (!proved)
            return without_effect(option, asked->number, found->number, end);
    }
    return 0;
}

int
sockopt_limit_wait(int fd, uint64_t limit_ns)
{
    struct timeval limit = {.tv_sec = (time_t)(limit_ns / NS_PER_S),
                            .tv_usec = (suseconds_t)(limit_ns % NS_PER_S / NS_PER_US)};
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0)
        return err_system(errno, "cannot bound the waiting time of a socket");
    return 0;
}

int
sockopt_enable_zerocopy(int fd)
{
    int on = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof on) != 0)
        return err_system(errno, "--send-with zerocopy: SO_ZEROCOPY was refused; use another way to send");
    return 0;
}

int
sockopt_pending_error(int fd)
{
    int code = 0;
    socklen_t len = sizeof code;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &len) == 0 ? code : errno;
}

int
sockopt_enable_stamps(int fd, unsigned flags)
{
    unsigned found = 0;
    socklen_t len = sizeof found;

    if (setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof flags) != 0)
        return err_system(errno, "--stamps on: SO_TIMESTAMPING was refused; use --stamps off");
    if (getsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &found, &len) != 0 || (found & flags) != flags)
        return err_set(STATUS_REFUSED, "--stamps on: SO_TIMESTAMPING did not take effect; use --stamps off");
    return 0;
}

bool
sockopt_waiting(int fd, uint64_t *waiting_bytes, uint64_t *room_bytes)
{
    uint32_t found[SK_MEMINFO_VARS];
    socklen_t len = sizeof found;

    if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, found, &len) != 0 || len < 2 * sizeof found[0])
        return false;
    *waiting_bytes = found[SK_MEMINFO_RMEM_ALLOC];
    *room_bytes = found[SK_MEMINFO_RCVBUF];
    return true;
}

int
sockopt_cork(int fd, bool on)
{
    int value = on;
    if (setsockopt(fd, IPPROTO_TCP, TCP_CORK, &value, sizeof value) != 0)
        return err_system(errno, "TCP_CORK was refused");
    return 0;
}

int
sockopt_push(int fd, bool nodelay)
{
    int on = 1, before = nodelay;
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &before, sizeof before) != 0)
        return err_system(errno, "TCP_NODELAY was refused");
    return 0;
}

int
sockopt_quickack(int fd)
{
    int on = 1;
    if (setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on) != 0)
        return err_system(errno, "TCP_QUICKACK was refused");
    return 0;
}
