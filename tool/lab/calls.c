/* calls.c: socket, bind, listen, connect, accept: their order, addresses and ports. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "lab/kit.h"
#include "lab/topics.h"

/* Connects `fd` to `at`. Returns an errno value. */
static int
connect_to(int fd, const struct endpoint *at)
{
    return connect(fd, (const struct sockaddr *)&at->address, at->len) == 0 ? 0 : errno;
}

/* Binds `fd` to `at`. Returns an errno value. */
static int
bind_at(int fd, const struct endpoint *at)
{
    return bind(fd, (const struct sockaddr *)&at->address, at->len) == 0 ? 0 : errno;
}

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
        bind_at(fd, &none); /* chooses a port earlier */
    /* show client-address */
    struct endpoint before = lab_name_of(lab, fd); /* getsockname() */
    int code = connect_to(fd, &at);
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
    bind_at(bound, &none);
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
    if (bind_at(listener, &at) != 0 || listen(listener, 4) != 0)
        lab_give_up_system(lab, errno, "the server cannot listen");
    at = lab_name_of(lab, listener);
    in->sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1); /* 127.0.0.2, also this machine */
    int code = connect_to(lab_socket(lab, AF_INET, SOCK_STREAM), &at);
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
        low = bind_at(lab_socket(lab, AF_INET, SOCK_STREAM), &at);
    }
    for (uint16_t port = 1024; port < 1200 && high == EADDRINUSE; port++) {
        struct endpoint at = lab_loopback(lab, AF_INET, port);
        high = bind_at(lab_socket(lab, AF_INET, SOCK_STREAM), &at);
    }
    /* shown */
    lab_word(lab, "port 1023 or below", "%s", low == 0 ? "bound" : lab_errno(low));
    lab_word(lab, "port 1024 or above", "%s", high == 0 ? "bound" : lab_errno(high));
    lab_control(lab, high == 0, "a port above 1023", "%s", high == 0 ? "bound" : lab_errno(high));
    if (low == EACCES && high == 0)
        lab_decide(lab, LAB_HOLDS, "a port below 1024 gave EACCES, one above was bound");
    else {
        lab_decide(lab, LAB_FAILS, "a port below 1024: %s", low == 0 ? "bound" : lab_errno(low));
        lab_why(lab, "The border is net.ipv4.ip_unprivileged_port_start, 1024 unless somebody moved it.");
    }
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
        bind_at(first, &at);
        at = lab_name_of(lab, first); /* with the port that the kernel chose */
        code = bind_at(second, &at);
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
        int code = bind_at(fd, &at); /* port 0 */
        own[i] = lab_name_of(lab, fd);
        /* shown */
        last = code;
        bool fresh = lab_port(&own[i]) != 0;
        for (int other = 0; other < i; other++)
            fresh = fresh && lab_port(&own[other]) != lab_port(&own[i]);
        different += code == 0 && fresh;
        lab_word(lab, names[i], "%s, port %u", code == 0 ? "bound" : lab_errno(code), lab_port(&own[i]));
    }
    int control = bind_at(lab_socket(lab, AF_INET, SOCK_STREAM), &own[0]);
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
    if (bind_at(sockets[0], at) != 0 || (type == SOCK_STREAM && listen(sockets[0], 4) != 0))
        lab_give_up_system(lab, errno, "the server cannot be bound");
    *at = lab_name_of(lab, sockets[0]);
    for (int i = 0; i < 2; i++) {
        int client = lab_socket(lab, AF_INET, type);
        if (connect_to(client, at) != 0)
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
    int another = bind_at(lab_socket(lab, AF_INET, lab->twist ? SOCK_DGRAM : SOCK_STREAM), &at);
    lab_number(lab, "sockets with the port", (uint64_t)sockets, "");
    lab_word(lab, "another bind() there", "%s", another == 0 ? "bound" : lab_errno(another));
    lab_control(lab, control == 1, "UDP", "%d socket has the port and serves both", control);
    if (sockets == 1)
        lab_decide(lab, LAB_HOLDS, "one socket has the port");
    else {
        lab_decide(lab, LAB_FAILS, "%d sockets have port %u: the listener and those that it accepted", sockets,
                   lab_port(&at));
        lab_why(lab,
                "A connection is told from others by all four of its addresses and ports. Only listeners exclude each "
                "other, and not even they with SO_REUSEPORT.");
    }
}

static bool
is_connected(int fd)
{
    struct endpoint peer = {.len = sizeof peer.address};
    return getpeername(fd, (struct sockaddr *)&peer.address, &peer.len) == 0;
}

/* Whether connect() is done at a listener that accepts nothing; `full`: its queue is full. `later`: whether it is done
 * once accept() has emptied the queue. */
static bool
connects_unaccepted(struct lab_case *lab, bool full, bool *later)
{
    struct endpoint at;

    int listener = lab_listen(lab, AF_INET, full ? 0 : 4, &at);
    for (int i = 0; full && i < 8; i++) {
        int filler = lab_socket(lab, AF_INET, SOCK_STREAM);
        net_set_nonblocking(filler, true);
        connect_to(filler, &at);
    }
    /* show connect-waits-for-accept */
    int fd = lab_socket(lab, AF_INET, SOCK_STREAM);
    net_set_nonblocking(fd, true);
    connect_to(fd, &at);
    LAB_WAIT(is_connected(fd), 500 * NS_PER_MS); /* nobody has called accept() */
    bool connected = is_connected(fd);
    net_set_nonblocking(listener, true); /* now it is called; a SYN that was dropped comes again after a second */
    LAB_WAIT((accept(listener, NULL, NULL), *later = is_connected(fd)), 6 * NS_PER_S);
    /* shown */
    return connected;
}

void
lab_connect_accept(struct lab_case *lab)
{
    bool later, control_later;

    lab_step(lab, "connect to a listener that does not call accept(); after half a second let it accept");
    bool connected = connects_unaccepted(lab, lab->twist, &later);
    bool control = connects_unaccepted(lab, true, &control_later);
    lab_word(lab, "connect() before accept()", connected ? "connected" : "waits");
    lab_word(lab, "connect() after accept()", later ? "connected" : "waits");
    lab_control(lab, !control && control_later, "the listener's queue is full", "connect() waited, and %s",
                control_later ? "was done after accept()" : "was not done after accept() either");
    if (connected) {
        lab_decide(lab, LAB_FAILS, "connect() was done although accept() was never called");
        lab_why(lab,
                "The kernel answers the handshake by itself and queues the connection; accept() only takes it from the "
                "queue. When the queue is full, connect() waits.");
    } else if (later)
        lab_decide(lab, LAB_HOLDS, "connect() waited for an accept()");
    else
        lab_give_up(lab, "the connection was never made, neither before accept() nor after it");
}

/* How many connections a listener with this backlog takes while nobody accepts. */
static int
admissions(struct lab_case *lab, int backlog)
{
    struct endpoint at;
    struct pollfd clients[12];

    /* show listen-admits */
    lab_listen(lab, AF_INET, backlog, &at); /* bind(), listen(fd, backlog); nobody accepts */
    for (int i = 0; i < 12; i++) {
        clients[i] = (struct pollfd){.fd = lab_socket(lab, AF_INET, SOCK_STREAM), .events = POLLOUT};
        net_set_nonblocking(clients[i].fd, true);
        connect_to(clients[i].fd, &at);
    }
    LAB_WAIT(poll(clients, 12, 0) == 12, 500 * NS_PER_MS); /* who was not admitted tries again after 1 s */
    int admitted = poll(clients, 12, 0);
    /* shown */
    return admitted;
}

void
lab_listen_admits(struct lab_case *lab)
{
    int backlog = 4;

    lab_step(lab, "listen() with a backlog of %d, connect 12 times, never accept", backlog);
    int control = admissions(lab, 100);
    if (lab->twist)
        lab_sysctl(lab, "/proc/sys/net/core/somaxconn", "3");
    int count = admissions(lab, backlog);
    lab_number(lab, "backlog", (uint64_t)backlog, "");
    lab_number(lab, "connected", (uint64_t)count, "of 12");
    lab_control(lab, control == 12, "a backlog of 100", "%d of 12 connected", control);
    if (count == backlog)
        lab_decide(lab, LAB_HOLDS, "%d of 12 connected", count);
    else {
        lab_decide(lab, LAB_FAILS, "listen(%d) admitted %d connections", backlog, count);
        lab_why(
            lab,
            "Linux compares the length of the queue with \"greater than\", so one more than the backlog fits; and it "
            "cuts the backlog at net.core.somaxconn. POSIX calls the number a hint.");
    }
}

/* A non-blocking connect() within this host. Returns its errno value. */
static int
connect_at_once(struct lab_case *lab, int family)
{
    struct endpoint at;
    /* show nonblocking-connect */
    lab_listen(lab, family, 1, &at);
    int fd = lab_socket(lab, family, SOCK_STREAM);
    net_set_nonblocking(fd, true);
    int code = connect_to(fd, &at);
    /* shown */
    if (code == EINPROGRESS && lab_ready(lab, fd, POLLOUT, LAB_SOON_NS) == 0)
        lab_give_up(lab, "the connection was never made");
    return code;
}

void
lab_nonblocking_connect(struct lab_case *lab)
{
    lab_step(lab, "connect() a non-blocking socket to a listener on loopback");
    int code = connect_at_once(lab, lab->twist ? AF_UNIX : AF_INET);
    int control = connect_at_once(lab, AF_UNIX);
    lab_word(lab, "connect()", "%s", code == 0 ? "connected" : lab_errno(code));
    lab_control(lab, control == 0, "family unix", "%s", control == 0 ? "connected" : lab_errno(control));
    if (code == 0)
        lab_decide(lab, LAB_HOLDS, "connect() was done at once");
    else {
        lab_decide(lab, LAB_FAILS, "connect() returned %s, within one host too", lab_errno(code));
        lab_why(
            lab,
            "The three segments of the handshake take the ordinary way through loopback. connect() holds the socket's "
            "lock while they do, so that the answer is looked at only after it has returned.");
    }
}

/* connect() where nobody listens; to the own port or to another. Returns its errno value. */
static int
connect_without_listener(struct lab_case *lab, bool to_itself)
{
    struct endpoint at = lab_loopback(lab, AF_INET, 0);
    /* show connect-needs-listener */
    int fd = lab_socket(lab, AF_INET, SOCK_STREAM);
    int other = lab_socket(lab, AF_INET, SOCK_STREAM);
    if (bind_at(fd, &at) != 0 || bind_at(other, &at) != 0) /* bound, but they do not listen */
        lab_give_up_system(lab, errno, "bind() to loopback failed");
    at = lab_name_of(lab, to_itself ? fd : other);
    int code = connect_to(fd, &at);
    /* shown */
    if (code == 0) {
        lab_send(lab, fd, 100, 0);
        lab_receive(lab, fd, 100); /* what it sends it receives */
    }
    return code;
}

void
lab_connect_listener(struct lab_case *lab)
{
    lab_step(lab, "bind a socket to a port and connect() it to that same port, where nobody listens");
    int code = connect_without_listener(lab, !lab->twist);
    int control = connect_without_listener(lab, false);
    lab_word(lab, "connect()", "%s", code == 0 ? "connected" : lab_errno(code));
    lab_control(lab, control == ECONNREFUSED, "another port without a listener", "%s", lab_errno(control));
    if (code == 0) {
        lab_decide(lab, LAB_FAILS, "a socket connected to itself and read the 100 bytes that it had written");
        lab_why(
            lab,
            "Two ends that send each other a SYN at once are connected without a listener (simultaneous open, RFC 9293, "
            "3.5), and a socket may meet itself. A client that tries a free local port again and again gets there "
            "by accident.");
    } else
        lab_decide(lab, LAB_HOLDS, "connect() gave %s", lab_errno(code));
}

/* How many of SO_KEEPALIVE, TCP_NODELAY and SO_RCVBUF are the same on two sockets. */
static int
options_alike(struct lab_case *lab, int first, int second)
{
    static const int names[3][2] = {{SOL_SOCKET, SO_KEEPALIVE}, {IPPROTO_TCP, TCP_NODELAY}, {SOL_SOCKET, SO_RCVBUF}};
    int alike = 0;

    for (int i = 0; i < 3; i++)
        alike += lab_get(lab, first, names[i][0], names[i][1]) == lab_get(lab, second, names[i][0], names[i][1]);
    return alike;
}

void
lab_accept_inherits(struct lab_case *lab)
{
    struct endpoint at;

    lab_step(lab,
             "set SO_KEEPALIVE, TCP_NODELAY, SO_RCVBUF and O_NONBLOCK on a listener; look at the socket it accepts");
    int listener = lab_listen(lab, AF_INET, 1, &at);
    int client = lab_socket(lab, AF_INET, SOCK_STREAM);
    /* show accept-inherits */
    lab_set(lab, listener, SOL_SOCKET, SO_KEEPALIVE, 1);
    lab_set(lab, listener, IPPROTO_TCP, TCP_NODELAY, 1);
    lab_set(lab, listener, SOL_SOCKET, SO_RCVBUF, 30000);
    connect_to(client, &at);
    net_set_nonblocking(listener, true);
    lab_ready(lab, listener, POLLIN, LAB_SOON_NS);
    int served = accept4(listener, NULL, NULL, lab->twist ? SOCK_NONBLOCK : 0);
    int options = options_alike(lab, listener, served); /* getsockopt() of both */
    bool nonblocking = (fcntl(served, F_GETFL) & O_NONBLOCK) != 0;
    /* shown */
    int control = options_alike(lab, listener, client);
    lab_number(lab, "socket options inherited", (uint64_t)options, "of 3");
    lab_word(lab, "O_NONBLOCK", nonblocking ? "inherited" : "not inherited");
    lab_control(lab, control == 0, "a socket that no listener accepted", "%d of these options are as on the listener",
                control);
    if (options == 3 && nonblocking)
        lab_decide(lab, LAB_HOLDS, "3 socket options and O_NONBLOCK were as on the listener");
    else if (options == 3) {
        lab_condition(lab, "it is a socket option and not a flag of the descriptor, such as O_NONBLOCK");
        lab_decide(lab, LAB_ONLY_IF, "3 of 3 socket options were inherited, O_NONBLOCK was not");
        lab_why(
            lab,
            "On Linux the new socket is a copy of the listener, but its descriptor is new (accept(2)). On BSD O_NONBLOCK "
            "is inherited too: portable programs set and read back what they need.");
    } else
        lab_decide(lab, LAB_FAILS, "%d of 3 socket options were inherited", options);
}

/* A server or a client that leaves a step out. Returns the errno value of the step that misses it. */
static int
without_step(struct lab_case *lab, bool listening)
{
    struct endpoint at = lab_loopback(lab, AF_INET, 0);
    int server = lab_socket(lab, AF_INET, SOCK_STREAM), client = lab_socket(lab, AF_INET, SOCK_STREAM);
    char letters[4];

    /* show order-of-calls */
    bind_at(server, &at);
    if (listening)
        listen(server, 1);
    at = lab_name_of(lab, server);
    int code = connect_to(client, &at);
    if (code != 0)
        return code;
    int served = accept(server, NULL, NULL);
    write(client, "ping", 4);
    LAB_WAIT(lab_unread(lab, served) == 4, LAB_SOON_NS);
    code = read(served, letters, 4) == 4 && write(served, "pong", 4) == 4 ? 0 : EIO;
    close(client);
    close(served);
    /* shown */
    return code;
}

void
lab_order_of_calls(struct lab_case *lab)
{
    lab_step(lab, "socket, bind, listen, accept at the server; socket, connect at the client; write, read, close");
    int code = without_step(lab, !lab->twist);
    int control = without_step(lab, false);
    lab_word(lab, "all steps", "%s", code == 0 ? "worked" : lab_errno(code));
    lab_control(lab, control == ECONNREFUSED, "without listen()", "connect() gave %s", lab_errno(control));
    if (code == 0)
        lab_decide(lab, LAB_HOLDS, "the calls in this order exchanged a message");
    else
        lab_decide(lab, LAB_FAILS, "connect() gave %s", lab_errno(code));
}
