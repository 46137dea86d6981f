/* delivery.c: bytes that were written and not read yet: who has them, and what becomes of them when an end closes. */
#define _GNU_SOURCE
#include <errno.h>
#include <unistd.h>

#include "lab/kit.h"
#include "lab/topics.h"

void
lab_close_delivers(struct lab_case *lab)
{
    int ends[2], code;

    lab_step(lab, "write to a reader that sleeps until nothing more is taken; close(); only then let it read");
    for (int control = 0; control < 2; control++) {
        lab_connect(lab, &(struct lab_link){.rcvbuf = 20000, .sndbuf = 20000}, ends);
        /* show close-delivers */
        size_t taken = lab_fill(lab, ends[0]);
        int waiting = lab_unacknowledged(lab, ends[0]);
        if (control || lab->twist)
            lab_linger(lab, ends[0], 0); /* l_onoff 1, l_linger 0: close() resets */
        close(ends[0]);
        size_t arrived = lab_drain(lab, ends[1], &code);
        /* shown */
        if (control) {
            lab_control(lab, arrived < taken && waiting > 0, "SO_LINGER 0, which makes close() reset",
                        "%zu of %zu bytes arrived, then %s", arrived, taken, lab_errno(code));
            return;
        }
        lab_number(lab, "written", taken, "bytes");
        lab_number(lab, "in the send buffer at close()", (uint64_t)waiting, "bytes");
        lab_number(lab, "read", arrived, "bytes");
        lab_word(lab, "then", "%s", code == 0 ? "end of file" : lab_errno(code));
        if (waiting == 0)
            lab_give_up(lab, "nothing was in the send buffer at close()");
        if (arrived == taken && code == 0)
            lab_decide(lab, LAB_HOLDS, "all %zu bytes arrived, %d of which close() had found in the send buffer", taken,
                       waiting);
        else {
            lab_decide(lab, LAB_FAILS, "%zu of %zu bytes arrived, then %s", arrived, taken, lab_errno(code));
            lab_why(lab, "After close() the kernel sends on alone, and gives up where the peer does not answer "
                         "(net.ipv4.tcp_orphan_retries) or more such connections are left than it keeps "
                         "(net.ipv4.tcp_max_orphans). With SO_LINGER 0 it does not even begin.");
        }
    }
}

/* close() of a socket whose receive buffer holds data that is read before or not: what the peer sees. */
static int
closed_with_unread(struct lab_case *lab, bool read_first)
{
    int ends[2], code;

    lab_connect(lab, &(struct lab_link){.mss = 0}, ends);
    /* show close-unread-resets */
    lab_send(lab, ends[0], 100, 0);
    LAB_WAIT(lab_unread(lab, ends[1]) == 100, LAB_SOON_NS);
    if (read_first)
        lab_receive(lab, ends[1], 100);
    close(ends[1]);
    lab_drain(lab, ends[0], &code); /* 0: end of file */
    /* shown */
    return code;
}

void
lab_close_unread(struct lab_case *lab)
{
    lab_step(lab, "send 100 bytes; the peer closes without reading them; read at the sender");
    int code = closed_with_unread(lab, lab->twist);
    int control = closed_with_unread(lab, true);
    lab_word(lab, "the sender read", "%s", code == 0 ? "end of file" : lab_errno(code));
    lab_control(lab, control == 0, "the peer reads first", "%s", control == 0 ? "end of file" : lab_errno(control));
    if (code == ECONNRESET)
        lab_decide(lab, LAB_HOLDS, "close() with 100 unread bytes gave the peer ECONNRESET; with none, end of file");
    else
        lab_decide(lab, LAB_FAILS, "the peer saw %s", code == 0 ? "an ordinary end of file" : lab_errno(code));
}

/* What is known when write() of 1000 bytes has returned. */
struct delivery {
    ssize_t written;
    bool acknowledged; /* by the peer's kernel */
    bool accepted;     /* the peer's program has called accept() */
    bool read;         /* and has read the bytes */
};

/* Writes 1000 bytes to a listener, whose program sleeps or (`awake`) accepts and reads. Stores what the peer has, some
 * time after write() has returned: a program that reads at all has read by then. */
static void
deliver(struct lab_case *lab, bool awake, struct delivery *seen)
{
    static const char letters[1000];
    struct endpoint at;
    volatile int *accepted = lab_shared(lab, 2 * sizeof *accepted), *arrived = accepted + 1;

    int listener = lab_listen(lab, AF_INET, 1, &at);
    int fd = lab_socket(lab, AF_INET, SOCK_STREAM);
    if (lab_connect_to(fd, &at) != 0)
        lab_give_up_system(lab, errno, "connect() to loopback failed");
    if (awake && lab_fork(lab) == 0) { /* the peer's program */
        int served = accept(listener, NULL, NULL);
        *accepted = 1;
        lab_receive(lab, served, sizeof letters);
        *arrived = 1;
        pause();
    }
    /* show write-returned */
    seen->written = write(fd, letters, sizeof letters);
    LAB_WAIT(*arrived, LAB_SOON_NS);
    seen->acknowledged = lab_unacknowledged(lab, fd) == 0; /* by the peer's kernel */
    seen->accepted = *accepted;                            /* by its program, which says so itself */
    seen->read = *arrived;
    /* shown */
    close(fd);
}

void
lab_write_returned(struct lab_case *lab)
{
    struct delivery seen, control;

    lab_step(lab, "connect to a listener whose program does not accept, write 1000 bytes; what has the peer?");
    deliver(lab, lab->twist, &seen);
    deliver(lab, true, &control);
    lab_number(lab, "write returned", seen.written < 0 ? MISSING : (uint64_t)seen.written, "bytes");
    lab_word(lab, "acknowledged by the peer's kernel", seen.acknowledged ? "yes" : "no");
    lab_word(lab, "accepted by the peer's program", seen.accepted ? "yes" : "no");
    lab_word(lab, "read by the peer's program", seen.read ? "yes" : "no");
    lab_control(lab, control.accepted && control.read, "the peer's program accepts and reads", "%s",
                control.read ? "it had accepted, and had the 1000 bytes" : "it had not read them");
    if (seen.written == 1000 && !seen.read) {
        lab_decide(lab, LAB_FAILS, "write() returned 1000, and 2 s later the peer's program %s",
                   seen.accepted ? "had not read" : "had not even called accept()");
        lab_why(
            lab,
            "write() returns when the bytes are in this kernel's send buffer. That the peer's program has them only "
            "an answer of that program can tell.");
    } else if (seen.written == 1000)
        lab_decide(lab, LAB_HOLDS, "write() returned 1000, and the peer's program had read the bytes");
    else
        lab_give_up(lab, "write() returned %zd in place of 1000", seen.written);
}
