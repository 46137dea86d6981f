/* options.c: what socket options take, give back and refuse. `tinygram options` lists those that the tool sets. */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lab/fault.h"
#include "lab/kit.h"
#include "lab/topics.h"

/* Sets an option. Returns an errno value. */
static int
set(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value) == 0 ? 0 : errno;
}

void
lab_so_type(struct lab_case *lab)
{
    lab_step(lab, "read SO_TYPE of a stream and of a datagram socket, then try to make the stream one for datagrams");
    int stream = lab_socket(lab, AF_INET, SOCK_STREAM), datagram = lab_socket(lab, AF_INET, SOCK_DGRAM);
    if (lab->twist)
        lab_fault_setsockopt(lab, SOL_SOCKET, SO_TYPE, 0);
    /* show so-type-fixed */
    int first = lab_get(lab, stream, SOL_SOCKET, SO_TYPE), second = lab_get(lab, datagram, SOL_SOCKET, SO_TYPE);
    int code = set(stream, SOL_SOCKET, SO_TYPE, SOCK_DGRAM);
    int after = lab_get(lab, stream, SOL_SOCKET, SO_TYPE);
    /* shown */
    int control = set(stream, SOL_SOCKET, SO_KEEPALIVE, 1);
    lab_number(lab, "SO_TYPE of a stream", (uint64_t)first, "");
    lab_number(lab, "SO_TYPE of datagrams", (uint64_t)second, "");
    lab_word(lab, "setting it", "%s", code == 0 ? "was taken" : lab_errno(code));
    lab_number(lab, "SO_TYPE of the stream afterwards", (uint64_t)after, "");
    lab_control(lab, control == 0, "SO_KEEPALIVE, which can be set", "%s", lab_errno(control));
    if (first == 1 && second == 2 && code != 0 && after == first)
        lab_decide(lab, LAB_HOLDS, "it reads 1 and 2, and setting it gives %s", lab_errno(code));
    else
        lab_decide(lab, LAB_FAILS, "it reads %d and %d, setting it gives %s, and then it reads %d", first, second,
                   code == 0 ? "no error" : lab_errno(code), after);
}

/* Sends to a port that nobody has, and waits for what comes back. */
static void
be_refused(struct lab_case *lab, int fd)
{
    send(fd, "a", 1, MSG_NOSIGNAL);
    LAB_WAIT(lab_ready(lab, fd, POLLERR, 0) & POLLERR, LAB_SOON_NS);
}

void
lab_so_error(struct lab_case *lab)
{
    struct endpoint at = lab_loopback(lab, AF_INET, 0);
    int gone = lab_socket(lab, AF_INET, SOCK_DGRAM), fd = lab_socket(lab, AF_INET, SOCK_DGRAM);

    lab_step(lab, "connect() a datagram socket to a port that nobody has, send, read SO_ERROR twice");
    if (bind(gone, (const struct sockaddr *)&at.address, at.len) != 0)
        lab_give_up_system(lab, errno, "bind() to loopback failed");
    at = lab_name_of(lab, gone);
    close(gone);
    if (connect(fd, (const struct sockaddr *)&at.address, at.len) != 0)
        lab_give_up_system(lab, errno, "a datagram socket could not be connected");
    int control = lab_get(lab, fd, SOL_SOCKET, SO_ERROR);
    /* show so-error-clears */
    be_refused(lab, fd);
    int first = lab_get(lab, fd, SOL_SOCKET, SO_ERROR);
    if (lab->twist)
        be_refused(lab, fd);
    int second = lab_get(lab, fd, SOL_SOCKET, SO_ERROR);
    /* shown */
    lab_word(lab, "first", "%s", lab_errno(first));
    lab_word(lab, "second", "%s", lab_errno(second));
    lab_control(lab, control == 0, "before anything was sent", "%s", lab_errno(control));
    if (first == 0)
        lab_give_up(lab, "no error came back from the port that nobody has");
    if (second == 0)
        lab_decide(lab, LAB_HOLDS, "it read %s and then none", lab_errno(first));
    else
        lab_decide(lab, LAB_FAILS, "it read %s and then %s", lab_errno(first), lab_errno(second));
}

/* The values from 0 or 1 on that an option takes. */
struct range {
    int lowest, highest, count; /* of those taken; lowest -1: none */
    int below, above;           /* the errno values with which the nearest others are refused, 0 when none is */
};

/* Tries every value. */
static struct range
range_of(int fd, int level, int option, int from, int to)
{
    struct range range = {.lowest = -1};
    /* show ttl-range maxseg-range */
    for (int value = from; value <= to; value++) {
        int code = setsockopt(fd, level, option, &value, sizeof value) == 0 ? 0 : errno;
        if (code == 0) {
            range.lowest = range.lowest < 0 ? value : range.lowest;
            range.highest = value;
            range.count++;
            range.above = 0;
        } else if (range.lowest < 0)
            range.below = code;
        else
            range.above = range.above == 0 ? code : range.above;
    }
    /* shown */
    return range;
}

/* Whether exactly the values from `lowest` to `highest` are taken, and the others refused as invalid. */
static bool
is_range(const struct range *range, int lowest, int highest)
{
    return range->lowest == lowest && range->highest == highest && range->count == highest - lowest + 1 &&
           range->below == EINVAL && range->above == EINVAL;
}

/* Notes a range, and decides whether it is the one that is told. */
static void
decide_range(struct lab_case *lab, const struct range *range, int lowest, int highest)
{
    lab_number(lab, "values taken", (uint64_t)range->count, "");
    lab_number(lab, "the lowest", range->lowest < 0 ? MISSING : (uint64_t)range->lowest, "");
    lab_number(lab, "the highest", range->lowest < 0 ? MISSING : (uint64_t)range->highest, "");
    lab_word(lab, "below", "%s", lab_errno(range->below));
    lab_word(lab, "above", "%s", lab_errno(range->above));
    if (is_range(range, lowest, highest))
        lab_decide(lab, LAB_HOLDS, "%d to %d were taken, all else gave EINVAL", lowest, highest);
    else
        lab_decide(lab, LAB_FAILS, "%d values from %d to %d were taken; below: %s, above: %s", range->count,
                   range->lowest, range->highest, lab_errno(range->below), lab_errno(range->above));
}

void
lab_ttl_range(struct lab_case *lab)
{
    int fd = lab_socket(lab, AF_INET, SOCK_DGRAM);

    lab_step(lab, "set IP_TTL to every value from 0 to 300");
    lab_number(lab, "default", (uint64_t)lab_get(lab, fd, IPPROTO_IP, IP_TTL), "");
    if (lab->twist)
        lab_fault_setsockopt(lab, IPPROTO_IP, IP_TTL, 0);
    struct range range = range_of(fd, IPPROTO_IP, IP_TTL, 0, 300);
    struct range control = range_of(fd, IPPROTO_IP, IP_MULTICAST_TTL, 0, 300);
    lab_control(lab, control.lowest == 0 && control.highest == 255, "IP_MULTICAST_TTL", "%d to %d were taken",
                control.lowest, control.highest);
    decide_range(lab, &range, 1, 255);
    lab_why(lab,
            "A packet with TTL 0 must not be sent (RFC 1122), to a group it may: it then stays on this host. Linux "
            "takes -1 too, for the default.");
}

void
lab_maxseg_range(struct lab_case *lab)
{
    int fd = lab_socket(lab, AF_INET, SOCK_STREAM);

    lab_step(lab, "set TCP_MAXSEG to every value from 1 to 40000");
    if (lab->twist)
        lab_fault_setsockopt(lab, IPPROTO_TCP, TCP_MAXSEG, 0);
    struct range range = range_of(fd, IPPROTO_TCP, TCP_MAXSEG, 1, 40000);
    struct range control = range_of(fd, SOL_SOCKET, SO_RCVBUF, 1, 40000);
    lab_control(lab, control.lowest == 1 && control.highest == 40000, "SO_RCVBUF, which is raised in silence",
                "%d to %d were taken", control.lowest, control.highest);
    decide_range(lab, &range, 88, 32767);
    lab_why(lab,
            "88 is TCP_MIN_MSS. 32767 is MAX_TCP_WINDOW, the largest 16-bit number that is not negative when it is "
            "read with a sign, as some old systems read windows. 0 takes the option back.");
}

/* Sets IP_TOS to 255. Returns what reads back. */
static int
tos_of(struct lab_case *lab, int type)
{
    /* show tos-as-set */
    int fd = lab_socket(lab, AF_INET, type);
    lab_set(lab, fd, IPPROTO_IP, IP_TOS, 0xff);
    int tos = lab_get(lab, fd, IPPROTO_IP, IP_TOS);
    /* shown */
    return tos;
}

void
lab_tos(struct lab_case *lab)
{
    lab_step(lab, "set IP_TOS to 255 on a TCP socket, read it back");
    int tos = tos_of(lab, lab->twist ? SOCK_DGRAM : SOCK_STREAM);
    int control = tos_of(lab, SOCK_DGRAM);
    lab_number(lab, "read back", (uint64_t)tos, "");
    lab_control(lab, control == 255, "UDP", "%d", control);
    if (tos == 255)
        lab_decide(lab, LAB_HOLDS, "255 was read back");
    else {
        lab_decide(lab, LAB_FAILS, "set to 255, it read back as %d", tos);
        lab_why(lab,
                "The lowest two bits are for explicit congestion notification (RFC 3168), which TCP keeps to itself.");
    }
}
