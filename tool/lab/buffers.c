/* buffers.c: the send and the receive buffer: how large they are asked for, granted, and left. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <linux/tcp.h>

#include "lab/fault.h"
#include "lab/kit.h"
#include "lab/sysctl.h"
#include "lab/topics.h"
#include "machine.h"

/* Sets an option of a fresh socket. Returns what reads back. */
static int
read_back(struct lab_case *lab, int level, int option, int request)
{
    int fd = lab_socket(lab, AF_INET, SOCK_STREAM);
    /* show sndbuf-exact rcvbuf-exact */
    lab_set(lab, fd, level, option, request);
    int got = lab_get(lab, fd, level, option);
    /* shown */
    close(fd);
    return got;
}

/* Above every limit, and safe to double. */
#define TOO_MUCH 0x3fffffff

/* Whether a buffer reads back as it was asked for. There is one request that does: the ceiling itself, which is cut to
 * half of it and doubled again. `limit`: the sysctl that the request is cut to. */
static void
decide_exact(struct lab_case *lab, int option, const char *limit, uint64_t limit_bytes)
{
    int floor = read_back(lab, SOL_SOCKET, option, 1), ceiling = read_back(lab, SOL_SOCKET, option, TOO_MUCH);
    const int usual[] = {1, 2000, 20000, 60000}, only[] = {ceiling};
    const int *requests = lab->twist ? only : usual;
    int count = lab->twist ? 1 : 4, exact = 0, doubled = 0;

    for (int i = 0; i < count; i++) {
        int got = read_back(lab, SOL_SOCKET, option, requests[i]);
        exact += got == requests[i];
        doubled += got == 2 * requests[i];
        lab_step(lab, "ask for %d bytes, read back %d", requests[i], got);
    }
    int control = read_back(lab, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 20000);
    lab_number(lab, "requests", (uint64_t)count, "");
    lab_number(lab, "read back as asked", (uint64_t)exact, "");
    lab_number(lab, "read back doubled", (uint64_t)doubled, "");
    lab_number(lab, "floor", (uint64_t)floor, "bytes");
    lab_number(lab, "ceiling", (uint64_t)ceiling, "bytes");
    lab_number(lab, limit, limit_bytes, "bytes");
    lab_control(lab, control == 20000, "the option TCP_NOTSENT_LOWAT", "20000 asked, %d read back", control);
    if (exact == count) {
        lab_decide(lab, LAB_HOLDS, "%d of %d requests read back as asked", exact, count);
        return;
    }
    lab_decide(lab, LAB_FAILS, "%d of %d requests read back as asked, %d doubled", exact, count, doubled);
    lab_why(lab,
            "Linux doubles the request, because it counts the memory of its own bookkeeping in the buffer and not the "
            "payload alone (socket(7)); a request above net.core.wmem_max or rmem_max is cut to that first, and what "
            "is below a floor is raised, both without an error.");
}

void
lab_sndbuf_exact(struct lab_case *lab)
{
    decide_exact(lab, SO_SNDBUF, "net.core.wmem_max", machine_buffer_max(true));
}

void
lab_rcvbuf_exact(struct lab_case *lab)
{
    decide_exact(lab, SO_RCVBUF, "net.core.rmem_max", machine_buffer_max(false));
}

/* What SO_SNDBUF reads before connect() and after the connection has carried 4 MiB. */
static void
watch_sndbuf(struct lab_case *lab, int request, int *before, int *after)
{
    int ends[2], listener;
    struct endpoint at;
    static char sink[65536];
    static const char letters[65536];

    listener = lab_listen(lab, AF_INET, 1, &at);
    ends[0] = lab_socket(lab, AF_INET, SOCK_STREAM);
    /* show sndbuf-stops-autotuning */
    if (request != 0)
        lab_set(lab, ends[0], SOL_SOCKET, SO_SNDBUF, request);
    *before = lab_get(lab, ends[0], SOL_SOCKET, SO_SNDBUF);
    if (lab_connect_to(ends[0], &at) != 0)
        lab_give_up_system(lab, errno, "connect() to loopback failed");
    ends[1] = accept(listener, NULL, NULL);
    for (size_t left = 4 << 20; left > 0;) {
        ssize_t sent = send(ends[0], letters, sizeof letters, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0)
            left -= (size_t)sent < left ? (size_t)sent : left;
        while (recv(ends[1], sink, sizeof sink, MSG_DONTWAIT) > 0)
            ;
        if (sent < 0)
            lab_ready(lab, ends[0], POLLOUT, LAB_SOON_NS);
    }
    *after = lab_get(lab, ends[0], SOL_SOCKET, SO_SNDBUF);
    /* shown */
}

/* Whether a buffer of 64 KiB keeps its size while 4 MiB pass, beside one that nobody set. `watch` reads the size of
 * one that was set to `request` (0: not set) before and after; `first` is when the first reading was. */
static void
decide_autotuning(struct lab_case *lab, const char *option, const char *first,
                  void (*watch)(struct lab_case *lab, int request, int *before, int *after))
{
    int before, after, free_before, free_after;

    watch(lab, lab->twist ? 0 : 65536, &before, &after);
    watch(lab, 0, &free_before, &free_after);
    lab_number(lab, first, (uint64_t)before, "bytes");
    lab_number(lab, "after 4 MiB", (uint64_t)after, "bytes");
    lab_control(lab, free_after > free_before, option, "it went from %d to %d bytes", free_before, free_after);
    if (before == after)
        lab_decide(lab, LAB_HOLDS, "once set it stayed at %d bytes; untouched it went from %d to %d", after,
                   free_before, free_after);
    else
        lab_decide(lab, LAB_FAILS, "it went from %d to %d bytes", before, after);
}

void
lab_sndbuf_autotuning(struct lab_case *lab)
{
    lab_step(lab, "set SO_SNDBUF to 64 KiB before connect(), send 4 MiB, read SO_SNDBUF again");
    decide_autotuning(lab, "SO_SNDBUF not set", "before connect", watch_sndbuf);
}

/* What SO_RCVBUF reads of an accepted socket, and after it has received 4 MiB. */
static void
watch_rcvbuf(struct lab_case *lab, int request, int *before, int *after)
{
    int ends[2];
    static char letters[65536];

    lab_connect(lab, &(struct lab_link){.rcvbuf = request}, ends);
    *before = lab_get(lab, ends[1], SOL_SOCKET, SO_RCVBUF);
    /* show rcvbuf-stops-autotuning */
    for (size_t left = 4 << 20; left > 0;) {
        ssize_t count = send(ends[0], letters, sizeof letters, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count < 0)
            lab_ready(lab, ends[1], POLLIN, LAB_SOON_NS);
        while (left > 0 && (count = recv(ends[1], letters, sizeof letters, MSG_DONTWAIT)) > 0)
            left -= (size_t)count < left ? (size_t)count : left;
    }
    *after = lab_get(lab, ends[1], SOL_SOCKET, SO_RCVBUF);
    /* shown */
}

void
lab_rcvbuf_autotuning(struct lab_case *lab)
{
    char moderates[8];

    lab_step(lab, "set SO_RCVBUF to 64 KiB before listen(), receive 4 MiB, read SO_RCVBUF again");
    if (lab_sysctl_read("net.ipv4.tcp_moderate_rcvbuf", moderates, sizeof moderates) != NULL &&
        strcmp(moderates, "0") == 0) {
        lab_advise(lab, "switch it on: net.ipv4.tcp_moderate_rcvbuf 1");
        lab_give_up(lab, "the autotuning of receive buffers is off on this machine, so nothing could turn it off");
    }
    decide_autotuning(lab, "SO_RCVBUF not set", "at first", watch_rcvbuf);
}

void
lab_own_buffers(struct lab_case *lab)
{
    int first[2], second[2];

    lab_step(lab, "fill one connection whose reader sleeps, then write to a second one and back on the first");
    lab_connect(lab, &(struct lab_link){.sndbuf = 8192, .rcvbuf = 8192}, first);
    lab_connect(lab, &(struct lab_link){.sndbuf = 8192, .rcvbuf = 8192}, second);
    if (lab->twist && (second[0] = dup(first[0])) < 0)
        lab_give_up_system(lab, errno, "dup() failed");
    /* show own-buffers */
    size_t filled = lab_fill(lab, first[0]);
    bool full = send(first[0], "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0;
    bool back = send(first[1], "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1;
    bool other = send(second[0], "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1;
    /* shown */
    lab_number(lab, "filled", filled, "bytes");
    lab_word(lab, "the same socket again", full ? "EAGAIN" : "taken");
    lab_word(lab, "the other end of it", back ? "taken" : "EAGAIN");
    lab_word(lab, "the second socket", other ? "taken" : "EAGAIN");
    lab_control(lab, full, "the same socket instead of another", "one more byte: %s", full ? "EAGAIN" : "taken");
    if (back && other)
        lab_decide(lab, LAB_HOLDS, "with one socket full (%zu bytes), its other end and a second socket took data",
                   filled);
    else
        lab_decide(lab, LAB_FAILS, "with one socket full (%zu bytes), its other end took %s and a second socket %s",
                   filled, back ? "data" : "none", other ? "data" : "none");
}

/* Sets an option to 1 and to INT_MAX. Stores errno values and what reads back. */
static void
ask_for_extremes(struct lab_case *lab, int level, int option, int codes[2], int got[2])
{
    static const int requests[] = {1, INT_MAX};

    for (int i = 0; i < 2; i++) {
        /* show buffers-refuse */
        int fd = lab_socket(lab, AF_INET, SOCK_STREAM);
        codes[i] = setsockopt(fd, level, option, &requests[i], sizeof requests[i]) == 0 ? 0 : errno;
        got[i] = lab_get(lab, fd, level, option);
        /* shown */
        close(fd);
    }
}

void
lab_buffers_refuse(struct lab_case *lab)
{
    int codes[4], got[4], control_codes[2], control_got[2];

    lab_step(lab, "ask for a send buffer and a receive buffer of 1 byte and of 2147483647 bytes; read them back");
    if (lab->twist) {
        lab_fault_setsockopt(lab, SOL_SOCKET, SO_SNDBUF, EINVAL);
        lab_fault_setsockopt(lab, SOL_SOCKET, SO_RCVBUF, EINVAL);
    }
    ask_for_extremes(lab, SOL_SOCKET, SO_SNDBUF, codes, got);
    ask_for_extremes(lab, SOL_SOCKET, SO_RCVBUF, codes + 2, got + 2);
    ask_for_extremes(lab, IPPROTO_TCP, TCP_MAXSEG, control_codes, control_got);
    static const char *const names[] = {"SO_SNDBUF 1", "SO_SNDBUF 2147483647", "SO_RCVBUF 1", "SO_RCVBUF 2147483647"};
    int refused = 0;
    for (int i = 0; i < 4; i++) {
        refused += codes[i] != 0;
        lab_word(lab, names[i], "%s, %d bytes read back", codes[i] == 0 ? "taken" : lab_errno(codes[i]), got[i]);
    }
    lab_number(lab, "net.core.wmem_max", machine_buffer_max(true), "bytes");
    lab_number(lab, "net.core.rmem_max", machine_buffer_max(false), "bytes");
    lab_control(lab, control_codes[0] == EINVAL && control_codes[1] == EINVAL, "TCP_MAXSEG", "%s and %s",
                lab_errno(control_codes[0]), lab_errno(control_codes[1]));
    if (refused == 4)
        lab_decide(lab, LAB_HOLDS, "all 4 requests were refused");
    else if (refused > 0) {
        char which[LAB_TEXT_BYTES / 2] = "";
        for (int i = 0; i < 4; i++) {
            size_t used = strlen(which);
            if (codes[i] != 0)
                snprintf(which + used, sizeof which - used, "%s%s", used > 0 ? ", " : "", names[i]);
        }
        lab_condition(lab, "it is one of these requests: %s", which);
        lab_decide(lab, LAB_ONLY_IF, "%d of 4 were refused; SO_SNDBUF reads %d and %d bytes, SO_RCVBUF %d and %d",
                   refused, got[0], got[1], got[2], got[3]);
        lab_why(lab, "A system may refuse what it cannot give (POSIX), and this one refuses some requests and changes "
                     "others in silence. Only getsockopt() tells what was granted.");
    } else {
        lab_decide(lab, LAB_FAILS, "%d of 4 were refused; SO_SNDBUF became %d and %d bytes, SO_RCVBUF %d and %d",
                   refused, got[0], got[1], got[2], got[3]);
        lab_why(
            lab,
            "A request is never refused: below the floor it is raised, above net.core.wmem_max or rmem_max it is "
            "cut and then doubled like any other (socket(7)). Only getsockopt() tells what was granted; SO_SNDBUFFORCE "
            "and SO_RCVBUFFORCE pass the limit, with a privilege.");
    }
}

/* How often a sender of `total` bytes finds its send buffer full. At each stop the reader takes everything. */
static uint64_t
stops_of_sender(struct lab_case *lab, int sndbuf, size_t total)
{
    static char letters[16384];
    int ends[2];
    uint64_t stops = 0;

    lab_connect(lab, &(struct lab_link){.mss = 1460, .sndbuf = sndbuf, .rcvbuf = 8192}, ends);
    /* show bigger-is-better */
    for (size_t sent = 0, arrived = 0; sent < total;) {
        size_t left = total - sent < sizeof letters ? total - sent : sizeof letters;
        ssize_t count = send(ends[0], letters, left, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count > 0) {
            sent += (size_t)count;
            continue;
        }
        stops++; /* a blocking write would sleep here until the reader has read */
        while (arrived < sent) {
            lab_ready(lab, ends[1], POLLIN, LAB_SOON_NS);
            count = recv(ends[1], letters, sizeof letters, MSG_DONTWAIT);
            arrived += count > 0 ? (size_t)count : 0;
        }
    }
    /* shown */
    close(ends[0]);
    close(ends[1]);
    return stops;
}

#define SIZES 5

void
lab_bigger_buffer(struct lab_case *lab)
{
    uint64_t largest = machine_buffer_max(true), stops[SIZES];

    if (largest == MISSING || largest < 65536 || largest > 8 << 20) {
        lab_advise(lab, "set net.core.wmem_max to 4194304 and try it again");
        lab_give_up(lab, "net.core.wmem_max is not between 64 KiB and 8 MiB, for which this observation is made");
    }
    size_t total = 4 * largest;
    lab_step(lab, "send %zu bytes; whenever the send buffer is full the reader takes everything; count how often",
             total);
    lab_step(lab, "SO_SNDBUF is doubled four times, from a %s of net.core.wmem_max",
             lab->twist ? "sixteenth" : "quarter");
    int gains = 0;
    for (int i = 0; i < SIZES; i++) {
        uint64_t request = lab->twist ? largest >> (SIZES - 1 - i) : largest / 4 << i;
        char name[32];
        stops[i] = stops_of_sender(lab, (int)request, total);
        snprintf(name, sizeof name, "SO_SNDBUF %llu", (unsigned long long)request);
        lab_number(lab, name, stops[i], "stops");
        gains += i > 0 && stops[i] * 10 <= stops[i - 1] * 9;
    }
    uint64_t half = stops_of_sender(lab, (int)largest / 8, total);
    uint64_t whole = stops_of_sender(lab, (int)largest / 4, total);
    lab_control(lab, whole * 10 <= half * 9, "both requests below the limit",
                "twice the buffer: %llu stops became %llu", (unsigned long long)half, (unsigned long long)whole);
    if (gains == SIZES - 1)
        lab_decide(lab, LAB_HOLDS, "each doubling had fewer stops, from %llu to %llu", (unsigned long long)stops[0],
                   (unsigned long long)stops[SIZES - 1]);
    else {
        lab_decide(lab, LAB_FAILS, "only %d of %d doublings had fewer stops: %llu, %llu, %llu, %llu, %llu", gains,
                   SIZES - 1, (unsigned long long)stops[0], (unsigned long long)stops[1], (unsigned long long)stops[2],
                   (unsigned long long)stops[3], (unsigned long long)stops[4]);
        lab_why(
            lab,
            "Above net.core.wmem_max the request is cut in silence, and no larger one changes anything. Below it a "
            "larger buffer saves stops, but not evenly in every measure: goodput has cliffs (`tinygram cliff`), and "
            "what waits in a larger buffer is older when it arrives (experiment queue).");
    }
}
