/* reuse.c: who may have a port that another socket has or had: SO_REUSEADDR, SO_REUSEPORT. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lab/kit.h"
#include "lab/topics.h"

/* Which of the two servers sets SO_REUSEADDR. */
enum reuse { REUSE_NONE, REUSE_NEW, REUSE_BOTH };

/* Ends the attempt: without TIME_WAIT nothing is in a new server's way, whatever its options. */
static void __attribute__((noreturn)) without_time_wait(struct lab_case *lab)
{
    lab_advise(lab, "let the kernel keep more of them: net.ipv4.tcp_max_tw_buckets 16384");
    lab_give_up(lab, "the closed connection did not stay in TIME_WAIT");
}

/* A server has served one client and ended; another binds and listens at its port. Returns that one's errno value. */
static int
bind_again(struct lab_case *lab, bool server_first, enum reuse reuse)
{
    struct endpoint at = lab_loopback(lab, AF_INET, 0);
    int code, yes = 1, result = 0;

    /* show rebind-needs-reuseaddr reuseaddr-new-enough */
    int listener = lab_socket(lab, AF_INET, SOCK_STREAM);
    if (reuse == REUSE_BOTH)
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (const struct sockaddr *)&at.address, at.len) != 0 || listen(listener, 1) != 0)
        lab_give_up_system(lab, errno, "the first server cannot listen");
    at = lab_name_of(lab, listener);
    int client = lab_socket(lab, AF_INET, SOCK_STREAM);
    if (connect(client, (const struct sockaddr *)&at.address, at.len) != 0)
        lab_give_up_system(lab, errno, "connect() to loopback failed");
    int server = accept(listener, NULL, NULL);
    uint16_t remote = lab_port(&(struct endpoint[]){lab_name_of(lab, client)}[0]);
    close(listener);
    close(server_first ? server : client); /* this end goes to TIME_WAIT */
    lab_drain(lab, server_first ? client : server, &code);
    close(server_first ? client : server);
    uint16_t first = server_first ? lab_port(&at) : remote, second = server_first ? remote : lab_port(&at);
    LAB_WAIT(strcmp(lab_tcp_state(lab, first, second, NULL), "TIME_WAIT") == 0, LAB_SOON_NS);
    if (strcmp(lab_tcp_state(lab, first, second, NULL), "TIME_WAIT") != 0)
        without_time_wait(lab);

    int again = lab_socket(lab, AF_INET, SOCK_STREAM);
    if (reuse != REUSE_NONE)
        setsockopt(again, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(again, (const struct sockaddr *)&at.address, at.len) != 0 || listen(again, 1) != 0)
        result = errno;
    /* shown */
    close(again);
    return result;
}

/* What bind_again() ended in, in words. */
static const char *
listens(int code)
{
    return code == 0 ? "it listens" : lab_errno(code);
}

void
lab_rebind(struct lab_case *lab)
{
    lab_step(lab, "serve one client, close the server's end first, then bind and listen at the same port again");
    int without = bind_again(lab, !lab->twist, REUSE_NONE);
    int with = bind_again(lab, !lab->twist, REUSE_BOTH);
    int control = bind_again(lab, false, REUSE_NONE);
    lab_word(lab, "without SO_REUSEADDR", "%s", listens(without));
    lab_word(lab, "with SO_REUSEADDR", "%s", listens(with));
    lab_control(lab, control == 0, "the client closes first, no SO_REUSEADDR", "%s", listens(control));
    if (without == EADDRINUSE && with == 0)
        lab_decide(lab, LAB_HOLDS, "EADDRINUSE without SO_REUSEADDR; with it, on every server, no error");
    else
        lab_decide(lab, LAB_FAILS, "without SO_REUSEADDR: %s; with it: %s", listens(without), listens(with));
}

void
lab_reuse_new(struct lab_case *lab)
{
    lab_step(lab, "a server without SO_REUSEADDR serves a client and closes first; the next one sets SO_REUSEADDR");
    int code = bind_again(lab, true, lab->twist ? REUSE_BOTH : REUSE_NEW);
    int control = bind_again(lab, true, REUSE_BOTH);
    lab_word(lab, "the new server", "%s", listens(code));
    lab_control(lab, control == 0, "the old server had set it too", "%s", listens(control));
    if (code == 0)
        lab_decide(lab, LAB_HOLDS, "the new server listens");
    else {
        lab_decide(lab, LAB_FAILS, "the new server got %s although it had set SO_REUSEADDR", listens(code));
        lab_why(
            lab,
            "Linux lets sockets share a port only when each of them has SO_REUSEADDR, and what is left in TIME_WAIT "
            "keeps the option that its socket had. So it must be set from the first start on.");
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
