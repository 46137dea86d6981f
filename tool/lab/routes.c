/* routes.c: by which interface and how far a datagram goes: broadcast, multicast, gateways. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "lab/kit.h"
#include "lab/network.h"
#include "lab/topics.h"

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
        lab_decide(lab, LAB_FAILS, "without SO_BROADCAST: %s", code == 0 ? "it was sent" : lab_errno(code));
}

#define GROUP "239.255.77.77"

/* A socket that has joined the group on an interface and sends to it by that interface; its place in the group in
 * `at`. */
static int
join_group(struct lab_case *lab, int interface, struct sockaddr_in *at)
{
    struct ip_mreqn group = {.imr_ifindex = interface};
    socklen_t len = sizeof *at;
    bool local = interface == (int)if_nametoindex("lo");
    int fd = local ? lab_confined_socket(lab, AF_INET, SOCK_DGRAM) : lab_socket(lab, AF_INET, SOCK_DGRAM);

    *at = (struct sockaddr_in){.sin_family = AF_INET};
    inet_pton(AF_INET, GROUP, &group.imr_multiaddr);
    /* show multicast-loop multicast-ttl */
    if (bind(fd, (const struct sockaddr *)at, sizeof *at) != 0 || getsockname(fd, (struct sockaddr *)at, &len) != 0 ||
        setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &group, sizeof group) != 0 ||
        setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group) != 0)
        lab_give_up_system(lab, errno, "the group could not be joined");
    at->sin_addr = group.imr_multiaddr;
    /* shown */
    return fd;
}

/* Sends one datagram to a group that the sender itself has joined on an interface. Whether it comes back. */
static bool
comes_back(struct lab_case *lab, int interface, int loop)
{
    struct sockaddr_in at;
    char letter;
    int fd = join_group(lab, interface, &at);
    /* show multicast-loop */
    lab_set(lab, fd, IPPROTO_IP, IP_MULTICAST_LOOP, loop);
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
    bool loopback_on = comes_back(lab, loopback, 1);
    bool loopback_off = comes_back(lab, loopback, lab->twist);
    int loop = lab_get(lab, lab_socket(lab, AF_INET, SOCK_DGRAM), IPPROTO_IP, IP_MULTICAST_LOOP);
    lab_number(lab, "default of IP_MULTICAST_LOOP", (uint64_t)loop, "");
    lab_word(lab, "off", off ? "it came back" : "nothing came back");
    lab_word(lab, "on, on loopback", loopback_on ? "it came back" : "nothing came back");
    lab_word(lab, "off, on loopback", loopback_off ? "it came back" : "nothing came back");
    lab_control(lab, on, "IP_MULTICAST_LOOP on", "%s", on ? "it came back" : "nothing came back");
    if (off)
        lab_decide(lab, LAB_FAILS, "the sender heard itself in either case");
    else if (loopback_on && !loopback_off)
        lab_decide(lab, LAB_HOLDS, "the sender heard itself with it on, and did not with it off");
    else {
        lab_condition(lab, "the interface is not loopback");
        lab_decide(lab, LAB_ONLY_IF, "off, the sender did not hear itself on an interface; on loopback it %s",
                   loopback_off ? "did" : "did not even with it on");
        lab_why(
            lab,
            "The option decides whether the kernel makes a copy for its own members of the group. Loopback gives back "
            "whatever is sent into it, copy or not; so a test over loopback shows nothing.");
    }
}

/* The TTL with which a datagram arrives over loopback, sent to the group or to 127.0.0.1 with the TTL that its socket
 * has, or to the group with `ttl` (0: as it is). */
static int
ttl_on_arrival(struct lab_case *lab, bool to_group, int ttl)
{
    struct sockaddr_in at;
    int got = -1, fd = join_group(lab, (int)if_nametoindex("lo"), &at);
    char letter, space[CMSG_SPACE(sizeof got)];
    struct iovec piece = {.iov_base = &letter, .iov_len = 1};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};

    if (!to_group)
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    /* show multicast-ttl */
    if (ttl > 0)
        lab_set(lab, fd, IPPROTO_IP, IP_MULTICAST_TTL, ttl);
    lab_set(lab, fd, IPPROTO_IP, IP_RECVTTL, 1); /* the TTL of what arrives comes with it */
    if (sendto(fd, "a", 1, 0, (const struct sockaddr *)&at, sizeof at) != 1)
        lab_give_up_system(lab, errno, "the datagram was refused");
    if (lab_ready(lab, fd, POLLIN, LAB_SOON_NS) == 0 || recvmsg(fd, &message, MSG_DONTWAIT) != 1)
        lab_give_up(lab, "the datagram did not come back");
    for (struct cmsghdr *each = CMSG_FIRSTHDR(&message); each != NULL; each = CMSG_NXTHDR(&message, each))
        if (each->cmsg_level == IPPROTO_IP && each->cmsg_type == IP_TTL)
            memcpy(&got, CMSG_DATA(each), sizeof got);
    /* shown */
    return got;
}

void
lab_multicast_ttl(struct lab_case *lab)
{
    if (lab->twist)
        lab_sysctl(lab, "/proc/sys/net/ipv4/ip_default_ttl", "1");
    lab_step(lab, "over loopback send a datagram to a group and one to 127.0.0.1; look with which TTL each arrives");
    int multicast = ttl_on_arrival(lab, true, 0);
    int unicast = ttl_on_arrival(lab, false, 0);
    int control = ttl_on_arrival(lab, true, 7);
    lab_number(lab, "TTL of multicast", (uint64_t)multicast, "");
    lab_number(lab, "TTL of all else", (uint64_t)unicast, "");
    lab_control(lab, control == 7, "IP_MULTICAST_TTL set to 7", "%d", control);
    if (multicast < 0 || unicast < 0)
        lab_give_up(lab, "the TTL was not told (IP_RECVTTL)");
    if (multicast == 1 && unicast > 1)
        lab_decide(lab, LAB_HOLDS, "multicast arrived with TTL 1, all else with %d", unicast);
    else {
        lab_decide(lab, LAB_FAILS, "multicast arrived with TTL %d, all else with %d", multicast, unicast);
        lab_why(lab, "Multicast begins with 1 whatever the host's default is; all else begins with "
                     "net.ipv4.ip_default_ttl.");
    }
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
