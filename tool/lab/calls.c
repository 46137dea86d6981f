/* calls.c: bind, listen, connect and accept: their order, when they return, and what they return. */
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
        lab_connect_to(filler, &at);
    }
    /* show connect-waits-for-accept */
    int fd = lab_socket(lab, AF_INET, SOCK_STREAM);
    net_set_nonblocking(fd, true);
    lab_connect_to(fd, &at);
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
        lab_connect_to(clients[i].fd, &at);
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
    if (control < 12)
        lab_advise(lab, "allow longer queues of listeners (net.core.somaxconn 128), let other work end, and try again");
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
    int code = lab_connect_to(fd, &at);
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
    if (lab_bind_at(fd, &at) != 0 || lab_bind_at(other, &at) != 0) /* bound, but they do not listen */
        lab_give_up_system(lab, errno, "bind() to loopback failed");
    at = lab_name_of(lab, to_itself ? fd : other);
    int code = lab_connect_to(fd, &at);
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
    lab_connect_to(client, &at);
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
            "On Linux the new socket is a copy of the listener, most of its options included (not, for instance, the "
            "groups it has joined), but its descriptor is new (accept(2)). On BSD O_NONBLOCK is inherited too: "
            "portable programs set and read back what they need.");
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
    lab_bind_at(server, &at);
    if (listening)
        listen(server, 1);
    at = lab_name_of(lab, server);
    int code = lab_connect_to(client, &at);
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
