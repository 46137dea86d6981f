/* ports.c: addresses and ports: which one a socket gets, who may have it, who else has it. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

#include "lab/kit.h"
#include "lab/topics.h"

/* The address in host order, and as it is written. */
static in_addr_t
address_of(const struct endpoint *at)
{
    return ntohl(((const struct sockaddr_in *)&at->address)->sin_addr.s_addr);
}

static void
address_text(const struct endpoint *at, char text[INET_ADDRSTRLEN])
{
    inet_ntop(AF_INET, &((const struct sockaddr_in *)&at->address)->sin_addr, text, INET_ADDRSTRLEN);
}

void
lab_client_address(struct lab_case *lab)
{
    struct endpoint at, none = lab_loopback(lab, AF_INET, 0);

    lab_step(lab, "ask a client socket for its address and port before and after connect()");
    int listener = lab_listen(lab, AF_INET, 1, &at);
    int fd = lab_socket(lab, AF_INET, SOCK_STREAM);
    if (lab->twist)
        lab_bind_at(fd, &none); /* chooses a port earlier */
    /* show client-address */
    struct endpoint before = lab_name_of(lab, fd); /* getsockname() */
    int code = lab_connect_to(fd, &at);
    struct endpoint after = lab_name_of(lab, fd);
    /* shown */
    if (code != 0)
        lab_give_up_system(lab, code, "connect() to loopback failed");
    char addresses[2][INET_ADDRSTRLEN];
    address_text(&before, addresses[0]);
    address_text(&after, addresses[1]);
    lab_word(lab, "before connect()", "%s, port %u", addresses[0], lab_port(&before));
    lab_word(lab, "after connect()", "%s, port %u", addresses[1], lab_port(&after));
    int bound = lab_socket(lab, AF_INET, SOCK_STREAM);
    lab_bind_at(bound, &none);
    struct endpoint early = lab_name_of(lab, bound);
    lab_control(lab, lab_port(&early) != 0, "bind() in front", "port %u before connect()", lab_port(&early));
    close(listener);
    bool none_before = lab_port(&before) == 0 && address_of(&before) == INADDR_ANY;
    bool both_after = lab_port(&after) != 0 && address_of(&after) == INADDR_LOOPBACK;
    lab_decide(lab, none_before && both_after ? LAB_HOLDS : LAB_FAILS,
               "%s and port %u before connect(), %s and port %u "
               "after it",
               addresses[0], lab_port(&before), addresses[1], lab_port(&after));
    if (!none_before)
        lab_why(lab, "bind() gives an address and a port too, earlier; connect() keeps them.");
}

/* Whether a server that is bound to `address` (host order) is reached at 127.0.0.2. */
static int
reached_at_two(struct lab_case *lab, in_addr_t address)
{
    struct endpoint at = lab_loopback(lab, AF_INET, 0);
    struct sockaddr_in *in = (struct sockaddr_in *)&at.address;

    /* show bind-any */
    in->sin_addr.s_addr = htonl(address);
    int listener = lab_confined_socket(lab, AF_INET, SOCK_STREAM); /* socket(), for interface lo alone */
    if (lab_bind_at(listener, &at) != 0 || listen(listener, 4) != 0)
        lab_give_up_system(lab, errno, "the server cannot listen");
    at = lab_name_of(lab, listener);
    in->sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1); /* 127.0.0.2, also this machine */
    int code = lab_connect_to(lab_socket(lab, AF_INET, SOCK_STREAM), &at);
    /* shown */
    return code;
}

void
lab_bind_any(struct lab_case *lab)
{
    lab_step(lab, "bind a server to INADDR_ANY, connect to it at 127.0.0.2; no other interface than lo reaches it");
    int code = reached_at_two(lab, lab->twist ? INADDR_LOOPBACK : INADDR_ANY);
    int control = reached_at_two(lab, INADDR_LOOPBACK);
    lab_word(lab, "connect() to 127.0.0.2", "%s", code == 0 ? "connected" : lab_errno(code));
    lab_control(lab, control == ECONNREFUSED, "bound to 127.0.0.1", "%s", lab_errno(control));
    if (code == 0)
        lab_decide(lab, LAB_HOLDS, "bound to INADDR_ANY the server was reached at 127.0.0.2");
    else
        lab_decide(lab, LAB_FAILS, "connect() to 127.0.0.2 gave %s", lab_errno(code));
}

void
lab_low_ports(struct lab_case *lab)
{
    if (lab->twist)
        lab_sysctl(lab, "/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
    lab_step(lab, "with no privilege bind to ports from 1023 downward until one is free, and to port 1024 and upward");
    lab_drop_privilege(lab);
    int low = EADDRINUSE, high = EADDRINUSE;
    /* show privileged-ports */
    for (uint16_t port = 1023; port > 900 && low == EADDRINUSE; port--) {
        struct endpoint at = lab_loopback(lab, AF_INET, port);
        low = lab_bind_at(lab_socket(lab, AF_INET, SOCK_STREAM), &at);
    }
    for (uint16_t port = 1024; port < 1200 && high == EADDRINUSE; port++) {
        struct endpoint at = lab_loopback(lab, AF_INET, port);
        high = lab_bind_at(lab_socket(lab, AF_INET, SOCK_STREAM), &at);
    }
    /* shown */
    lab_word(lab, "port 1023 or below", "%s", low == 0 ? "bound" : lab_errno(low));
    lab_word(lab, "port 1024 or above", "%s", high == 0 ? "bound" : lab_errno(high));
    lab_control(lab, high == 0, "a port above 1023", "%s", high == 0 ? "bound" : lab_errno(high));
    if (low == EACCES && high == 0)
        lab_decide(lab, LAB_HOLDS, "a port below 1024 gave EACCES, 1024 or one above was bound");
    else
        lab_decide(lab, LAB_FAILS, "a port below 1024: %s", low == 0 ? "bound" : lab_errno(low));
    lab_why(lab, "The privilege is CAP_NET_BIND_SERVICE, which root has and others may be given. The border is "
                 "net.ipv4.ip_unprivileged_port_start, 1024 unless somebody moved it. Port 0 is no port, and free to "
                 "ask for.");
}

/* Binds a socket of each type to one port. Returns the second one's errno value. */
static int
second_at_port(struct lab_case *lab, int first_type, int second_type)
{
    int code = EADDRINUSE;

    for (int port = 0; port < 8 && code == EADDRINUSE; port++) { /* one may be another program's */
        struct endpoint at = lab_loopback(lab, AF_INET, 0);
        /* show tcp-and-udp-port */
        int first = lab_socket(lab, AF_INET, first_type);
        int second = lab_socket(lab, AF_INET, second_type);
        lab_bind_at(first, &at);
        at = lab_name_of(lab, first); /* with the port that the kernel chose */
        code = lab_bind_at(second, &at);
        /* shown */
    }
    return code;
}

void
lab_tcp_and_udp(struct lab_case *lab)
{
    lab_step(lab, "bind a TCP socket to a port, then a UDP socket to the same port number");
    int code = second_at_port(lab, SOCK_STREAM, lab->twist ? SOCK_STREAM : SOCK_DGRAM);
    int control = second_at_port(lab, SOCK_STREAM, SOCK_STREAM);
    lab_word(lab, "the second bind()", "%s", code == 0 ? "bound" : lab_errno(code));
    lab_control(lab, control == EADDRINUSE, "both TCP", "%s", lab_errno(control));
    if (code == 0)
        lab_decide(lab, LAB_HOLDS, "TCP and UDP were bound to one port number");
    else
        lab_decide(lab, LAB_FAILS, "the second bind() gave %s", lab_errno(code));
}

#define CHOSEN 3

void
lab_port_zero(struct lab_case *lab)
{
    struct endpoint at = lab_loopback(lab, AF_INET, 0), own[CHOSEN];
    static const char *const names[CHOSEN] = {"the first socket", "the second socket", "the third socket"};
    int different = 0, last = 0;

    if (lab->twist)
        lab_sysctl(lab, "/proc/sys/net/ipv4/ip_local_port_range", "40000 40001");
    lab_step(lab, "bind %d sockets to port 0, ask for their ports", CHOSEN);
    for (int i = 0; i < CHOSEN; i++) {
        /* show port-zero */
        int fd = lab_socket(lab, AF_INET, SOCK_STREAM);
        int code = lab_bind_at(fd, &at); /* port 0 */
        own[i] = lab_name_of(lab, fd);
        /* shown */
        last = code;
        bool fresh = lab_port(&own[i]) != 0;
        for (int other = 0; other < i; other++)
            fresh = fresh && lab_port(&own[other]) != lab_port(&own[i]);
        different += code == 0 && fresh;
        lab_word(lab, names[i], "%s, port %u", code == 0 ? "bound" : lab_errno(code), lab_port(&own[i]));
    }
    int control = lab_bind_at(lab_socket(lab, AF_INET, SOCK_STREAM), &own[0]);
    lab_control(lab, control == EADDRINUSE, "the first one's port by its number", "%s", lab_errno(control));
    if (different == CHOSEN)
        lab_decide(lab, LAB_HOLDS, "port 0 became %u, %u and %u", lab_port(&own[0]), lab_port(&own[1]),
                   lab_port(&own[2]));
    else {
        lab_decide(lab, LAB_FAILS, "%d of %d sockets got a port of their own, the last bind() gave %s", different,
                   CHOSEN, lab_errno(last));
        lab_why(lab, "The kernel chooses from net.ipv4.ip_local_port_range; when all of these are taken there is none "
                     "to choose.");
    }
}

/* A server of this type at a port serves two clients. Returns how many sockets it has there. */
static int
sockets_of_server(struct lab_case *lab, int type, struct endpoint *at)
{
    int sockets[3], count = 0;

    *at = lab_loopback(lab, AF_INET, 0);
    /* show port-one-socket */
    sockets[count++] = lab_socket(lab, AF_INET, type);
    if (lab_bind_at(sockets[0], at) != 0 || (type == SOCK_STREAM && listen(sockets[0], 4) != 0))
        lab_give_up_system(lab, errno, "the server cannot be bound");
    *at = lab_name_of(lab, sockets[0]);
    for (int i = 0; i < 2; i++) {
        int client = lab_socket(lab, AF_INET, type);
        if (lab_connect_to(client, at) != 0)
            lab_give_up_system(lab, errno, "connect() to loopback failed");
        lab_send(lab, client, 100, 0);
        int served = type == SOCK_STREAM ? sockets[count++] = accept(sockets[0], NULL, NULL) : sockets[0];
        lab_receive(lab, served, 100); /* the client is served */
    }
    int with_port = 0;
    for (int i = 0; i < count; i++) {
        struct endpoint own = lab_name_of(lab, sockets[i]);
        with_port += lab_port(&own) == lab_port(at);
    }
    /* shown */
    return with_port;
}

void
lab_port_one_socket(struct lab_case *lab)
{
    struct endpoint at, unused;

    lab_step(lab, "serve two clients at one port; ask each socket of the server for its port");
    int sockets = sockets_of_server(lab, lab->twist ? SOCK_DGRAM : SOCK_STREAM, &at);
    int control = sockets_of_server(lab, SOCK_DGRAM, &unused);
    int another = lab_bind_at(lab_socket(lab, AF_INET, lab->twist ? SOCK_DGRAM : SOCK_STREAM), &at);
    lab_number(lab, "sockets with the port", (uint64_t)sockets, "");
    lab_word(lab, "another bind() there", "%s", another == 0 ? "bound" : lab_errno(another));
    lab_control(lab, control == 1, "UDP", "%d socket has the port and serves both", control);
    if (sockets == 1)
        lab_decide(lab, LAB_HOLDS, "one socket has the port");
    else {
        lab_decide(lab, LAB_FAILS, "%d sockets have port %u: the listener and those that it accepted", sockets,
                   lab_port(&at));
        lab_why(lab,
                "A connection is told from others by all four of its addresses and ports, so accepted ones share the "
                "listener's. What is exclusive is a second bind(), and that only unless SO_REUSEADDR or SO_REUSEPORT "
                "let it.");
    }
}
