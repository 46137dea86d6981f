/* udp.c: datagrams: borders, loss, errors, addresses; and the same of a stream for comparison. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <linux/sock_diag.h>

#include "lab/kit.h"
#include "lab/network.h"
#include "lab/topics.h"

/* How many messages a socket says that it dropped: there the kernel counts them (SO_MEMINFO). */
static uint64_t
dropped_by(int fd)
{
    uint32_t memory[SK_MEMINFO_VARS] = {0};
    socklen_t len = sizeof memory;
    return getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory, &len) == 0 ? memory[SK_MEMINFO_DROPS] : MISSING;
}

/* How much a counter of the host has grown; MISSING when it cannot be read. */
static uint64_t
grown(uint64_t before, uint64_t after)
{
    return before == MISSING || after == MISSING ? MISSING : after - before;
}

/* Sends five times 10 bytes; how many reads they take. */
static int
reads_of_five(struct lab_case *lab, int type)
{
    int ends[2], reads = 0;
    char letters[100];

    lab_connect(lab, &(struct lab_link){.type = type}, ends);
    /* show udp-one-to-one */
    for (int i = 0; i < 5; i++)
        send(ends[0], "0123456789", 10, MSG_NOSIGNAL);
    if (type == SOCK_STREAM)
        LAB_WAIT(lab_unread(lab, ends[1]) == 50, LAB_SOON_NS);
    while (lab_ready(lab, ends[1], POLLIN, 100 * NS_PER_MS) != 0 && recv(ends[1], letters, sizeof letters, 0) > 0)
        reads++;
    /* shown */
    return reads;
}

#define DATAGRAMS 10000

/* Sends DATAGRAMS messages of 100 bytes to a reader that sleeps, or that reads each (`prompt`). Stores how many bytes
 * the kernel took, how many arrive, and how many messages the reader's socket says that it dropped. */
static void
flood(struct lab_case *lab, int type, bool prompt, size_t bytes[2], uint64_t *dropped)
{
    int ends[2];
    char letters[100] = "";
    ssize_t got;

    bytes[0] = bytes[1] = 0;
    lab_connect(lab, &(struct lab_link){.type = type}, ends);
    /* show udp-drops-none udp-one-to-one */
    for (int i = 0; i < DATAGRAMS; i++) {
        got = send(ends[0], letters, sizeof letters, MSG_DONTWAIT | MSG_NOSIGNAL);
        bytes[0] += got > 0 ? (size_t)got : 0;
        if (prompt && lab_ready(lab, ends[1], POLLIN, LAB_SOON_NS) != 0)
            bytes[1] += (size_t)recv(ends[1], letters, sizeof letters, 0);
    }
    while (bytes[1] < bytes[0] && lab_ready(lab, ends[1], POLLIN, 100 * NS_PER_MS) != 0 &&
           (got = recv(ends[1], letters, sizeof letters, 0)) > 0)
        bytes[1] += (size_t)got;
    /* shown */
    *dropped = dropped_by(ends[1]);
}

void
lab_udp_one_to_one(struct lab_case *lab)
{
    lab_step(lab, "send five datagrams of 10 bytes, read with room for 100 until nothing is left");
    int reads = reads_of_five(lab, lab->twist ? SOCK_STREAM : SOCK_DGRAM);
    int control = reads_of_five(lab, SOCK_STREAM);
    uint64_t dropped;
    size_t bytes[2];
    lab_step(lab, "send %d datagrams of 100 bytes to a reader that sleeps meanwhile, and let it read", DATAGRAMS);
    flood(lab, SOCK_DGRAM, false, bytes, &dropped);
    size_t sends = bytes[0] / 100, later = bytes[1] / 100;
    lab_number(lab, "5 sends", (uint64_t)reads, "reads");
    lab_number(lab, "sends in a burst", sends, "");
    lab_number(lab, "reads of the burst", later, "");
    lab_control(lab, control < 5, "TCP", "%d reads for 5 writes", control);
    if (reads == 5 && later == sends)
        lab_decide(lab, LAB_HOLDS, "5 sends took 5 reads and %zu took %zu; over TCP 5 took %d", sends, later, control);
    else if (reads == 5) {
        lab_condition(lab, "no datagram is dropped on the way");
        lab_decide(lab, LAB_ONLY_IF, "5 sends took 5 reads, %zu in a burst took %zu; over TCP 5 took %d", sends, later,
                   control);
        lab_why(lab, "A datagram is never joined to another and never split, so that no read returns two or a part of "
                     "one; but what finds the receive buffer full is dropped, and no read ever sees it.");
    } else
        lab_decide(lab, LAB_FAILS, "5 sends took %d reads", reads);
}

/* Sends 100 bytes to a reader with room for 40: what two reads get. */
static void
read_in_part(struct lab_case *lab, int type, ssize_t got[2], bool *told)
{
    int ends[2];
    char letters[100] = "";
    struct iovec room = {.iov_base = letters, .iov_len = 40};
    struct msghdr message = {.msg_iov = &room, .msg_iovlen = 1};

    lab_connect(lab, &(struct lab_link){.type = type}, ends);
    /* show udp-cuts */
    send(ends[0], letters, 100, MSG_NOSIGNAL);
    lab_ready(lab, ends[1], POLLIN, LAB_SOON_NS);
    got[0] = recvmsg(ends[1], &message, MSG_DONTWAIT);
    *told = (message.msg_flags & MSG_TRUNC) != 0; /* only recvmsg() tells that it was cut */
    got[1] = recv(ends[1], letters, 100, MSG_DONTWAIT);
    /* shown */
}

void
lab_udp_cuts(struct lab_case *lab)
{
    ssize_t got[2], control[2];
    bool told, control_told;

    lab_step(lab, "send a datagram of 100 bytes, read with room for 40, read again");
    read_in_part(lab, lab->twist ? SOCK_STREAM : SOCK_DGRAM, got, &told);
    read_in_part(lab, SOCK_STREAM, control, &control_told);
    lab_number(lab, "first read", (uint64_t)got[0], "bytes");
    lab_word(lab, "second read", got[1] < 0 ? "EAGAIN" : "the rest");
    lab_word(lab, "MSG_TRUNC of recvmsg()", told ? "set" : "not set");
    lab_control(lab, control[1] == 60 && !control_told, "TCP", "%zd bytes and then %zd", control[0], control[1]);
    if (got[0] == 40 && got[1] < 0)
        lab_decide(lab, LAB_HOLDS, "40 of 100 bytes were read, the rest is gone");
    else
        lab_decide(lab, LAB_FAILS, "40 bytes were read and then %zd", got[1]);
}

void
lab_udp_drops(struct lab_case *lab)
{
    size_t bytes[2], streamed[2];
    uint64_t dropped, lost;

    lab_step(lab, "send %d datagrams of 100 bytes over loopback to a reader that sleeps meanwhile", DATAGRAMS);
    uint64_t errors = lab_counter("Udp", "RcvbufErrors");
    flood(lab, SOCK_DGRAM, lab->twist, bytes, &dropped);
    errors = grown(errors, lab_counter("Udp", "RcvbufErrors"));
    flood(lab, SOCK_STREAM, false, streamed, &lost);
    size_t sent = bytes[0] / 100, arrived = bytes[1] / 100;
    lab_number(lab, "sent without an error", sent, "datagrams");
    lab_number(lab, "arrived", arrived, "datagrams");
    lab_number(lab, "counted as dropped by the reader's socket", dropped, "datagrams");
    lab_number(lab, "RcvbufErrors of the host, all sockets", errors, "datagrams");
    lab_control(lab, streamed[0] == streamed[1], "TCP", "%zu of the %zu bytes that the kernel took arrived",
                streamed[1], streamed[0]);
    if (arrived == sent)
        lab_decide(lab, LAB_HOLDS, "all %zu datagrams arrived", sent);
    else {
        lab_decide(lab, LAB_FAILS, "%zu of %zu arrived; the reader's socket counts %llu drops", arrived, sent,
                   (unsigned long long)dropped);
        lab_why(
            lab,
            "UDP has no flow control: what finds the reader's receive buffer full is dropped there, in silence, and "
            "loopback is no exception. Only counters tell: the socket's (SO_MEMINFO, SO_RXQ_OVFL, "
            "/proc/net/udp) and the host's (RcvbufErrors in /proc/net/snmp).");
    }
}

/* A port of loopback that nobody has. */
static struct endpoint
closed_port(struct lab_case *lab)
{
    struct endpoint at = lab_loopback(lab, AF_INET, 0);
    int fd = lab_socket(lab, AF_INET, SOCK_DGRAM);
    if (bind(fd, (const struct sockaddr *)&at.address, at.len) != 0)
        lab_give_up_system(lab, errno, "bind() to loopback failed");
    at = lab_name_of(lab, fd);
    close(fd);
    return at;
}

#define LONGER_THAN_ANY 70000 /* a datagram has a length of 16 bits */

/* Sends `count` bytes to a closed port, connected or not; the errno value of a later read. */
static int
told_by_port(struct lab_case *lab, bool connected, size_t count, int *sent)
{
    static const char letters[LONGER_THAN_ANY];
    struct endpoint at = closed_port(lab);
    const struct sockaddr *to = connected ? NULL : (const struct sockaddr *)&at.address;
    char letter;
    /* show udp-connected-refused udp-sendto-reports */
    int fd = lab_socket(lab, AF_INET, SOCK_DGRAM);
    if (connected && connect(fd, (const struct sockaddr *)&at.address, at.len) != 0)
        lab_give_up_system(lab, errno, "a datagram socket could not be connected");
    *sent = sendto(fd, letters, count, 0, to, connected ? 0 : at.len) < 0 ? errno : 0;
    lab_ready(lab, fd, POLLIN, 100 * NS_PER_MS); /* an ICMP error makes it ready */
    int code = recv(fd, &letter, 1, MSG_DONTWAIT) < 0 ? errno : 0;
    /* shown */
    return code;
}

void
lab_udp_refused(struct lab_case *lab)
{
    int sent, control_sent;

    lab_step(lab, "connect() a UDP socket to a port that nobody has, send, read");
    int code = told_by_port(lab, !lab->twist, 1, &sent);
    int control = told_by_port(lab, false, 1, &control_sent);
    lab_word(lab, "the read", "%s", lab_errno(code));
    lab_control(lab, control == EAGAIN, "not connected", "%s", lab_errno(control));
    if (code == ECONNREFUSED)
        lab_decide(lab, LAB_HOLDS, "connected, the read got ECONNREFUSED; not connected, %s", lab_errno(control));
    else
        lab_decide(lab, LAB_FAILS, "the read got %s", lab_errno(code));
}

void
lab_udp_reports(struct lab_case *lab)
{
    int sent, too_long;

    lab_step(lab, "sendto() a port that nobody has, then read");
    int later = told_by_port(lab, false, lab->twist ? LONGER_THAN_ANY : 1, &sent);
    told_by_port(lab, false, LONGER_THAN_ANY, &too_long);
    lab_word(lab, "sendto()", "%s", sent == 0 ? "no error" : lab_errno(sent));
    lab_word(lab, "a read afterwards", "%s", lab_errno(later));
    lab_control(lab, too_long == EMSGSIZE, "a datagram of 70000 bytes", "%s", lab_errno(too_long));
    if (sent == 0) {
        lab_decide(lab, LAB_FAILS, "sendto() reported no error; a read afterwards: %s", lab_errno(later));
        lab_why(
            lab,
            "sendto() tells what this host sees at once: too long, no route, no permission. What comes back by ICMP is "
            "given only to a connected socket (or asked for with IP_RECVERR).");
    } else
        lab_decide(lab, LAB_HOLDS, "sendto() reported %s", lab_errno(sent));
}

void
lab_udp_binds(struct lab_case *lab)
{
    struct endpoint at = closed_port(lab), none = lab_loopback(lab, AF_INET, 0);
    char address[INET_ADDRSTRLEN] = "";

    lab_step(lab, "sendto() on a UDP socket without bind(); ask for its address and port before and after");
    int fd = lab_socket(lab, AF_INET, SOCK_DGRAM);
    if (lab->twist && bind(fd, (const struct sockaddr *)&none.address, none.len) != 0)
        lab_give_up_system(lab, errno, "bind() to loopback failed");
    /* show udp-sendto-binds */
    struct endpoint before = lab_name_of(lab, fd);
    sendto(fd, "a", 1, 0, (const struct sockaddr *)&at.address, at.len);
    struct endpoint after = lab_name_of(lab, fd);
    /* shown */
    lab_number(lab, "port before", lab_port(&before), "");
    lab_number(lab, "port after", lab_port(&after), "");
    inet_ntop(AF_INET, &((const struct sockaddr_in *)&after.address)->sin_addr, address, sizeof address);
    lab_word(lab, "address after", "%s", address);
    int idle = lab_socket(lab, AF_INET, SOCK_DGRAM);
    struct endpoint control = lab_name_of(lab, idle);
    lab_control(lab, lab_port(&control) == 0, "no sendto()", "port %u", lab_port(&control));
    if (lab_port(&before) == 0 && lab_port(&after) != 0)
        lab_decide(lab, LAB_HOLDS, "port 0 before sendto(), %u at %s after it", lab_port(&after), address);
    else
        lab_decide(lab, LAB_FAILS, "port %u before sendto(), %u after it", lab_port(&before), lab_port(&after));
}

/* Whether a reader that sleeps stops the sender of 4 MB. */
static bool
is_stopped(struct lab_case *lab, int type, uint64_t *taken)
{
    int ends[2];
    static const char letters[1000];

    *taken = 0;
    lab_connect(lab, &(struct lab_link){.type = type, .sndbuf = 65536, .rcvbuf = 65536}, ends);
    /* show flow-control */
    for (int i = 0; i < 4000; i++) {
        ssize_t sent = send(ends[0], letters, sizeof letters, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && lab_ready(lab, ends[0], POLLOUT, 100 * NS_PER_MS) == 0)
            return true; /* it would have to wait */
        *taken += sent > 0 ? (uint64_t)sent : 0;
    }
    /* shown */
    return false;
}

void
lab_flow_control(struct lab_case *lab)
{
    uint64_t stream, datagrams;

    lab_step(lab,
             "send 4 MB in pieces of 1000 bytes to a reader that sleeps, by TCP and by UDP, with buffers of 64 KiB");
    bool tcp = is_stopped(lab, lab->twist ? SOCK_DGRAM : SOCK_STREAM, &stream);
    bool udp = is_stopped(lab, SOCK_DGRAM, &datagrams);
    lab_number(lab, "TCP took", stream, "bytes");
    lab_number(lab, "UDP took", datagrams, "bytes");
    lab_control(lab, !udp, "UDP", "all %llu bytes were taken", (unsigned long long)datagrams);
    if (tcp && !udp)
        lab_decide(lab, LAB_HOLDS, "TCP stopped the sender after %llu bytes, UDP never did",
                   (unsigned long long)stream);
    else
        lab_decide(lab, LAB_FAILS, "the sender was not stopped");
}

/* What a reader got and what a sender's kernel took, with the sender in a process of its own. */
struct traffic {
    uint64_t taken, arrived;
    uint64_t dropped; /* messages, as the reader's socket counts them */
};

#define MESSAGE 1000 /* bytes; 1448 at most, so that no datagram is split */

/* Sends DATAGRAMS messages as fast as the kernel takes them, to a reader that rests after every tenth read. With
 * `prompt` the reader never rests, and the sender waits for it after each message. */
static void
send_fast_read_slowly(struct lab_case *lab, int type, bool prompt, struct traffic *traffic)
{
    static char letters[MESSAGE];
    volatile uint64_t *taken = lab_shared(lab, 3 * sizeof *taken), *over = taken + 1, *seen = taken + 2;
    uint64_t reads = 0;
    int ends[2];

    *traffic = (struct traffic){.dropped = MISSING};
    lab_connect(lab, &(struct lab_link){.type = type, .sndbuf = 65536, .rcvbuf = 65536}, ends);
    if (lab_fork(lab) == 0) {
        /* show slow-reader */
        for (int i = 0; i < DATAGRAMS; i++) { /* the sender: a process of its own, blocking writes */
            ssize_t sent = send(ends[0], letters, sizeof letters, MSG_NOSIGNAL);
            *taken += sent > 0 ? (uint64_t)sent : 0;
            if (prompt)
                LAB_WAIT(*seen >= *taken, LAB_SOON_NS);
        }
        *over = 1;
        /* shown */
        _exit(0);
    }
    /* show slow-reader */
    do { /* the reader: rests after every tenth read */
        ssize_t got = lab_ready(lab, ends[1], POLLIN, 100 * NS_PER_MS) != 0
                          ? recv(ends[1], letters, sizeof letters, MSG_DONTWAIT)
                          : -1;
        traffic->arrived += got > 0 ? (uint64_t)got : 0;
        *seen = traffic->arrived;
        if (!prompt && ++reads % 10 == 0)
            lab_pause();
    } while (*over == 0 || lab_ready(lab, ends[1], POLLIN, 100 * NS_PER_MS) != 0);
    /* shown */
    traffic->taken = *taken;
    traffic->dropped = dropped_by(ends[1]);
}

void
lab_slow_reader(struct lab_case *lab)
{
    struct traffic datagrams, stream;

    lab_step(lab, "send %d messages of %d bytes to a reader that rests after every tenth, by UDP and by TCP", DATAGRAMS,
             MESSAGE);
    send_fast_read_slowly(lab, SOCK_DGRAM, lab->twist, &datagrams);
    send_fast_read_slowly(lab, SOCK_STREAM, false, &stream);
    lab_number(lab, "UDP took", datagrams.taken / MESSAGE, "datagrams");
    lab_number(lab, "UDP delivered", datagrams.arrived / MESSAGE, "datagrams");
    lab_number(lab, "counted as dropped by the reader's socket", datagrams.dropped, "datagrams");
    lab_number(lab, "TCP took", stream.taken, "bytes");
    lab_number(lab, "TCP delivered", stream.arrived, "bytes");
    lab_control(lab, stream.arrived == stream.taken && stream.taken == (uint64_t)DATAGRAMS * MESSAGE, "TCP",
                "%llu of %llu bytes arrived", (unsigned long long)stream.arrived, (unsigned long long)stream.taken);
    if (datagrams.arrived == datagrams.taken)
        lab_decide(lab, LAB_HOLDS, "all %llu bytes arrived, by UDP and by TCP", (unsigned long long)datagrams.taken);
    else {
        lab_condition(lab, "the transport has flow control, as TCP has and UDP has not");
        lab_decide(lab, LAB_ONLY_IF,
                   "of the same %d messages TCP delivered all, UDP %llu; its socket counts %llu drops", DATAGRAMS,
                   (unsigned long long)(datagrams.arrived / MESSAGE), (unsigned long long)datagrams.dropped);
        lab_why(lab, "TCP's window stops the sender until the reader has made room: send() blocks. UDP's sender never "
                     "waits for the reader, and what does not fit into its buffer is dropped.");
    }
}
