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

void
lab_client_address(struct lab_case *lab)
{
    struct endpoint at, none = lab_loopback(lab, AF_INET, 0);

    lab_step(lab, "ask a client socket for its port before and after connect()");
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
    lab_number(lab, "port before connect()", lab_port(&before), "");
    lab_number(lab, "port after connect()", lab_port(&after), "");
    int bound = lab_socket(lab, AF_INET, SOCK_STREAM);
    bind_at(bound, &none);
    struct endpoint early = lab_name_of(lab, bound);
    lab_control(lab, lab_port(&early) != 0, "bind() in front", "port %u before connect()", lab_port(&early));
    close(listener);
    if (lab_port(&before) == 0 && lab_port(&after) != 0)
        lab_decide(lab, LAB_HOLDS, "port 0 before connect(), %u after it", lab_port(&after));
    else
        lab_decide(lab, LAB_FAILS, "port %u before connect(), %u after it", lab_port(&before), lab_port(&after));
}

/* Whether a server that is bound to `address` (host order) is reached at 127.0.0.2. */
static int
reached_at_two(struct lab_case *lab, in_addr_t address)
{
    struct endpoint at = lab_loopback(lab, AF_INET, 0);
    struct sockaddr_in *in = (struct sockaddr_in *)&at.address;

    /* show bind-any */
    in->sin_addr.s_addr = htonl(address);
    int listener = lab_socket(lab, AF_INET, SOCK_STREAM);
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
    lab_step(lab, "bind a server to INADDR_ANY, connect to it at 127.0.0.2");
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
    lab_step(lab,
             "as an ordinary user bind to ports from 1023 downward until one is free, and to port 1024 and upward");
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
    struct endpoint at = lab_loopback(lab, AF_INET, 0);
    /* show tcp-and-udp-port */
    int first = lab_socket(lab, AF_INET, first_type);
    int second = lab_socket(lab, AF_INET, second_type);
    bind_at(first, &at);
    at = lab_name_of(lab, first); /* with the port that the kernel chose */
    int code = bind_at(second, &at);
    /* shown */
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

void
lab_port_zero(struct lab_case *lab)
{
    struct endpoint at = lab_loopback(lab, AF_INET, 0);

    lab_step(lab, "bind two sockets to port 0, ask for their ports");
    int first = lab_socket(lab, AF_INET, SOCK_STREAM), second = lab_socket(lab, AF_INET, SOCK_STREAM);
    /* show port-zero */
    int code = bind_at(first, &at);
    struct endpoint chosen = lab_name_of(lab, first);
    int again = bind_at(second, lab->twist ? &chosen : &at);
    struct endpoint other = lab_name_of(lab, second);
    /* shown */
    lab_number(lab, "the first port", lab_port(&chosen), "");
    lab_number(lab, "the second port", lab_port(&other), "");
    int control = bind_at(lab_socket(lab, AF_INET, SOCK_STREAM), &chosen);
    lab_control(lab, control == EADDRINUSE, "the first one's port by its number", "%s", lab_errno(control));
    if (code == 0 && again == 0 && lab_port(&chosen) != 0 && lab_port(&chosen) != lab_port(&other))
        lab_decide(lab, LAB_HOLDS, "port 0 became %u and then %u", lab_port(&chosen), lab_port(&other));
    else
        lab_decide(lab, LAB_FAILS, "the ports are %u and %u, the second bind() gave %s", lab_port(&chosen),
                   lab_port(&other), lab_errno(again));
}

void
lab_port_one_socket(struct lab_case *lab)
{
    struct endpoint at;

    lab_step(lab, "accept two connections; ask the listener and both accepted sockets for their port");
    int listener = lab_listen(lab, AF_INET, 4, &at);
    int sockets = 1;
    for (int i = 0; i < 2 && !lab->twist; i++) {
        int client = lab_socket(lab, AF_INET, SOCK_STREAM);
        if (connect_to(client, &at) != 0)
            lab_give_up_system(lab, errno, "connect() to loopback failed");
        /* show port-one-socket */
        int served = accept(listener, NULL, NULL);
        struct endpoint own = lab_name_of(lab, served);
        sockets += lab_port(&own) == lab_port(&at);
        /* shown */
    }
    lab_number(lab, "sockets with the port", (uint64_t)sockets, "");
    int control = bind_at(lab_socket(lab, AF_INET, SOCK_STREAM), &at);
    lab_control(lab, control == EADDRINUSE, "another socket binds there", "%s", lab_errno(control));
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

void
lab_connect_accept(struct lab_case *lab)
{
    struct endpoint at;
    int fillers[8];

    lab_step(lab, "connect to a listener that does not call accept()");
    int listener = lab_listen(lab, AF_INET, lab->twist ? 0 : 4, &at);
    for (int i = 0; lab->twist && i < 8; i++) { /* fill its queue */
        fillers[i] = lab_socket(lab, AF_INET, SOCK_STREAM);
        net_set_nonblocking(fillers[i], true);
        connect_to(fillers[i], &at);
    }
    int fd = lab_socket(lab, AF_INET, SOCK_STREAM);
    /* show connect-waits-for-accept */
    net_set_nonblocking(fd, true);
    connect_to(fd, &at);
    bool done = lab_ready(lab, fd, POLLOUT, 500 * NS_PER_MS) != 0; /* nobody has called accept() */
    struct endpoint peer = {.len = sizeof peer.address};
    bool connected = done && getpeername(fd, (struct sockaddr *)&peer.address, &peer.len) == 0;
    /* shown */
    lab_word(lab, "connect()", connected ? "connected" : "waits");
    close(listener);
    int control = connect_to(lab_socket(lab, AF_INET, SOCK_STREAM), &at);
    lab_control(lab, control == ECONNREFUSED, "no listener", "%s", lab_errno(control));
    if (connected) {
        lab_decide(lab, LAB_FAILS, "connect() was done although accept() was never called");
        lab_why(lab,
                "The kernel answers the handshake by itself and queues the connection; accept() only takes it from the "
                "queue. When the queue is full, connect() waits.");
    } else
        lab_decide(lab, LAB_HOLDS, "connect() waited for an accept()");
}

/* How many connections a listener with this backlog takes while nobody accepts. */
static int
admitted(struct lab_case *lab, int backlog)
{
    struct endpoint at;
    int fds[12], done = 0;

    /* show listen-admits */
    lab_listen(lab, AF_INET, backlog, &at); /* bind(), listen(fd, backlog); nobody accepts */
    for (int i = 0; i < 12; i++) {
        fds[i] = lab_socket(lab, AF_INET, SOCK_STREAM);
        net_set_nonblocking(fds[i], true);
        connect_to(fds[i], &at);
        done += lab_ready(lab, fds[i], POLLOUT, 100 * NS_PER_MS) != 0;
    }
    /* shown */
    return done;
}

void
lab_listen_admits(struct lab_case *lab)
{
    int backlog = 4;

    lab_step(lab, "listen() with a backlog of %d, connect 12 times, never accept", backlog);
    int control = admitted(lab, 100);
    if (lab->twist)
        lab_sysctl(lab, "/proc/sys/net/core/somaxconn", "3");
    int count = admitted(lab, backlog);
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
    bind_at(fd, &at);
    bind_at(other, &at); /* bound, but it does not listen */
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
    int options = (lab_get(lab, served, SOL_SOCKET, SO_KEEPALIVE) != 0) +
                  (lab_get(lab, served, IPPROTO_TCP, TCP_NODELAY) != 0) +
                  (lab_get(lab, served, SOL_SOCKET, SO_RCVBUF) == 60000);
    bool nonblocking = (fcntl(served, F_GETFL) & O_NONBLOCK) != 0;
    /* shown */
    int plain = lab_socket(lab, AF_INET, SOCK_STREAM);
    int control =
        (lab_get(lab, plain, SOL_SOCKET, SO_KEEPALIVE) != 0) + (lab_get(lab, plain, IPPROTO_TCP, TCP_NODELAY) != 0);
    lab_number(lab, "socket options inherited", (uint64_t)options, "of 3");
    lab_word(lab, "O_NONBLOCK", nonblocking ? "inherited" : "not inherited");
    lab_control(lab, control == 0, "a socket that no listener accepted", "%d of these options are on", control);
    if (options == 3 && nonblocking)
        lab_decide(lab, LAB_HOLDS, "3 socket options and O_NONBLOCK were as on the listener");
    else if (options > 0) {
        lab_condition(lab, "it is a socket option and not a flag of the descriptor, such as O_NONBLOCK");
        lab_decide(lab, LAB_ONLY_IF, "%d of 3 socket options were inherited, O_NONBLOCK was %s", options,
                   nonblocking ? "too" : "not");
        lab_why(
            lab,
            "On Linux the new socket is a copy of the listener, but its descriptor is new (accept(2)). On BSD O_NONBLOCK "
            "is inherited too: portable programs set and read back what they need.");
    } else
        lab_decide(lab, LAB_FAILS, "nothing was inherited");
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
