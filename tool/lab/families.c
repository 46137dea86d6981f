/* families.c: address families and socket types. */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lab/fault.h"
#include "lab/kit.h"
#include "lab/topics.h"

/* Whether a pair of this family and type carries 100 bytes. Returns an errno value. */
static int
carries(struct lab_case *lab, int family, int type)
{
    int ends[2];
    /* show families-and-types */
    int fd = socket(family, type, 0);
    if (fd < 0 && (errno == EAFNOSUPPORT || errno == ESOCKTNOSUPPORT || errno == EPROTONOSUPPORT))
        return errno; /* it does not exist; anything else says nothing about the family */
    if (fd < 0)
        lab_give_up_system(lab, errno, "no socket could be made");
    close(fd);
    lab_connect(lab, &(struct lab_link){.family = family, .type = type}, ends); /* bind, listen, connect, accept */
    lab_send(lab, ends[0], 100, 0);
    lab_receive(lab, ends[1], 100);
    /* shown */
    return 0;
}

void
lab_families(struct lab_case *lab)
{
    static const struct {
        const char *name;
        int family, type;
    } kinds[] = {{"inet stream", AF_INET, SOCK_STREAM},   {"inet datagram", AF_INET, SOCK_DGRAM},
                 {"inet6 stream", AF_INET6, SOCK_STREAM}, {"inet6 datagram", AF_INET6, SOCK_DGRAM},
                 {"local stream", AF_UNIX, SOCK_STREAM},  {"local datagram", AF_UNIX, SOCK_DGRAM}};
    int worked = 0;

    lab_step(lab, "join two sockets of each family and type, send 100 bytes");
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        int type = lab->twist && i == 0 ? SOCK_SEQPACKET : kinds[i].type;
        int code = carries(lab, kinds[i].family, type);
        lab_word(lab, kinds[i].name, "%s", code == 0 ? "works" : lab_errno(code));
        worked += code == 0;
    }
    int control = carries(lab, AF_INET, SOCK_SEQPACKET);
    lab_control(lab, control != 0, "SOCK_SEQPACKET of family inet", "%s", lab_errno(control));
    lab_decide(lab, worked == 6 ? LAB_HOLDS : LAB_FAILS, "%d of 6 combinations carried 100 bytes", worked);
}

void
lab_packet(struct lab_case *lab)
{
    lab_step(lab, "with%s privilege make a socket of family packet", lab->twist ? " the" : " no");
    if (!lab->twist)
        lab_drop_privilege(lab);
    /* show packet-needs-privilege */
    int code = socket(AF_PACKET, SOCK_RAW, 0) < 0 ? errno : 0;
    int control = socket(AF_INET, SOCK_DGRAM, 0) < 0 ? errno : 0;
    /* shown */
    lab_word(lab, "AF_PACKET", "%s", code == 0 ? "made" : lab_errno(code));
    lab_control(lab, control == 0, "AF_INET", "%s", control == 0 ? "made" : lab_errno(control));
    if (code == EPERM)
        lab_decide(lab, LAB_HOLDS, "without the privilege: EPERM");
    else if (code == 0)
        lab_decide(lab, LAB_FAILS, "the socket was made");
    else
        lab_give_up_system(lab, code, "socket() failed for another reason than a privilege");
}

void
lab_ipx(struct lab_case *lab)
{
    lab_step(lab, "make a socket of family IPX");
    if (lab->twist)
        lab_fault_socket(lab, AF_IPX);
    /* show ipx */
    int code = socket(AF_IPX, SOCK_DGRAM, 0) < 0 ? errno : 0;
    int control = socket(AF_INET, SOCK_DGRAM, 0) < 0 ? errno : 0;
    /* shown */
    lab_word(lab, "AF_IPX", "%s", code == 0 ? "made" : lab_errno(code));
    lab_control(lab, control == 0, "AF_INET", "%s", control == 0 ? "made" : lab_errno(control));
    if (code == 0)
        lab_decide(lab, LAB_HOLDS, "the socket was made");
    else if (code != EAFNOSUPPORT)
        lab_give_up_system(lab, code, "socket() failed, which says nothing about the family");
    else {
        lab_decide(lab, LAB_FAILS, "socket() gave EAFNOSUPPORT: there is no such family");
        lab_why(lab,
                "Linux removed the IPX protocol in version 4.18. The number of the family is still in the headers.");
    }
}

/* Sends 1, 2, ... 20 bytes that count up; whether all arrive in order, and in how many reads. */
static bool
in_order(struct lab_case *lab, int type, int *reads, bool *borders)
{
    int ends[2], total = 0;
    unsigned char letters[256], next = 0, wanted = 0;
    bool ordered = true;

    lab_connect(lab, &(struct lab_link){.type = type, .family = type == SOCK_DGRAM ? AF_UNIX : AF_INET}, ends);
    *reads = 0;
    *borders = true;
    /* show stream-keeps-order */
    for (int size = 1; size <= 20; size++) {
        for (int i = 0; i < size; i++)
            letters[i] = next++;
        total += send(ends[0], letters, (size_t)size, MSG_NOSIGNAL) == size ? size : 0;
        if (type == SOCK_DGRAM && size == 8)
            break; /* its queue is short */
    }
    for (int got, sum = 0; sum < total && lab_ready(lab, ends[1], POLLIN, LAB_SOON_NS) != 0; sum += got) {
        if (type == SOCK_STREAM)
            LAB_WAIT(lab_unread(lab, ends[1]) == total, LAB_SOON_NS);
        got = (int)recv(ends[1], letters, sizeof letters, 0);
        ++*reads;
        *borders = *borders && got == *reads; /* the n-th write had n bytes */
        for (int i = 0; i < got; i++)
            ordered = ordered && letters[i] == wanted++;
    }
    /* shown */
    return ordered && wanted == next;
}

void
lab_stream_order(struct lab_case *lab)
{
    int reads, control_reads;
    bool borders, control_borders;

    lab_step(lab, "write messages of 1, 2, ... 20 bytes that count up; read all of it");
    bool ordered = in_order(lab, lab->twist ? SOCK_DGRAM : SOCK_STREAM, &reads, &borders);
    in_order(lab, SOCK_DGRAM, &control_reads, &control_borders);
    lab_word(lab, "order", ordered ? "kept, nothing lost" : "broken");
    lab_word(lab, "borders of messages", borders ? "kept" : "not kept");
    lab_number(lab, "reads", (uint64_t)reads, "");
    lab_control(lab, control_borders, "datagrams of family local", "%d messages in as many reads", control_reads);
    if (ordered && !borders)
        lab_decide(lab, LAB_HOLDS, "every byte came in order, the 20 messages in %d read", reads);
    else
        lab_decide(lab, LAB_FAILS, "order %s, borders %s", ordered ? "kept" : "broken", borders ? "kept" : "not kept");
}

/* Connects a client of family inet to a server at in6addr_any. Returns an errno value. */
static int
reach_inet6(struct lab_case *lab, int only)
{
    struct endpoint at = lab_loopback(lab, AF_INET6, 0);
    /* show inet6-serves-inet */
    int listener = lab_confined_socket(lab, AF_INET6, SOCK_STREAM); /* socket(), for interface lo alone */
    lab_set(lab, listener, IPPROTO_IPV6, IPV6_V6ONLY, only);
    ((struct sockaddr_in6 *)&at.address)->sin6_addr = in6addr_any;
    if (lab_bind_at(listener, &at) != 0 || listen(listener, 4) != 0)
        lab_give_up_system(lab, errno, "the server cannot listen");
    at = lab_name_of(lab, listener);
    struct endpoint to = lab_loopback(lab, AF_INET, lab_port(&at));
    int code = lab_connect_to(lab_socket(lab, AF_INET, SOCK_STREAM), &to);
    /* shown */
    return code;
}

void
lab_dual_stack(struct lab_case *lab)
{
    int fresh = lab_get(lab, lab_socket(lab, AF_INET6, SOCK_STREAM), IPPROTO_IPV6, IPV6_V6ONLY);

    lab_step(lab, "bind a server of family inet6 to ::, connect to 127.0.0.1 at its port; no other interface than lo "
                  "reaches it");
    int code = reach_inet6(lab, lab->twist ? 1 : fresh);
    int control = reach_inet6(lab, 1);
    lab_number(lab, "default of IPV6_V6ONLY", (uint64_t)fresh, "");
    lab_word(lab, "connect() to 127.0.0.1", "%s", code == 0 ? "connected" : lab_errno(code));
    lab_control(lab, control == ECONNREFUSED, "IPV6_V6ONLY on", "%s", control == 0 ? "connected" : lab_errno(control));
    if (code == 0)
        lab_decide(lab, LAB_HOLDS, "the client of family inet was served");
    else {
        lab_decide(lab, LAB_FAILS, "connect() gave %s", lab_errno(code));
        lab_why(lab,
                "With IPV6_V6ONLY, which net.ipv6.bindv6only makes the default, a server needs a socket a family.");
    }
}
