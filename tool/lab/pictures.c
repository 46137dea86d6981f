/* pictures.c: see pictures.h. */
#define _GNU_SOURCE
#include "lab/pictures.h"

#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

#include <linux/tcp.h>

#include "lab/kit.h"

/* MSS of the pictures that count segments: an Ethernet's. */
#define MSS 1460

static uint64_t
us_since(uint64_t start_ns)
{
    return (clock_now_ns() - start_ns) / 1000;
}

/* One look at a stalled connection. */
static void
look_at_stall(struct lab_case *lab, const int ends[2], uint64_t start_ns, const uint64_t bytes[2])
{
    static const struct lab_axis axis = {"us", "bytes"};
    uint64_t unsent = (uint64_t)lab_unsent(lab, ends[0]), now_us = us_since(start_ns);

    lab_sample(lab, "taken from the writer", &axis, now_us, bytes[0]);
    lab_sample(lab, "sent", &axis, now_us, bytes[0] - unsent);
    lab_sample(lab, "read", &axis, now_us, bytes[1]);
    lab_sample(lab, "window", &axis, now_us, lab_info(ends[0], "snd_wnd"));
}

#define PACE_NS (10 * NS_PER_MS) /* between two writes, and between two reads */

void
lab_picture_stall(struct lab_case *lab)
{
    enum { PIECE = 6000, ROUNDS = 18 };
    static char letters[PIECE];
    uint64_t bytes[2] = {0, 0}, start_ns;
    int ends[2];
    ssize_t count;

    lab_connect(lab, &(struct lab_link){.mss = MSS, .sndbuf = 20000, .rcvbuf = 20000}, ends);
    lab_sample(lab, "receive buffer", &(struct lab_axis){"us", "bytes"}, 0,
               (uint64_t)lab_get(lab, ends[1], SOL_SOCKET, SO_RCVBUF));
    lab_sample(lab, "MSS", &(struct lab_axis){"us", "bytes"}, 0, lab_info(ends[0], "snd_mss"));
    start_ns = clock_now_ns();
    look_at_stall(lab, ends, start_ns, bytes);
    for (int i = 0; i < ROUNDS && (count = send(ends[0], letters, PIECE, MSG_DONTWAIT | MSG_NOSIGNAL)) > 0; i++) {
        bytes[0] += (uint64_t)count;
        LAB_WAIT(false, PACE_NS);
        look_at_stall(lab, ends, start_ns, bytes);
    }
    LAB_WAIT(lab_info(ends[0], "snd_wnd") == 0, 500 * NS_PER_MS); /* the last ACK is delayed */
    look_at_stall(lab, ends, start_ns, bytes);
    LAB_WAIT(false, 4 * PACE_NS); /* nothing moves */
    look_at_stall(lab, ends, start_ns, bytes);
    for (int i = 0; i < ROUNDS && bytes[1] < bytes[0]; i++) {
        count = recv(ends[1], letters, PIECE, MSG_DONTWAIT);
        bytes[1] += count > 0 ? (uint64_t)count : 0;
        LAB_WAIT(false, PACE_NS);
        look_at_stall(lab, ends, start_ns, bytes);
    }
}

/* Writes that a picture counts segments of. */
struct writes {
    const char *series;
    int count;
    size_t size;
    bool nodelay, acknowledged; /* `acknowledged`: each before the next is written */
};

static void
count_segments(struct lab_case *lab, const struct writes *writes)
{
    static const struct lab_axis axis = {"writes", "segments"};
    int ends[2];

    lab_connect(lab, &(struct lab_link){.mss = MSS}, ends);
    lab_set(lab, ends[0], IPPROTO_TCP, TCP_NODELAY, writes->nodelay);
    if (!writes->acknowledged)
        lab_deafen(lab, ends[0]);
    lab_sample(lab, writes->series, &axis, 0, lab_segments(ends[0]));
    for (int i = 1; i <= writes->count; i++) {
        lab_send(lab, ends[0], writes->size, 0);
        if (writes->acknowledged)
            LAB_WAIT(lab_unacknowledged(lab, ends[0]) == 0, LAB_SOON_NS);
        lab_sample(lab, writes->series, &axis, (uint64_t)i, lab_segments(ends[0]));
    }
    if (writes->acknowledged)
        return;
    lab_hear(lab, ends[0]);
    lab_send(lab, ends[1], 1, 0); /* it carries the acknowledgement */
    LAB_WAIT(lab_unsent(lab, ends[0]) == 0, LAB_SOON_NS);
    lab_sample(lab, writes->series, &axis, (uint64_t)writes->count, lab_segments(ends[0]));
}

void
lab_picture_letters(struct lab_case *lab)
{
    count_segments(lab, &(struct writes){"Nagle, slow acknowledger", 10, 1, false, false});
    count_segments(lab, &(struct writes){"Nagle, fast acknowledger", 10, 1, false, true});
    count_segments(lab, &(struct writes){"NODELAY, slow acknowledger", 10, 1, true, false});
}

void
lab_picture_writes(struct lab_case *lab)
{
    count_segments(lab, &(struct writes){"NODELAY, slow acknowledger", 25, 100, true, false});
    count_segments(lab, &(struct writes){"NODELAY, fast acknowledger", 25, 100, true, true});
}

static void
ask_sizes(struct lab_case *lab, int option, const char *series)
{
    for (int bits = 8; bits <= 26; bits++) {
        int fd = lab_socket(lab, AF_INET, SOCK_STREAM);
        lab_set(lab, fd, SOL_SOCKET, option, 1 << bits);
        lab_sample(lab, series, &(struct lab_axis){"bytes", "bytes"}, UINT64_C(1) << bits,
                   (uint64_t)lab_get(lab, fd, SOL_SOCKET, option));
        close(fd);
    }
}

void
lab_picture_sndbuf(struct lab_case *lab)
{
    ask_sizes(lab, SO_SNDBUF, "SO_SNDBUF");
}

void
lab_picture_rcvbuf(struct lab_case *lab)
{
    ask_sizes(lab, SO_RCVBUF, "SO_RCVBUF");
}

#define MESSAGES 4000
#define MESSAGE_BYTES 1000
#define LOOKS_MOST 4000
#define POINTS 24 /* of each series */

/* What the reader sees when it looks. */
struct sight {
    uint64_t at_us, sent, read;
};

/* A sender that writes as fast as it may, and a reader that rests after every tenth read and then looks. Returns how
 * often it looked. */
static size_t
read_slowly(struct lab_case *lab, int type, struct sight *sights)
{
    static char letters[MESSAGE_BYTES];
    volatile uint64_t *sent = lab_shared(lab, 2 * sizeof *sent), *over = sent + 1;
    uint64_t read = 0, reads = 0;
    size_t looks = 0;
    int ends[2];

    lab_connect(lab, &(struct lab_link){.type = type, .sndbuf = 65536, .rcvbuf = 65536}, ends);
    uint64_t start_ns = clock_now_ns();
    if (lab_fork(lab) == 0) {
        for (int i = 0; i < MESSAGES; i++) {
            ssize_t count = send(ends[0], letters, sizeof letters, MSG_NOSIGNAL);
            *sent += count > 0 ? (uint64_t)count : 0;
        }
        *over = 1;
        _exit(0);
    }
    sights[looks++] = (struct sight){.at_us = us_since(start_ns)};
    while (lab_ready(lab, ends[1], POLLIN, 100 * NS_PER_MS) != 0 || *over == 0) {
        ssize_t count = recv(ends[1], letters, sizeof letters, MSG_DONTWAIT);
        read += count > 0 ? (uint64_t)count : 0;
        if (++reads % 10 != 0)
            continue;
        lab_pause();
        if (looks < LOOKS_MOST - 1)
            sights[looks++] = (struct sight){us_since(start_ns), *sent, read};
    }
    uint64_t last_us = sights[looks - 1].at_us; /* what was waited for afterwards is no part of the picture */
    sights[looks++] = (struct sight){last_us, *sent, read};
    return looks;
}

void
lab_picture_slow_reader(struct lab_case *lab)
{
    static const struct {
        int type;
        const char *sent, *read;
    } transports[] = {{SOCK_DGRAM, "UDP, sent", "UDP, read"}, {SOCK_STREAM, "TCP, sent", "TCP, read"}};
    static const struct lab_axis axis = {"us", "bytes"};
    static struct sight sights[LOOKS_MOST];

    for (size_t t = 0; t < sizeof transports / sizeof transports[0]; t++) {
        size_t looks = read_slowly(lab, transports[t].type, sights), points = looks < POINTS ? looks : POINTS;
        for (size_t i = 0; i < points; i++) {
            const struct sight *sight = &sights[points > 1 ? i * (looks - 1) / (points - 1) : 0];
            lab_sample(lab, transports[t].sent, &axis, sight->at_us, sight->sent);
            lab_sample(lab, transports[t].read, &axis, sight->at_us, sight->read);
        }
    }
}
