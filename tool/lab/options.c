/* options.c: what socket options take, give back and refuse. `tinygram options` lists those that the tool sets. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lab/kit.h"
#include "lab/network.h"
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
    lab_step(lab, "read SO_TYPE of a stream and of a datagram socket, then try to set it");
    int stream = lab_socket(lab, AF_INET, SOCK_STREAM), datagram = lab_socket(lab, AF_INET, SOCK_DGRAM);
    /* show so-type-fixed */
    int first = lab_get(lab, stream, SOL_SOCKET, SO_TYPE), second = lab_get(lab, datagram, SOL_SOCKET, SO_TYPE);
    int code = set(stream, SOL_SOCKET, lab->twist ? SO_KEEPALIVE : SO_TYPE, SOCK_DGRAM);
    /* shown */
    int control = set(stream, SOL_SOCKET, SO_KEEPALIVE, 1);
    lab_number(lab, "SO_TYPE of a stream", (uint64_t)first, "");
    lab_number(lab, "SO_TYPE of datagrams", (uint64_t)second, "");
    lab_word(lab, "setting it", "%s", lab_errno(code));
    lab_control(lab, control == 0, "SO_KEEPALIVE, which can be set", "%s", lab_errno(control));
    if (first == 1 && second == 2 && code != 0)
        lab_decide(lab, LAB_HOLDS, "it reads 1 and 2, and setting it gives %s", lab_errno(code));
    else
        lab_decide(lab, LAB_FAILS, "it reads %d and %d, and setting gives %s", first, second, lab_errno(code));
}

void
lab_so_error(struct lab_case *lab)
{
    int ends[2];
    struct linger hard = {.l_onoff = 1};

    lab_step(lab, "let the peer reset the connection, read SO_ERROR twice");
    lab_connect(lab, &(struct lab_link){.mss = 0}, ends);
    setsockopt(ends[1], SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(ends[1]);
    LAB_WAIT(lab_ready(lab, ends[0], POLLERR, 0) & POLLERR, LAB_SOON_NS);
    int option = lab->twist ? SO_TYPE : SO_ERROR;
    /* show so-error-clears */
    int first = lab_get(lab, ends[0], SOL_SOCKET, option);
    int second = lab_get(lab, ends[0], SOL_SOCKET, option);
    /* shown */
    int fresh = lab_get(lab, lab_socket(lab, AF_INET, SOCK_STREAM), SOL_SOCKET, SO_ERROR);
    lab_word(lab, "first", "%s", lab->twist ? "SO_TYPE" : lab_errno(first));
    lab_word(lab, "second", "%s", lab->twist ? "SO_TYPE" : lab_errno(second));
    lab_control(lab, fresh == 0, "a socket without an error", "%s", lab_errno(fresh));
    if (first != 0 && second == 0)
        lab_decide(lab, LAB_HOLDS, "it read %s and then none", lab_errno(first));
    else
        lab_decide(lab, LAB_FAILS, "it read %d twice", first);
}

void
lab_ttl_range(struct lab_case *lab)
{
    static const int values[] = {0, 1, 255, 256};
    int codes[4], option = lab->twist ? IP_MULTICAST_TTL : IP_TTL;
    int fd = lab_socket(lab, AF_INET, SOCK_DGRAM);

    lab_step(lab, "set IP_TTL to 0, 1, 255 and 256");
    for (int i = 0; i < 4; i++) {
        /* show ttl-range */
        codes[i] = setsockopt(fd, IPPROTO_IP, option, &values[i], sizeof values[i]) == 0 ? 0 : errno;
        /* shown */
        lab_word(lab, (const char *[]){"0", "1", "255", "256"}[i], "%s", lab_errno(codes[i]));
    }
    int control = set(fd, IPPROTO_IP, IP_MULTICAST_TTL, 0);
    lab_number(lab, "default", (uint64_t)lab_get(lab, lab_socket(lab, AF_INET, SOCK_DGRAM), IPPROTO_IP, IP_TTL), "");
    lab_control(lab, control == 0, "IP_MULTICAST_TTL 0", "%s", lab_errno(control));
    if (codes[0] == EINVAL && codes[1] == 0 && codes[2] == 0 && codes[3] == EINVAL)
        lab_decide(lab, LAB_HOLDS, "1 and 255 were taken, 0 and 256 gave EINVAL");
    else
        lab_decide(lab, LAB_FAILS, "0: %s, 1: %s, 255: %s, 256: %s", lab_errno(codes[0]), lab_errno(codes[1]),
                   lab_errno(codes[2]), lab_errno(codes[3]));
}

/* Sends one datagram to loopback's broadcast address. Returns an errno value. */
static int
broadcast(struct lab_case *lab, bool allowed)
{
    struct sockaddr_in all = {.sin_family = AF_INET, .sin_port = htons(9)};
    /* show broadcast */
    int fd = lab_socket(lab, AF_INET, SOCK_DGRAM);
    if (allowed)
        lab_set(lab, fd, SOL_SOCKET, SO_BROADCAST, 1);
    all.sin_addr.s_addr = htonl(0x7fffffff); /* 127.255.255.255: it never leaves this host */
    int code = sendto(fd, "a", 1, 0, (const struct sockaddr *)&all, sizeof all) == 1 ? 0 : errno;
    /* shown */
    return code;
}

void
lab_broadcast(struct lab_case *lab)
{
    lab_step(lab, "send a datagram to 127.255.255.255 without SO_BROADCAST");
    int code = broadcast(lab, lab->twist);
    int control = broadcast(lab, true);
    lab_word(lab, "without", "%s", lab_errno(code));
    lab_control(lab, control == 0, "with SO_BROADCAST", "%s", lab_errno(control));
    if (code == EACCES)
        lab_decide(lab, LAB_HOLDS, "EACCES without SO_BROADCAST, no error with it");
    else
        lab_decide(lab, LAB_FAILS, "it was sent: %s", lab_errno(code));
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

void
lab_keepalive_idle(struct lab_case *lab)
{
    if (lab->twist)
        lab_sysctl(lab, "/proc/sys/net/ipv4/tcp_keepalive_time", "60");
    lab_step(lab, "read SO_KEEPALIVE, TCP_KEEPIDLE, TCP_KEEPINTVL and TCP_KEEPCNT of a fresh socket");
    int fd = lab_socket(lab, AF_INET, SOCK_STREAM);
    /* show keepalive-idle */
    int on = lab_get(lab, fd, SOL_SOCKET, SO_KEEPALIVE);
    int idle_s = lab_get(lab, fd, IPPROTO_TCP, TCP_KEEPIDLE); /* TCP_KEEPALIVE on macOS */
    int interval_s = lab_get(lab, fd, IPPROTO_TCP, TCP_KEEPINTVL);
    int count = lab_get(lab, fd, IPPROTO_TCP, TCP_KEEPCNT);
    /* shown */
    lab_number(lab, "SO_KEEPALIVE", (uint64_t)on, "");
    lab_number(lab, "TCP_KEEPIDLE", (uint64_t)idle_s, "s");
    lab_number(lab, "TCP_KEEPINTVL", (uint64_t)interval_s, "s");
    lab_number(lab, "TCP_KEEPCNT", (uint64_t)count, "");
    lab_set(lab, fd, IPPROTO_TCP, TCP_KEEPIDLE, 60);
    int control = lab_get(lab, fd, IPPROTO_TCP, TCP_KEEPIDLE);
    lab_control(lab, control == 60, "TCP_KEEPIDLE set to 60", "%d s", control);
    if (on == 0 && idle_s >= 7200)
        lab_decide(lab, LAB_HOLDS, "off by default, and %d s of silence when on, then %d probes, %d s apart", idle_s,
                   count, interval_s);
    else
        lab_decide(lab, LAB_FAILS, "SO_KEEPALIVE reads %d, TCP_KEEPIDLE %d s", on, idle_s);
}

/* Sends one datagram to a group that the sender itself has joined on an interface. Whether it comes back. */
static bool
comes_back(struct lab_case *lab, int interface, int loop)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    struct ip_mreqn group = {.imr_ifindex = interface};
    socklen_t len = sizeof at;
    char letter;

    inet_pton(AF_INET, "239.255.77.77", &group.imr_multiaddr);
    /* show multicast-loop */
    int fd = lab_socket(lab, AF_INET, SOCK_DGRAM);
    if (bind(fd, (const struct sockaddr *)&at, sizeof at) != 0 || getsockname(fd, (struct sockaddr *)&at, &len) != 0 ||
        setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &group, sizeof group) != 0 ||
        setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group) != 0)
        lab_give_up_system(lab, errno, "the group could not be joined");
    lab_set(lab, fd, IPPROTO_IP, IP_MULTICAST_LOOP, loop);
    at.sin_addr = group.imr_multiaddr;
    if (sendto(fd, "a", 1, 0, (const struct sockaddr *)&at, sizeof at) != 1)
        lab_give_up_system(lab, errno, "the datagram to the group was refused");
    bool back = lab_ready(lab, fd, POLLIN, 200 * NS_PER_MS) != 0 && recv(fd, &letter, 1, MSG_DONTWAIT) == 1;
    /* shown */
    return back;
}

void
lab_multicast_loop(struct lab_case *lab)
{
    int tunnel = lab_tunnel(lab), loopback = (int)if_nametoindex("lo");

    lab_step(lab, "in a network namespace of its own make an interface, join a group on it, send it a datagram");
    lab_step(lab, "with IP_MULTICAST_LOOP on and off; the same on loopback");
    bool on = comes_back(lab, tunnel, 1);
    bool off = comes_back(lab, tunnel, lab->twist);
    bool loopback_off = comes_back(lab, loopback, 0);
    int loop = lab_get(lab, lab_socket(lab, AF_INET, SOCK_DGRAM), IPPROTO_IP, IP_MULTICAST_LOOP);
    lab_number(lab, "default of IP_MULTICAST_LOOP", (uint64_t)loop, "");
    lab_word(lab, "off", off ? "it came back" : "nothing came back");
    lab_word(lab, "off, on loopback", loopback_off ? "it came back" : "nothing came back");
    lab_control(lab, on, "IP_MULTICAST_LOOP on", "%s", on ? "it came back" : "nothing came back");
    if (off)
        lab_decide(lab, LAB_FAILS, "the sender heard itself in either case");
    else if (!loopback_off)
        lab_decide(lab, LAB_HOLDS, "the sender heard itself with it on, and did not with it off");
    else {
        lab_condition(lab, "the interface is not loopback");
        lab_decide(lab, LAB_ONLY_IF, "off, the sender did not hear itself on an interface, but did on loopback");
        lab_why(
            lab,
            "The option decides whether the kernel makes a copy for its own members of the group. Loopback gives back "
            "whatever is sent into it, copy or not; so a test over loopback shows nothing.");
    }
}

/* Two listeners at one port, both with `option`. Returns the second one's errno value. */
static int
two_listen(struct lab_case *lab, int option)
{
    struct endpoint at = lab_loopback(lab, AF_INET, 0);
    int code = 0;
    /* show reuseaddr-two-listen */
    for (int i = 0; i < 2; i++) {
        int fd = lab_socket(lab, AF_INET, SOCK_STREAM);
        lab_set(lab, fd, SOL_SOCKET, option, 1);
        if (bind(fd, (const struct sockaddr *)&at.address, at.len) != 0 || listen(fd, 4) != 0)
            code = errno;
        at = i == 0 ? lab_name_of(lab, fd) : at;
    }
    /* shown */
    return code;
}

void
lab_two_listen(struct lab_case *lab)
{
    lab_step(lab, "let two sockets with SO_REUSEADDR bind to one port and listen");
    int code = two_listen(lab, lab->twist ? SO_REUSEPORT : SO_REUSEADDR);
    int control = two_listen(lab, SO_REUSEPORT);
    lab_word(lab, "the second one", "%s", code == 0 ? "listens" : lab_errno(code));
    lab_control(lab, control == 0, "SO_REUSEPORT", "%s", control == 0 ? "both listen" : lab_errno(control));
    if (code == 0)
        lab_decide(lab, LAB_HOLDS, "both listen");
    else {
        lab_decide(lab, LAB_FAILS, "the second one got %s", lab_errno(code));
        lab_why(lab,
                "On Linux SO_REUSEADDR never lets two TCP sockets share a port while one of them listens (socket(7)). "
                "SO_REUSEPORT does, and shares the connections out among them.");
    }
}

/* A server ends while a connection that it accepted lives on (or is gone too). Another binds to its port. */
static int
bind_beside(struct lab_case *lab, bool alive, int reuse)
{
    struct endpoint at = lab_loopback(lab, AF_INET, 0);
    int client = lab_socket(lab, AF_INET, SOCK_STREAM), code;
    /* show reuseaddr-only-time-wait */
    int listener = lab_socket(lab, AF_INET, SOCK_STREAM);
    lab_set(lab, listener, SOL_SOCKET, SO_REUSEADDR, reuse);
    if (bind(listener, (const struct sockaddr *)&at.address, at.len) != 0 || listen(listener, 1) != 0)
        lab_give_up_system(lab, errno, "the server cannot listen");
    at = lab_name_of(lab, listener);
    if (connect(client, (const struct sockaddr *)&at.address, at.len) != 0)
        lab_give_up_system(lab, errno, "connect() to loopback failed");
    int served = accept(listener, NULL, NULL);
    close(listener); /* the server is restarted; who serves the connection lives on */
    if (!alive) {
        close(client); /* the client first: TIME_WAIT is there, not here */
        lab_drain(lab, served, &code);
        close(served);
        LAB_WAIT(lab_tcp_state(lab, lab_port(&at), 0, NULL)[0] == '\0', LAB_SOON_NS);
    }
    int again = lab_socket(lab, AF_INET, SOCK_STREAM);
    lab_set(lab, again, SOL_SOCKET, SO_REUSEADDR, reuse);
    code = bind(again, (const struct sockaddr *)&at.address, at.len) == 0 ? 0 : errno;
    /* shown */
    return code;
}

void
lab_reuse_alive(struct lab_case *lab)
{
    lab_step(
        lab,
        "end a server while a connection of it lives, nothing is in TIME_WAIT; bind to its port without SO_REUSEADDR");
    int without = bind_beside(lab, !lab->twist, 0);
    int control = bind_beside(lab, true, 1);
    lab_word(lab, "without SO_REUSEADDR", "%s", without == 0 ? "bound" : lab_errno(without));
    lab_control(lab, control == 0, "with SO_REUSEADDR on both", "%s", control == 0 ? "bound" : lab_errno(control));
    if (without == 0)
        lab_decide(lab, LAB_HOLDS, "with no connection left the port could be bound");
    else {
        lab_decide(lab, LAB_FAILS, "with a live connection and nothing in TIME_WAIT: %s", lab_errno(without));
        lab_why(lab, "A connection that is still served, as by a child process, has the port of the server too.");
    }
}

void
lab_maxseg_range(struct lab_case *lab)
{
    static const int values[] = {87, 88, 32767, 32768};
    int codes[4], fd = lab_socket(lab, AF_INET, SOCK_STREAM);

    lab_step(lab, "set TCP_MAXSEG to 87, 88, 32767 and 32768");
    for (int i = 0; i < 4; i++) {
        /* show maxseg-range */
        codes[i] = setsockopt(fd, lab->twist ? SOL_SOCKET : IPPROTO_TCP, lab->twist ? SO_RCVBUF : TCP_MAXSEG,
                              &values[i], sizeof values[i]) == 0
                       ? 0
                       : errno;
        /* shown */
        lab_word(lab, (const char *[]){"87", "88", "32767", "32768"}[i], "%s", lab_errno(codes[i]));
    }
    int control = set(fd, SOL_SOCKET, SO_RCVBUF, 87);
    lab_control(lab, control == 0, "SO_RCVBUF 87, which is raised in silence", "%s", lab_errno(control));
    if (codes[0] == EINVAL && codes[1] == 0 && codes[2] == 0 && codes[3] == EINVAL)
        lab_decide(lab, LAB_HOLDS, "88 and 32767 were taken, 87 and 32768 gave EINVAL");
    else
        lab_decide(lab, LAB_FAILS, "87: %s, 88: %s, 32767: %s, 32768: %s", lab_errno(codes[0]), lab_errno(codes[1]),
                   lab_errno(codes[2]), lab_errno(codes[3]));
}

void
lab_multicast_ttl(struct lab_case *lab)
{
    if (lab->twist)
        lab_sysctl(lab, "/proc/sys/net/ipv4/ip_default_ttl", "1");
    lab_step(lab, "read IP_MULTICAST_TTL and IP_TTL of a fresh socket");
    int fd = lab_socket(lab, AF_INET, SOCK_DGRAM);
    /* show multicast-ttl */
    int multicast = lab_get(lab, fd, IPPROTO_IP, IP_MULTICAST_TTL);
    int unicast = lab_get(lab, fd, IPPROTO_IP, IP_TTL);
    /* shown */
    lab_number(lab, "IP_MULTICAST_TTL", (uint64_t)multicast, "");
    lab_number(lab, "IP_TTL", (uint64_t)unicast, "");
    lab_set(lab, fd, IPPROTO_IP, IP_MULTICAST_TTL, 7);
    int control = lab_get(lab, fd, IPPROTO_IP, IP_MULTICAST_TTL);
    lab_control(lab, control == 7, "IP_MULTICAST_TTL set to 7", "%d", control);
    if (multicast == 1 && unicast > 1)
        lab_decide(lab, LAB_HOLDS, "multicast has TTL 1, all else %d", unicast);
    else
        lab_decide(lab, LAB_FAILS, "multicast has TTL %d, all else %d", multicast, unicast);
}

/* How a connection whose peer hears nothing and is silent ends within 4 s: an errno value, or 0 when it does not. */
static int
silent_peer(struct lab_case *lab, int keepalive, uint64_t *took_ns)
{
    int ends[2];
    char letter;

    lab_connect(lab, &(struct lab_link){.mss = 0}, ends);
    /* show keepalive-ends */
    lab_set(lab, ends[0], SOL_SOCKET, SO_KEEPALIVE, keepalive);
    lab_set(lab, ends[0], IPPROTO_TCP, TCP_KEEPIDLE, 1);
    lab_set(lab, ends[0], IPPROTO_TCP, TCP_KEEPINTVL, 1);
    lab_set(lab, ends[0], IPPROTO_TCP, TCP_KEEPCNT, 1);
    lab_deafen(lab, ends[1]); /* the peer is as good as gone */
    uint64_t since_ns = clock_now_ns();
    lab_ready(lab, ends[0], POLLIN, 4 * NS_PER_S);
    int code = recv(ends[0], &letter, 1, MSG_DONTWAIT) < 0 ? errno : 0;
    /* shown */
    *took_ns = clock_now_ns() - since_ns;
    return code;
}

void
lab_keepalive_ends(struct lab_case *lab)
{
    uint64_t took_ns, control_ns;

    lab_step(lab, "connect, let the peer fall silent; SO_KEEPALIVE with 1 s idle, 1 s interval, 1 probe");
    int code = silent_peer(lab, !lab->twist, &took_ns);
    int control = silent_peer(lab, 0, &control_ns);
    lab_word(lab, "the connection", "%s", code == EAGAIN ? "is still there" : lab_errno(code));
    lab_number(lab, "after", took_ns / NS_PER_MS, "ms");
    lab_control(lab, control == EAGAIN, "SO_KEEPALIVE off", "%s",
                control == EAGAIN ? "still there" : lab_errno(control));
    if (code == ETIMEDOUT)
        lab_decide(lab, LAB_HOLDS, "the connection ended in ETIMEDOUT after %llu ms",
                   (unsigned long long)(took_ns / NS_PER_MS));
    else
        lab_decide(lab, LAB_FAILS, "after %llu ms the connection was still there",
                   (unsigned long long)(took_ns / NS_PER_MS));
}

/* Sends a datagram to `address`. Returns an errno value. */
static int
send_to(int fd, const char *address, int flags)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(9)};

    inet_pton(AF_INET, address, &at.sin_addr);
    return sendto(fd, "a", 1, flags, (const struct sockaddr *)&at, sizeof at) == 1 ? 0 : errno;
}

#define NEAR "192.0.2.9"   /* in the network of the interface */
#define FAR "198.51.100.9" /* by the gateway */

void
lab_so_dontroute(struct lab_case *lab)
{
    lab_tunnel(lab);
    lab_gateway(lab);
    lab_step(lab, "in a network namespace of its own make an interface with the network 192.0.2.0/24 and a gateway");
    lab_step(lab, "with SO_DONTROUTE send a datagram to " NEAR ", in that network, and to " FAR ", by the gateway");
    int plain = lab_socket(lab, AF_INET, SOCK_DGRAM);
    /* show so-dontroute */
    int fd = lab_socket(lab, AF_INET, SOCK_DGRAM);
    lab_set(lab, fd, SOL_SOCKET, SO_DONTROUTE, !lab->twist);
    int near = send_to(fd, NEAR, 0);
    int far = send_to(fd, FAR, 0);
    /* shown */
    int control = send_to(plain, FAR, 0);
    lab_word(lab, "same network", "%s", near == 0 ? "sent" : lab_errno(near));
    lab_word(lab, "by the gateway", "%s", far == 0 ? "sent" : lab_errno(far));
    lab_control(lab, control == 0, "without SO_DONTROUTE, by the gateway", "%s",
                control == 0 ? "sent" : lab_errno(control));
    if (near == 0 && far == ENETUNREACH)
        lab_decide(lab, LAB_HOLDS, "the neighbour was reached, by the gateway it gave ENETUNREACH");
    else
        lab_decide(lab, LAB_FAILS, "neighbour: %s, by the gateway: %s", near == 0 ? "sent" : lab_errno(near),
                   far == 0 ? "sent" : lab_errno(far));
}

void
lab_msg_dontroute(struct lab_case *lab)
{
    lab_tunnel(lab);
    lab_gateway(lab);
    lab_step(lab, "send a datagram to " FAR ", which is reached by a gateway, with MSG_DONTROUTE and then without");
    int fd = lab_socket(lab, AF_INET, SOCK_DGRAM);
    /* show msg-dontroute */
    int first = send_to(fd, FAR, lab->twist ? 0 : MSG_DONTROUTE);
    int near = send_to(fd, NEAR, MSG_DONTROUTE);
    int kept = lab_get(lab, fd, SOL_SOCKET, SO_DONTROUTE);
    int control = send_to(fd, FAR, 0);
    /* shown */
    lab_word(lab, "with MSG_DONTROUTE", "%s", first == 0 ? "sent" : lab_errno(first));
    lab_word(lab, "with MSG_DONTROUTE, same network", "%s", near == 0 ? "sent" : lab_errno(near));
    lab_number(lab, "SO_DONTROUTE reads", (uint64_t)kept, "");
    lab_control(lab, control == 0, "without MSG_DONTROUTE", "%s", control == 0 ? "sent" : lab_errno(control));
    if (first == ENETUNREACH && near == 0 && control == 0)
        lab_decide(lab, LAB_HOLDS, "with the flag ENETUNREACH, without it sent; to a neighbour sent in either case");
    else
        lab_decide(lab, LAB_FAILS, "with the flag: %s", first == 0 ? "sent" : lab_errno(first));
}

/* Sends to two groups' members, one on each interface, with IP_MULTICAST_IF naming `interface` (0: not set). Returns
 * which of them heard it: 1 the first, 2 the second, 3 both. */
static int
heard_by(struct lab_case *lab, const int interfaces[2], int interface)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    struct ip_mreqn group = {.imr_ifindex = 0};
    socklen_t len = sizeof at;
    int members[2], heard = 0;
    char letter;

    inet_pton(AF_INET, "239.255.77.78", &group.imr_multiaddr);
    for (int i = 0; i < 2; i++) {
        members[i] = lab_socket(lab, AF_INET, SOCK_DGRAM);
        lab_set(lab, members[i], SOL_SOCKET, SO_REUSEADDR, 1);
        lab_set(lab, members[i], IPPROTO_IP, IP_MULTICAST_ALL, 0); /* only what this socket itself has joined */
        group.imr_ifindex = interfaces[i];
        if (bind(members[i], (const struct sockaddr *)&at, sizeof at) != 0 ||
            getsockname(members[i], (struct sockaddr *)&at, &len) != 0 ||
            setsockopt(members[i], IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group) != 0)
            lab_give_up_system(lab, errno, "the group could not be joined");
    }
    at.sin_addr = group.imr_multiaddr;
    /* show multicast-if */
    int fd = lab_socket(lab, AF_INET, SOCK_DGRAM);
    group.imr_ifindex = interface;
    if (interface != 0 && setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &group, sizeof group) != 0)
        lab_give_up_system(lab, errno, "IP_MULTICAST_IF was refused");
    if (sendto(fd, "a", 1, 0, (const struct sockaddr *)&at, sizeof at) != 1)
        lab_give_up_system(lab, errno, "the datagram to the group was refused");
    for (int i = 0; i < 2; i++)
        if (lab_ready(lab, members[i], POLLIN, 100 * NS_PER_MS) != 0 && recv(members[i], &letter, 1, MSG_DONTWAIT) == 1)
            heard |= i + 1;
    /* shown */
    return heard;
}

void
lab_multicast_if(struct lab_case *lab)
{
    static const char *const who[] = {"nobody", "the tunnel's member", "loopback's member", "both members"};
    const int interfaces[2] = {lab_tunnel(lab), (int)if_nametoindex("lo")};

    lab_gateway(lab);
    lab_step(lab, "in a network namespace of its own join a group on a tunnel and, with another socket, on loopback");
    lab_step(lab, "send to the group with IP_MULTICAST_IF naming the tunnel, and then loopback");
    int first = heard_by(lab, interfaces, lab->twist ? 0 : interfaces[0]);
    int second = heard_by(lab, interfaces, lab->twist ? 0 : interfaces[1]);
    int control = heard_by(lab, interfaces, 0);
    lab_word(lab, "IP_MULTICAST_IF names the tunnel", "%s heard it", who[first]);
    lab_word(lab, "IP_MULTICAST_IF names loopback", "%s heard it", who[second]);
    lab_control(lab, control == 1, "IP_MULTICAST_IF is not set: the route decides", "%s heard it", who[control]);
    if (first == 1 && second == 2)
        lab_decide(lab, LAB_HOLDS, "each time only the member on the interface that was named heard it");
    else
        lab_decide(lab, LAB_FAILS, "tunnel named: %s heard it; loopback named: %s", who[first], who[second]);
}

/* What a system may call the time before keepalive's first probe. Numbers differ too, so names are asked for. */
struct idle_name {
    const char *name;
    int option; /* -1: these headers do not have it */
};

void
lab_keepalive_name(struct lab_case *lab)
{
    static const struct idle_name names[] = {
        /* show keepalive-name */
        {"TCP_KEEPIDLE", TCP_KEEPIDLE}, /* Linux, FreeBSD */
#ifdef TCP_KEEPALIVE
        {"TCP_KEEPALIVE", TCP_KEEPALIVE}, /* macOS */
#else
        {"TCP_KEEPALIVE", -1},
#endif
#ifdef TCP_KEEPALIVE_THRESHOLD
        {"TCP_KEEPALIVE_THRESHOLD", TCP_KEEPALIVE_THRESHOLD}, /* Solaris, in milliseconds */
#else
        {"TCP_KEEPALIVE_THRESHOLD", -1},
#endif
        /* shown */
    };
    const struct idle_name *asked = &names[lab->twist ? 0 : 1];
    int fd = lab_socket(lab, AF_INET, SOCK_STREAM);

    lab_step(lab, "look which name the headers have for keepalive's idle time, and set it to 77 s by each of them");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        int code = names[i].option < 0 ? 0 : set(fd, IPPROTO_TCP, names[i].option, 77);
        const char *outcome = code == 0 ? "set" : lab_errno(code);
        lab_word(lab, names[i].name, "%s", names[i].option < 0 ? "the headers lack it" : outcome);
    }
    int control = set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 77);
    lab_control(lab, control == 0 && lab_get(lab, fd, IPPROTO_TCP, TCP_KEEPIDLE) == 77, "TCP_KEEPIDLE", "%s",
                control == 0 ? "set, and 77 s read back" : lab_errno(control));
    if (asked->option >= 0 && set(fd, IPPROTO_TCP, asked->option, 77) == 0)
        lab_decide(lab, LAB_HOLDS, "%s is known here, and set the idle time", asked->name);
    else {
        lab_decide(lab, LAB_FAILS, "%s does not exist here, TCP_KEEPIDLE does", asked->name);
        lab_why(lab,
                "SO_KEEPALIVE is in every system, its times are not: TCP_KEEPIDLE on Linux and FreeBSD, TCP_KEEPALIVE "
                "on macOS, TCP_KEEPALIVE_THRESHOLD in milliseconds on Solaris. A program that is to "
                "be carried elsewhere asks for each name (tcp(7) calls them not portable).");
    }
}
