/* closing.c: the end of a connection: FIN, reset, TIME_WAIT, half-close. */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include <linux/tcp.h>

#include "lab/kit.h"
#include "lab/topics.h"

/* What /proc/net/tcp shows of a connection after both ends were closed, one after the other. */
struct left_behind {
    const char *first, *second; /* states; "gone" */
    uint64_t timer_ms;          /* of the first */
};

/* Closes one end and then the other; the first with SO_LINGER 0 (`hard`) or without. */
static struct left_behind
close_both(struct lab_case *lab, bool hard)
{
    struct left_behind left = {.timer_ms = MISSING};
    int ends[2], code;

    lab_connect(lab, &(struct lab_link){.mss = 0}, ends);
    struct endpoint first = lab_name_of(lab, ends[0]), second = lab_name_of(lab, ends[1]);
    if (hard)
        lab_linger(lab, ends[0], 0);
    /* show time-wait-first-closer */
    close(ends[0]); /* sends FIN first */
    lab_drain(lab, ends[1], &code);
    close(ends[1]);
    LAB_WAIT(lab_tcp_state(lab, lab_port(&second), lab_port(&first), NULL)[0] == '\0', LAB_SOON_NS);
    left.first = lab_tcp_state(lab, lab_port(&first), lab_port(&second), &left.timer_ms);
    left.second = lab_tcp_state(lab, lab_port(&second), lab_port(&first), NULL);
    /* shown */
    left.first = left.first[0] != '\0' ? left.first : "gone";
    left.second = left.second[0] != '\0' ? left.second : "gone";
    return left;
}

void
lab_time_wait_first(struct lab_case *lab)
{
    lab_step(lab, "close one end of a connection, then the other; look both up in /proc/net/tcp");
    struct left_behind left = close_both(lab, lab->twist);
    struct left_behind control = close_both(lab, true);
    lab_word(lab, "who closed first", "%s", left.first);
    lab_word(lab, "who closed second", "%s", left.second);
    lab_number(lab, "time left", left.timer_ms, "ms");
    lab_control(lab, strcmp(control.first, "gone") == 0 && strcmp(control.second, "gone") == 0,
                "SO_LINGER 0: a reset in place of FIN", "first: %s, second: %s", control.first, control.second);
    if (strcmp(left.first, "TIME_WAIT") == 0 && left.timer_ms != MISSING && strcmp(left.second, "gone") == 0)
        lab_decide(lab, LAB_HOLDS, "the end that closed first is in TIME_WAIT, for %llu s more; the other is gone",
                   (unsigned long long)((left.timer_ms + 999) / 1000));
    else {
        lab_decide(lab, LAB_FAILS, "the end that closed first: %s; the other: %s", left.first, left.second);
        lab_why(lab,
                "A reset ends a connection on both sides at once. And where net.ipv4.tcp_max_tw_buckets are taken, "
                "Linux leaves TIME_WAIT out.");
    }
}

/* Ends the sending direction of ends[0], or closes it; whether 1000 bytes still come the other way. */
static bool
other_way_works(struct lab_case *lab, bool whole, int *code)
{
    int ends[2];
    static const char letters[1000];

    lab_connect(lab, &(struct lab_link){.mss = 0}, ends);
    /* show half-close */
    if (whole)
        close(ends[0]);
    else
        shutdown(ends[0], SHUT_WR);
    size_t before_end = lab_drain(lab, ends[1], code); /* the peer sees the end of the stream */
    ssize_t sent = send(ends[1], letters, sizeof letters, MSG_NOSIGNAL);
    if (whole) /* the answer to it is a reset */
        LAB_WAIT(lab_ready(lab, ends[1], POLLERR, 0) & POLLERR, LAB_SOON_NS);
    ssize_t second = send(ends[1], letters, sizeof letters, MSG_NOSIGNAL);
    *code = second < 0 ? errno : 0;
    if (!whole)
        lab_receive(lab, ends[0], 2 * sizeof letters);
    /* shown */
    return before_end == 0 && sent == (ssize_t)sizeof letters && second == (ssize_t)sizeof letters;
}

void
lab_half_close(struct lab_case *lab)
{
    int code, control_code;

    lab_step(lab, "shutdown(SHUT_WR) at one end; the other reads end of file and then writes 2000 bytes");
    bool works = other_way_works(lab, lab->twist, &code);
    bool control = other_way_works(lab, true, &control_code);
    lab_word(lab, "the other way", "%s", works ? "2000 bytes arrived" : lab_errno(code));
    lab_control(lab, !control, "close() instead of shutdown()", "the second write ended in %s",
                lab_errno(control_code));
    if (works)
        lab_decide(lab, LAB_HOLDS, "after SHUT_WR the peer read end of file, and its 2000 bytes arrived");
    else
        lab_decide(lab, LAB_FAILS, "the peer's second write ended in %s", lab_errno(code));
}

/* Sends 100 bytes to an end that was shut for reading. Returns what its reader gets: bytes, or 0 for end of file; the
 * sender's errno value in *code. */
static ssize_t
input_after_shut_rd(struct lab_case *lab, int family, bool shut, int *code)
{
    int ends[2];
    char letters[200] = "";

    lab_connect(lab, &(struct lab_link){.family = family}, ends);
    /* show shut-rd-discards */
    if (shut)
        shutdown(ends[1], SHUT_RD);
    *code = send(ends[0], letters, 100, MSG_NOSIGNAL) < 0 ? errno : 0;
    if (family == AF_INET)
        LAB_WAIT(lab_unacknowledged(lab, ends[0]) == 0, LAB_SOON_NS);
    ssize_t got = recv(ends[1], letters, sizeof letters, MSG_DONTWAIT);
    ssize_t then = recv(ends[1], letters, sizeof letters, MSG_DONTWAIT); /* -1 EAGAIN: open; 0: end */
    /* shown */
    lab_word(lab, shut ? "the next read, shut" : "the next read, open", "%s", then == 0 ? "end of file" : "EAGAIN");
    return got;
}

void
lab_shut_rd(struct lab_case *lab)
{
    int code, control_code;

    lab_step(lab, "shutdown(SHUT_RD) at one end, send it 100 bytes, read there");
    ssize_t got = input_after_shut_rd(lab, lab->twist ? AF_UNIX : AF_INET, true, &code);
    ssize_t control = input_after_shut_rd(lab, AF_INET, false, &control_code);
    lab_word(lab, "the sender", "%s", code == 0 ? "no error" : lab_errno(code));
    lab_number(lab, "read after SHUT_RD", got < 0 ? MISSING : (uint64_t)got, "bytes");
    lab_control(lab, control == 100, "no shutdown", "%zd bytes read", control);
    if (got == 100) {
        lab_decide(lab, LAB_FAILS, "100 bytes that came after SHUT_RD were acknowledged and could be read");
        lab_why(
            lab,
            "Linux tells the peer nothing and goes on receiving; SHUT_RD only makes a read that finds nothing return "
            "end of file instead of blocking. (A socket of family unix refuses the peer's write with EPIPE.)");
    } else
        lab_decide(lab, LAB_HOLDS, "nothing came through; the sender got %s", lab_errno(code));
}

/* Writes twice to an end that was closed; the errno values. */
static void
write_twice(struct lab_case *lab, int family, int codes[2])
{
    int ends[2];

    lab_connect(lab, &(struct lab_link){.family = family}, ends);
    /* show write-to-closed */
    close(ends[1]);
    for (int i = 0; i < 2; i++) {
        codes[i] = send(ends[0], "x", 1, MSG_NOSIGNAL) < 0 ? errno : 0;
        if (i == 0 && codes[0] == 0)
            LAB_WAIT(lab_ready(lab, ends[0], POLLERR, 0) & POLLERR, LAB_SOON_NS); /* the reset has come */
    }
    /* shown */
}

void
lab_write_to_closed(struct lab_case *lab)
{
    int codes[2], control[2];

    lab_step(lab, "the peer closes; write one byte, wait for what comes back, write another");
    write_twice(lab, lab->twist ? AF_UNIX : AF_INET, codes);
    write_twice(lab, AF_UNIX, control);
    lab_word(lab, "first write", "%s", lab_errno(codes[0]));
    lab_word(lab, "second write", "%s", lab_errno(codes[1]));
    lab_control(lab, control[0] == EPIPE, "family unix", "first write: %s", lab_errno(control[0]));
    if (codes[0] == EPIPE)
        lab_decide(lab, LAB_HOLDS, "the first write failed with EPIPE");
    else if (codes[0] == 0 && codes[1] == EPIPE) {
        lab_condition(lab, "the peer's reset has come: the first write succeeds, and draws it");
        lab_decide(lab, LAB_ONLY_IF, "the first write succeeded, the second got EPIPE");
        lab_why(lab,
                "A FIN says only that the peer sends no more; it may still read. Its kernel answers the first data "
                "with a reset, and only the writes after that fail.");
    } else
        lab_decide(lab, LAB_FAILS, "the writes gave %s and %s", lab_errno(codes[0]), lab_errno(codes[1]));
}

static volatile sig_atomic_t pipes;

static void
count_pipe(int number)
{
    (void)number;
    pipes++;
}

/* Writes twice, with `flags`, to a connection that the peer has reset: the errno values, and the signals that came. */
static void
write_after_reset(struct lab_case *lab, int flags, int codes[2], int signals[2])
{
    int ends[2];

    lab_connect(lab, &(struct lab_link){.mss = 0}, ends);
    lab_linger(lab, ends[1], 0);
    close(ends[1]);
    LAB_WAIT(lab_ready(lab, ends[0], POLLERR, 0) & POLLERR, LAB_SOON_NS);
    /* show sigpipe */
    for (int i = 0; i < 2; i++) {
        pipes = 0; /* counted by a handler of SIGPIPE */
        codes[i] = send(ends[0], "x", 1, flags) < 0 ? errno : 0;
        signals[i] = pipes;
    }
    /* shown */
}

void
lab_sigpipe(struct lab_case *lab)
{
    struct sigaction action = {.sa_handler = count_pipe};
    int codes[2], signals[2], control_codes[2], control_signals[2];

    lab_step(lab, "the peer resets; write twice, with SIGPIPE counted by a handler; the same with MSG_NOSIGNAL");
    sigemptyset(&action.sa_mask);
    sigaction(SIGPIPE, &action, NULL);
    write_after_reset(lab, lab->twist ? MSG_NOSIGNAL : 0, codes, signals);
    write_after_reset(lab, MSG_NOSIGNAL, control_codes, control_signals);
    lab_word(lab, "first write", "%s", lab_errno(codes[0]));
    lab_number(lab, "SIGPIPE at the first", (uint64_t)signals[0], "signals");
    lab_word(lab, "second write", "%s", lab_errno(codes[1]));
    lab_number(lab, "SIGPIPE at the second", (uint64_t)signals[1], "signals");
    lab_control(lab, control_codes[1] == EPIPE && control_signals[0] + control_signals[1] == 0, "MSG_NOSIGNAL",
                "%s, then %s, and no signal", lab_errno(control_codes[0]), lab_errno(control_codes[1]));
    bool first = codes[0] == EPIPE && signals[0] == 1, second = codes[1] == EPIPE && signals[1] == 1;
    if (first && second)
        lab_decide(lab, LAB_HOLDS, "either write got EPIPE and raised SIGPIPE");
    else if (second) {
        lab_condition(lab, "an earlier call was told of the reset");
        lab_decide(lab, LAB_ONLY_IF, "the first write got %s and %s; the second got EPIPE and raised SIGPIPE",
                   lab_errno(codes[0]), signals[0] == 0 ? "no signal" : "SIGPIPE");
        lab_why(lab, "A reset is an error that is told once, as ECONNRESET, by whichever call comes next. Only after "
                     "that is the connection one that cannot be written to.");
    } else
        lab_decide(lab, LAB_FAILS, "the writes got %s and %s, and raised %d signals", lab_errno(codes[0]),
                   lab_errno(codes[1]), signals[0] + signals[1]);
}

/* Who resets the connection. */
enum resetter { RESET_BY_PEER, RESET_BY_READER, RESET_BY_NOBODY };

/* 100 bytes arrive, then a reset; how many of them the reader still gets, and with which errno value it ends. */
static size_t
unread_after_reset(struct lab_case *lab, enum resetter resetter, size_t *waiting, int *code)
{
    int ends[2];
    const struct sockaddr nobody = {.sa_family = AF_UNSPEC};

    lab_connect(lab, &(struct lab_link){.rcvbuf = 20000}, ends);
    /* show reset-destroys-unread */
    lab_send(lab, ends[0], 100, 0);
    LAB_WAIT(lab_unread(lab, ends[1]) == 100, LAB_SOON_NS);
    *waiting = (size_t)lab_unread(lab, ends[1]);
    if (resetter == RESET_BY_PEER)
        lab_linger(lab, ends[0], 0);
    if (resetter != RESET_BY_READER)
        close(ends[0]);                                     /* a reset, or with SO_LINGER as it was a FIN */
    else if (connect(ends[1], &nobody, sizeof nobody) != 0) /* dissolves the connection; the peer gets a reset */
        lab_give_up_system(lab, errno, "connect() to AF_UNSPEC failed");
    if (resetter == RESET_BY_PEER)
        LAB_WAIT(lab_ready(lab, ends[1], POLLERR, 0) & POLLERR, LAB_SOON_NS);
    size_t arrived = lab_drain(lab, ends[1], code);
    /* shown */
    return arrived;
}

void
lab_reset_unread(struct lab_case *lab)
{
    size_t waiting, control_waiting;
    int code, control_code;

    lab_step(lab, "let 100 bytes arrive, reset the connection, then read");
    size_t arrived = unread_after_reset(lab, lab->twist ? RESET_BY_READER : RESET_BY_PEER, &waiting, &code);
    size_t control = unread_after_reset(lab, RESET_BY_NOBODY, &control_waiting, &control_code);
    lab_number(lab, "unread before the reset", waiting, "bytes");
    lab_number(lab, "read after the reset", arrived, "bytes");
    lab_word(lab, "then", "%s", lab_errno(code));
    lab_control(lab, waiting == 100 && control == control_waiting && control_code == 0, "close() without a reset",
                "%zu bytes could be read, then %s", control,
                control_code == 0 ? "came the end of the stream" : lab_errno(control_code));
    if (arrived == waiting) {
        lab_decide(lab, LAB_FAILS, "the %zu bytes that had arrived could be read, then came %s", arrived,
                   lab_errno(code));
        lab_why(lab, "A reset from the peer empties Linux's send buffer and leaves the receive buffer to the reader; "
                     "only a reset of the reader's own side empties that too. What the peer had not yet delivered is "
                     "lost in either case. RFC 9293 lets a system flush the receive buffer, so no protocol should "
                     "count on it.");
    } else
        lab_decide(lab, LAB_HOLDS, "%zu of %zu bytes could be read, then came %s", arrived, waiting, lab_errno(code));
}
