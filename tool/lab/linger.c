/* linger.c: SO_LINGER: what close() waits for, and what becomes of the data that are left. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/filter.h>

#include "lab/kit.h"
#include "lab/topics.h"

/* Closes with SO_LINGER 0 or without; what the peer reads in *code. */
static size_t
peer_after_close(struct lab_case *lab, bool hard, int *code)
{
    int ends[2];

    lab_connect(lab, &(struct lab_link){.mss = 0}, ends);
    /* show linger-zero-resets */
    lab_send(lab, ends[0], 100, 0);
    if (hard)
        lab_linger(lab, ends[0], 0); /* l_onoff 1, l_linger 0 */
    close(ends[0]);
    size_t arrived = lab_drain(lab, ends[1], code);
    /* shown */
    return arrived;
}

void
lab_linger_zero(struct lab_case *lab)
{
    int code, control_code;

    lab_step(lab, "send 100 bytes, close() with SO_LINGER 0; read at the peer");
    size_t arrived = peer_after_close(lab, !lab->twist, &code);
    size_t control = peer_after_close(lab, false, &control_code);
    lab_word(lab, "the peer read", "%zu bytes, then %s", arrived, code == 0 ? "end of file" : lab_errno(code));
    lab_control(lab, control_code == 0, "without SO_LINGER", "%zu bytes, then end of file", control);
    if (code == ECONNRESET)
        lab_decide(lab, LAB_HOLDS, "the peer got ECONNRESET");
    else
        lab_decide(lab, LAB_FAILS, "the peer got %s", code == 0 ? "end of file" : lab_errno(code));
}

/* A peer whose program sleeps for a second, or until close() has returned, and then reads. */
struct sleeper {
    bool holds_fin; /* its kernel does not hear the FIN before the program has read */
    size_t count;   /* written; 0: more than fits */
};

/* Drops every segment with a FIN that arrives for this socket. */
static void
ignore_fin(struct lab_case *lab, int fd)
{
    struct sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13), /* the flags of the TCP header */
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 1, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    };
    struct sock_fprog filter = {.len = sizeof steps / sizeof steps[0], .filter = steps};
    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) != 0)
        lab_give_up_system(lab, errno, "SO_ATTACH_FILTER was refused");
}

/* Writes, sets SO_LINGER to 4 s and closes. Stores how long close() took and whether the peer's program was reading by
 * then. Returns how many bytes it had not read when close() returned. */
static size_t
unread_at_close(struct lab_case *lab, struct sleeper sleeper, uint64_t *took_ns, bool *reading)
{
    volatile size_t *shared = lab_shared(lab, 4 * sizeof *shared);
    volatile size_t *read_bytes = shared, *began = shared + 1, *closed = shared + 2, *alone = shared + 3;
    static char letters[4096];
    int ends[2];

    lab_connect(lab, &(struct lab_link){.rcvbuf = 20000, .sndbuf = 20000}, ends);
    if (sleeper.holds_fin)
        ignore_fin(lab, ends[1]);
    /* show linger-until-read */
    size_t written = sleeper.count;
    if (written != 0)
        lab_send(lab, ends[0], written, 0);
    else
        written = lab_fill(lab, ends[0]); /* part of it stays in the send buffer */
    /* shown */
    if (lab_fork(lab) == 0) {
        close(ends[0]);
        *alone = 1; /* only the parent has that end now */
        /* show linger-until-read */
        LAB_WAIT(*closed, NS_PER_S); /* the peer's program sleeps, and then reads */
        *began = 1;
        while (*read_bytes < written) {
            ssize_t got = recv(ends[1], letters, sizeof letters, 0);
            if (got <= 0)
                break;
            *read_bytes += (size_t)got;
        }
        /* shown */
        if (sleeper.holds_fin)
            lab_hear(lab, ends[1]);
        pause();
    }
    LAB_WAIT(*alone, LAB_SOON_NS);
    /* show linger-until-read */
    lab_linger(lab, ends[0], 4);
    uint64_t since_ns = clock_now_ns();
    close(ends[0]);
    size_t unread = written - *read_bytes;
    *reading = *began != 0;
    /* shown */
    *took_ns = clock_now_ns() - since_ns;
    *closed = 1;
    lab_moment(lab, "close() took %llu ms; %zu of %zu bytes were unread", (unsigned long long)(*took_ns / NS_PER_MS),
               unread, written);
    return unread;
}

void
lab_linger_read(struct lab_case *lab)
{
    uint64_t took_ns, control_ns;
    bool reading, control_reading;

    lab_step(lab, "send 100 bytes to a peer whose program sleeps for a second; close() with SO_LINGER 4 s");
    size_t unread = unread_at_close(lab, (struct sleeper){.count = 100, .holds_fin = lab->twist}, &took_ns, &reading);
    unread_at_close(lab, (struct sleeper){.count = 0}, &control_ns, &control_reading);
    lab_number(lab, "close() took", took_ns / NS_PER_MS, "ms");
    lab_number(lab, "unread when close() returned", unread, "bytes");
    lab_control(lab, control_reading, "more than the peer's buffer takes",
                "close() waited %llu ms, until the peer read", (unsigned long long)(control_ns / NS_PER_MS));
    if (reading && unread == 0)
        lab_decide(lab, LAB_HOLDS, "close() returned after %llu ms, when the peer had read everything",
                   (unsigned long long)(took_ns / NS_PER_MS));
    else {
        lab_decide(lab, LAB_FAILS, "close() returned after %llu ms, with %zu of 100 bytes unread at the peer",
                   (unsigned long long)(took_ns / NS_PER_MS), unread);
        lab_why(
            lab,
            "SO_LINGER waits until the peer's kernel has acknowledged the data and the FIN. Whether its program ever "
            "reads them no socket option tells.");
    }
}

/* close() with a linger time of `seconds` when more was written than fits into the buffers. How long close() takes, and
 * how many of the bytes a peer finds that reads only afterwards. */
static uint64_t
lingering_close(struct lab_case *lab, int seconds, size_t *written, size_t *arrived)
{
    int ends[2], code;

    lab_connect(lab, &(struct lab_link){.rcvbuf = 20000, .sndbuf = 20000}, ends);
    /* show linger-drops-rest */
    *written = lab_fill(lab, ends[0]); /* part of it stays in the send buffer */
    lab_linger(lab, ends[0], seconds);
    uint64_t since_ns = clock_now_ns();
    close(ends[0]);
    uint64_t took_ns = clock_now_ns() - since_ns;
    *arrived = lab_drain(lab, ends[1], &code); /* the peer wakes up and reads */
    /* shown */
    lab_moment(lab, "close() took %llu ms; the peer then read %zu of %zu bytes",
               (unsigned long long)(took_ns / NS_PER_MS), *arrived, *written);
    return took_ns;
}

void
lab_linger_drops(struct lab_case *lab)
{
    size_t written, arrived, control_written, control_arrived;

    lab_step(lab,
             "write more than the peer's buffer takes, close() with SO_LINGER 1 s; when it is over, let the peer read");
    uint64_t took_ns = lingering_close(lab, lab->twist ? 0 : 1, &written, &arrived);
    lingering_close(lab, 0, &control_written, &control_arrived);
    lab_number(lab, "close() took", took_ns / NS_PER_MS, "ms");
    lab_number(lab, "written", written, "bytes");
    lab_number(lab, "read afterwards", arrived, "bytes");
    lab_control(lab, control_arrived < control_written, "SO_LINGER 0", "%zu of %zu bytes arrived", control_arrived,
                control_written);
    if (arrived == written) {
        lab_decide(lab, LAB_FAILS, "after %llu ms close() gave up waiting, and all %zu bytes arrived nevertheless",
                   (unsigned long long)(took_ns / NS_PER_MS), arrived);
        lab_why(
            lab,
            "At the time limit close() stops waiting and the kernel goes on in the background, as without SO_LINGER. "
            "Only a limit of 0 throws data away.");
    } else
        lab_decide(lab, LAB_HOLDS, "%zu of %zu bytes arrived", arrived, written);
}
