/* flags.c: what the flags of send() and recv() change (MSG_*), and what recv() returns. */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab/kit.h"
#include "lab/sysctl.h"
#include "lab/topics.h"

/* Reads 4 of the bytes "abcdef" with `flags`, then all that is left. Returns how many the second read finds. */
static ssize_t
left_after_read(struct lab_case *lab, int flags)
{
    int ends[2];
    char first[4], rest[16];

    lab_connect(lab, &(struct lab_link){.mss = 0}, ends);
    /* show peek-leaves-data */
    send(ends[0], "abcdef", 6, MSG_NOSIGNAL);
    LAB_WAIT(lab_unread(lab, ends[1]) == 6, LAB_SOON_NS);
    ssize_t got = recv(ends[1], first, sizeof first, flags | MSG_DONTWAIT);
    ssize_t left = recv(ends[1], rest, sizeof rest, MSG_DONTWAIT);
    /* shown */
    if (got != 4)
        lab_give_up(lab, "the first read found %zd bytes of 6", got);
    return left;
}

void
lab_peek(struct lab_case *lab)
{
    lab_step(lab, "send 6 bytes; read 4 with MSG_PEEK; read again");
    ssize_t left = left_after_read(lab, lab->twist ? 0 : MSG_PEEK);
    ssize_t control = left_after_read(lab, 0);
    lab_number(lab, "left", (uint64_t)left, "bytes");
    lab_control(lab, control == 2, "without MSG_PEEK", "%zd bytes were left", control);
    if (left == 6)
        lab_decide(lab, LAB_HOLDS, "after a peek at 4 bytes all 6 were there");
    else
        lab_decide(lab, LAB_FAILS, "%zd of 6 bytes were left", left);
}

/* What comes to a reader that has 4 bytes and waits for 8. */
enum rest { REST_COMES, REST_END, REST_SIGNAL };

static void
wake_up(int number)
{
    (void)number;
}

/* Asks for 8 bytes with `flags` when 4 are there, and then `rest` comes. Returns what the call got. */
static ssize_t
got_of_eight(struct lab_case *lab, int flags, enum rest rest)
{
    int ends[2];
    char letters[8];
    struct sigaction action = {.sa_handler = wake_up};

    lab_connect(lab, &(struct lab_link){.mss = 0}, ends);
    sigemptyset(&action.sa_mask);
    sigaction(SIGUSR1, &action, NULL); /* without SA_RESTART */
    pid_t reader = getpid();
    /* show waitall-fills */
    send(ends[0], "abcd", 4, MSG_NOSIGNAL);
    LAB_WAIT(lab_unread(lab, ends[1]) == 4, LAB_SOON_NS);
    if (lab_fork(lab) == 0) {
        lab_sleeps(reader, LAB_SOON_NS); /* until the reader waits, if it does */
        if (rest == REST_COMES)
            send(ends[0], "efgh", 4, MSG_NOSIGNAL);
        else if (rest == REST_END)
            shutdown(ends[0], SHUT_WR);
        else
            kill(reader, SIGUSR1);
        _exit(0);
    }
    ssize_t got = recv(ends[1], letters, sizeof letters, flags);
    /* shown */
    return got;
}

void
lab_waitall(struct lab_case *lab)
{
    lab_step(lab, "with 4 bytes there ask for 8 with MSG_WAITALL; then 4 more come, or the peer ends its stream, or a "
                  "signal comes");
    ssize_t full = got_of_eight(lab, MSG_WAITALL, REST_COMES);
    ssize_t cut = got_of_eight(lab, MSG_WAITALL, lab->twist ? REST_COMES : REST_END);
    ssize_t interrupted = got_of_eight(lab, MSG_WAITALL, lab->twist ? REST_COMES : REST_SIGNAL);
    ssize_t control = got_of_eight(lab, 0, REST_COMES);
    lab_number(lab, "the rest came", full < 0 ? MISSING : (uint64_t)full, "bytes");
    lab_number(lab, "the end came", cut < 0 ? MISSING : (uint64_t)cut, "bytes");
    lab_number(lab, "a signal came", interrupted < 0 ? MISSING : (uint64_t)interrupted, "bytes");
    lab_control(lab, control == 4, "without MSG_WAITALL", "%zd bytes", control);
    if (full == 8 && cut == 8 && interrupted == 8)
        lab_decide(lab, LAB_HOLDS, "each call got all 8 bytes");
    else if (full == 8) {
        lab_condition(lab, "so many bytes come before the end of the stream, an error or a signal");
        lab_decide(lab, LAB_ONLY_IF, "it got 8 bytes when they came, %zd when the stream ended, %zd when a signal came",
                   cut, interrupted);
        lab_why(lab,
                "A reader that needs whole records must look at the count that recv() returns, with MSG_WAITALL too.");
    } else
        lab_decide(lab, LAB_FAILS, "it got %zd of 8 bytes although they came", full);
}

/* What became of a recv() in a process of its own. */
enum outcome { RECV_WAITS, RECV_EAGAIN, RECV_READ, RECV_ELSE };

/* recv() with `flags` in a process of its own, with a byte there (`ready`) or without. */
static enum outcome
recv_apart(struct lab_case *lab, int fd, int flags)
{
    volatile int *code = lab_shared(lab, sizeof *code);
    char letter;

    *code = -1;
    /* show dontwait */
    pid_t reader = lab_fork(lab);
    if (reader == 0) {
        *code = recv(fd, &letter, 1, flags) < 0 ? errno : 0;
        _exit(0);
    }
    bool sleeps = lab_sleeps(reader, LAB_SOON_NS); /* it waits in recv(), or has ended */
    LAB_WAIT(*code >= 0, 20 * NS_PER_MS);
    /* shown */
    kill(reader, SIGKILL);
    waitpid(reader, NULL, 0);
    if (*code < 0 && !sleeps)
        lab_give_up(lab, "the process that was to receive did not come to it");
    if (*code < 0)
        return RECV_WAITS;
    return *code == EAGAIN ? RECV_EAGAIN : *code == 0 ? RECV_READ : RECV_ELSE;
}

void
lab_dontwait(struct lab_case *lab)
{
    static const char *const words[] = {"waits", "EAGAIN at once", "read a byte", "another error"};
    int ends[2];

    lab_step(lab, "on a blocking socket with nothing to read: recv() with MSG_DONTWAIT in a process of its own");
    lab_step(lab, "then recv() without it: does it wait?");
    lab_connect(lab, &(struct lab_link){.mss = 0}, ends);
    enum outcome with = recv_apart(lab, ends[1], lab->twist ? 0 : MSG_DONTWAIT);
    enum outcome after = recv_apart(lab, ends[1], 0);
    lab_send(lab, ends[0], 1, 0);
    lab_ready(lab, ends[1], POLLIN, LAB_SOON_NS);
    enum outcome control = recv_apart(lab, ends[1], MSG_DONTWAIT);
    lab_word(lab, "with MSG_DONTWAIT", "%s", words[with]);
    lab_word(lab, "without it, afterwards", "%s", words[after]);
    lab_control(lab, control == RECV_READ, "one byte is there", "%s", words[control]);
    if (with == RECV_EAGAIN && after == RECV_WAITS)
        lab_decide(lab, LAB_HOLDS, "the call came back at once with EAGAIN, the next one without the flag waits");
    else
        lab_decide(lab, LAB_FAILS, "the call: %s; the next one without the flag: %s", words[with], words[after]);
}

/* What a reader found of two times "ab", an urgent "!", "c". */
struct urgent {
    int as_urgent, right; /* bytes read with MSG_OOB, and how many of them were the ones that were sent as urgent */
    int in_stream;        /* bytes of ordinary reads */
};

static struct urgent
send_urgent(struct lab_case *lab, bool read_between)
{
    struct urgent found = {0, 0, 0};
    int ends[2];
    char letters[16], letter;

    lab_connect(lab, &(struct lab_link){.mss = 0}, ends);
    /* show oob-second-channel */
    for (int i = 0; i < 2; i++) {
        send(ends[0], "ab", 2, MSG_NOSIGNAL);
        send(ends[0], "!", 1, MSG_OOB | MSG_NOSIGNAL); /* an urgent byte */
        send(ends[0], "c", 1, MSG_NOSIGNAL);
        LAB_WAIT(lab_unacknowledged(lab, ends[0]) == 0, LAB_SOON_NS);
        if (!read_between && i == 0)
            continue;
        if (recv(ends[1], &letter, 1, MSG_OOB | MSG_DONTWAIT) == 1) {
            found.as_urgent++;
            found.right += letter == '!';
        }
        for (ssize_t got = 1; got > 0; found.in_stream += got > 0 ? (int)got : 0)
            got = recv(ends[1], letters, sizeof letters, MSG_DONTWAIT); /* stops once at the urgent mark */
    }
    /* shown */
    return found;
}

/* Whether this kernel takes the urgent pointer to be the place of the urgent byte, and not the one behind it. */
static bool
is_standard_urgent(void)
{
    char value[8];
    return lab_sysctl_read("net.ipv4.tcp_stdurg", value, sizeof value) != NULL && strcmp(value, "0") != 0;
}

/* What that comes to. */
#define OFF_BY_ONE                                                                                                       \
    "Here net.ipv4.tcp_stdurg is on: the receiver reads the urgent pointer as RFC 1122 has it (it points at the urgent " \
    "byte), and the sender sets it as BSD and Linux do (RFC 6093: to the byte behind it). So the byte behind the "       \
    "urgent one is taken for it."

void
lab_oob_channel(struct lab_case *lab)
{
    lab_step(lab, "send \"ab\", an urgent \"!\", \"c\", and the same again; read what is urgent, then the stream");
    struct urgent found = send_urgent(lab, lab->twist), control = send_urgent(lab, true);
    lab_number(lab, "read as urgent", (uint64_t)found.as_urgent, "of 2 bytes");
    lab_number(lab, "of them sent as urgent", (uint64_t)found.right, "bytes");
    lab_number(lab, "read in the stream", (uint64_t)found.in_stream, "of 6 bytes");
    lab_control(lab, control.as_urgent == 2 && control.in_stream == 6, "each is read before the next is sent",
                "%d urgent, %d in the stream", control.as_urgent, control.in_stream);
    if (found.right == 2 && found.in_stream == 6)
        lab_decide(lab, LAB_HOLDS, "both urgent bytes came as urgent, and 6 bytes in the stream");
    else {
        lab_decide(lab, LAB_FAILS, "%d of 2 urgent bytes came as urgent, and %d bytes in the stream", found.right,
                   found.in_stream);
        lab_why(
            lab,
            is_standard_urgent()
                ? "There is one stream, and a mark in it (RFC 6093), which a second urgent byte moves on. " OFF_BY_ONE
                : "There is one stream, and a mark in it (RFC 6093). A second urgent byte moves the mark on, and the first "
                  "one becomes an ordinary byte of the stream.");
    }
}

/* Reads a stream with an urgent byte in it. Returns the bytes, and stores how many of them stand before the mark. */
static ssize_t
stream_with_urgent(struct lab_case *lab, bool in_line, char letters[8], ssize_t *before_mark)
{
    int ends[2];
    ssize_t total = 0, got = 1;

    *before_mark = -1;
    lab_connect(lab, &(struct lab_link){.mss = 0}, ends);
    /* show oob-inline */
    if (in_line)
        lab_set(lab, ends[1], SOL_SOCKET, SO_OOBINLINE, 1);
    send(ends[0], "ab", 2, MSG_NOSIGNAL);
    send(ends[0], "!", 1, MSG_OOB | MSG_NOSIGNAL);
    send(ends[0], "cd", 2, MSG_NOSIGNAL);
    shutdown(ends[0], SHUT_WR);
    while (got > 0 && total < 8) {
        lab_ready(lab, ends[1], POLLIN, LAB_SOON_NS);
        if (*before_mark < 0 && sockatmark(ends[1]) == 1)
            *before_mark = total;
        got = recv(ends[1], letters + total, (size_t)(8 - total), 0); /* never reads across the mark */
        total += got;
    }
    /* shown */
    return total;
}

void
lab_oob_inline(struct lab_case *lab)
{
    char letters[8], control[8];
    ssize_t before_mark, control_mark;

    lab_step(lab, "send \"ab\", an urgent \"!\", \"cd\"; read the stream with SO_OOBINLINE");
    ssize_t total = stream_with_urgent(lab, !lab->twist, letters, &before_mark);
    ssize_t without = stream_with_urgent(lab, false, control, &control_mark);
    lab_word(lab, "the stream", "\"%.*s\"", (int)total, letters);
    lab_number(lab, "before the urgent mark", before_mark < 0 ? MISSING : (uint64_t)before_mark, "bytes");
    lab_control(lab, without == 4, "without SO_OOBINLINE", "\"%.*s\"", (int)without, control);
    if (total == 5 && memcmp(letters, "ab!cd", 5) == 0 && before_mark >= 0)
        lab_decide(lab, LAB_HOLDS, "with SO_OOBINLINE the stream was \"ab!cd\", the mark before its byte %zd",
                   before_mark + 1);
    else
        lab_decide(lab, LAB_FAILS, "the stream was \"%.*s\"", (int)total, letters);
    if (is_standard_urgent())
        lab_why(lab, OFF_BY_ONE);
}

/* Calls recv() or read() for no bytes where none are there; returns its result, or -2 when it was still waiting. */
static ssize_t
read_nothing(struct lab_case *lab, bool with_read)
{
    int ends[2];
    char letter;
    volatile int *done = lab_shared(lab, sizeof *done);

    lab_connect(lab, &(struct lab_link){.mss = 0}, ends);
    /* show recv-zero */
    pid_t reader = lab_fork(lab);
    if (reader == 0) {
        ssize_t got = with_read ? read(ends[1], &letter, 0) : recv(ends[1], &letter, 0, 0);
        *done = got == 0 ? 1 : 2;
        _exit(0);
    }
    bool waits = lab_sleeps(reader, LAB_SOON_NS) && *done == 0;
    /* shown */
    return waits ? -2 : *done == 1 ? 0 : -1;
}

void
lab_recv_zero(struct lab_case *lab)
{
    lab_step(lab, "recv() of 0 bytes in a process of its own, with nothing to read; does the process sleep?");
    ssize_t got = read_nothing(lab, lab->twist);
    ssize_t control = read_nothing(lab, true);
    lab_word(lab, "recv() of 0 bytes", "%s", got == -2 ? "waits" : got == 0 ? "returned 0" : "failed");
    lab_control(lab, control == 0, "read() of 0 bytes", "%s", control == 0 ? "returned 0 at once" : "did not");
    if (got == 0)
        lab_decide(lab, LAB_HOLDS, "it returned 0 at once");
    else {
        lab_decide(lab, LAB_FAILS, "recv() of 0 bytes %s; read() of 0 bytes returned at once",
                   got == -2 ? "waited for data" : "failed");
        lab_why(
            lab,
            "read(2) answers a length of 0 before it asks the socket. recv(2) asks TCP, which waits for data and then "
            "takes none.");
    }
}

/* What recv() returns when nothing but an empty message was sent. */
static ssize_t
got_of_nothing(struct lab_case *lab, int type)
{
    int ends[2];
    char letter;

    lab_connect(lab, &(struct lab_link){.type = type}, ends);
    /* show recv-zero-means-end */
    send(ends[0], "", 0, MSG_NOSIGNAL); /* the connection stays open */
    lab_ready(lab, ends[1], POLLIN, 200 * NS_PER_MS);
    ssize_t got = recv(ends[1], &letter, 1, MSG_DONTWAIT);
    /* shown */
    return got;
}

void
lab_recv_end(struct lab_case *lab)
{
    lab_step(lab, "send an empty datagram, receive");
    ssize_t got = got_of_nothing(lab, lab->twist ? SOCK_STREAM : SOCK_DGRAM);
    ssize_t control = got_of_nothing(lab, SOCK_STREAM);
    lab_word(lab, "recv()", "%s", got == 0 ? "0" : "EAGAIN");
    lab_control(lab, control == -1, "TCP", "%s", control == -1 ? "nothing was sent, EAGAIN" : "0");
    if (got == 0) {
        lab_decide(lab, LAB_FAILS, "recv() returned 0 for an empty datagram, and nobody had closed anything");
        lab_why(lab, "A datagram may be empty, and then 0 is its length. Only of a stream does 0 mean the end.");
    } else
        lab_decide(lab, LAB_HOLDS, "an empty send gave the reader nothing");
}
