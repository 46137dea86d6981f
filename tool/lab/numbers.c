/* numbers.c: the numbers of the literature: headers, timers, windows.
 *
 * Where a timer is shown, an acknowledgement or the data themselves are withheld (lab_deafen), so that the timer alone
 * decides what happens next. */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/tcp.h>

#include "lab/kit.h"
#include "lab/topics.h"

#define MSS 1460        /* of an Ethernet, whose MTU is 1500 */
#define LARGER_MSS 2000 /* of a larger MTU */
#define RCVBUF 8000     /* a window that two full segments fill in good part */

/* What is sent to a receiver that delays acknowledgements, and how it fares there. */
struct awaited {
    int count;        /* writes */
    size_t size;      /* of each; 0: a full segment */
    bool quick;       /* the receiver does not delay */
    int rcvbuf;       /* its buffer; 0: the kernel decides */
    unsigned lost_ms; /* for so long acknowledgements are lost */
};

/* How long the writes wait for their acknowledgement. */
static uint64_t
acknowledged_after_ns(struct lab_case *lab, struct awaited awaited)
{
    int ends[2];

    lab_connect(lab, &(struct lab_link){.mss = MSS, .rcvbuf = awaited.rcvbuf}, ends);
    size_t size = awaited.size != 0 ? awaited.size : (size_t)lab_info(ends[0], "snd_mss");
    /* show delayed-ack-limit every-second-segment */
    lab_set(lab, ends[0], IPPROTO_TCP, TCP_NODELAY, 1);
    lab_set(lab, ends[1], IPPROTO_TCP, TCP_QUICKACK, awaited.quick);
    if (awaited.lost_ms > 0)
        lab_deafen(lab, ends[0]);
    uint64_t since_ns = clock_now_ns();
    for (int i = 0; i < awaited.count; i++)
        lab_send(lab, ends[0], size, 0);
    if (awaited.lost_ms > 0) {
        LAB_WAIT(false, awaited.lost_ms * NS_PER_MS);
        lab_hear(lab, ends[0]);
    }
    LAB_WAIT(lab_unacknowledged(lab, ends[0]) == 0, 3 * NS_PER_S);
    uint64_t took_ns = clock_now_ns() - since_ns;
    /* shown */
    return took_ns;
}

void
lab_delayed_ack(struct lab_case *lab)
{
    lab_step(lab,
             "put a receiver into the mode that delays acknowledgements, send it 100 bytes, time the acknowledgement");
    uint64_t took_ns =
        acknowledged_after_ns(lab, (struct awaited){.count = 1, .size = 100, .lost_ms = lab->twist ? 700 : 0});
    uint64_t control_ns = acknowledged_after_ns(lab, (struct awaited){.count = 1, .size = 100, .quick = true});
    lab_number(lab, "acknowledged after", took_ns / NS_PER_US, "us");
    lab_control(lab, control_ns < lab_delayed_ns(lab), "TCP_QUICKACK on", "acknowledged after %llu us",
                (unsigned long long)(control_ns / NS_PER_US));
    if (took_ns < 500 * NS_PER_MS) {
        lab_decide(lab, LAB_HOLDS, "the acknowledgement came after %llu ms", (unsigned long long)(took_ns / NS_PER_MS));
        lab_why(
            lab,
            "Linux waits between 40 ms and 200 ms (TCP_DELACK_MIN, TCP_DELACK_MAX) and adapts to the gaps between "
            "segments; newer kernels never wait as long as the least retransmission timeout, so that less than 40 ms "
            "are possible where net.ipv4.tcp_rto_min_us or a route makes that small.");
    } else
        lab_decide(lab, LAB_FAILS, "the acknowledgement came after %llu ms", (unsigned long long)(took_ns / NS_PER_MS));
}

void
lab_second_segment(struct lab_case *lab)
{
    if (lab->twist) /* otherwise the sender soon probes, which draws an acknowledgement */
        lab_sysctl(lab, "/proc/sys/net/ipv4/tcp_early_retrans", "0");
    lab_step(lab, "send one full segment, and two, to a receiver that delays acknowledgements");
    uint64_t delayed_ns = lab_delayed_ns(lab);
    uint64_t two_ns = acknowledged_after_ns(lab, (struct awaited){.count = 2, .rcvbuf = lab->twist ? RCVBUF : 0});
    uint64_t one_ns = acknowledged_after_ns(lab, (struct awaited){.count = 1});
    lab_number(lab, "two segments acknowledged after", two_ns / NS_PER_US, "us");
    lab_number(lab, "one segment acknowledged after", one_ns / NS_PER_US, "us");
    lab_control(lab, one_ns >= delayed_ns, "one segment only", "acknowledged after %llu us",
                (unsigned long long)(one_ns / NS_PER_US));
    if (two_ns < delayed_ns) {
        lab_decide(lab, LAB_HOLDS, "two full segments were acknowledged after %llu us, one after %llu us",
                   (unsigned long long)(two_ns / NS_PER_US), (unsigned long long)(one_ns / NS_PER_US));
        lab_why(
            lab,
            "So an even number of full segments is acknowledged at once and an odd one is delayed; a sender whose last "
            "small segment waits for that (Nagle as in RFC 896; Linux does otherwise: odd-segments) is fast or slow by the "
            "length of its message. A receiver whose buffer gets full delays it in either case.");
    } else
        lab_decide(lab, LAB_FAILS, "two segments were acknowledged after %llu us",
                   (unsigned long long)(two_ns / NS_PER_US));
}

/* How long it takes until 100 bytes to a peer that hears nothing (or does) are sent again; MISSING: not in 3 s. */
static uint64_t
sent_again_after_ns(struct lab_case *lab, bool deaf, uint64_t *rto_us)
{
    int ends[2];

    lab_connect(lab, &(struct lab_link){.mss = MSS}, ends);
    lab_send(lab, ends[0], 1, 0); /* a round trip is measured */
    lab_receive(lab, ends[1], 1);
    LAB_WAIT(lab_unacknowledged(lab, ends[0]) == 0, LAB_SOON_NS);
    /* show minimum-rto */
    *rto_us = lab_info(ends[0], "rto_us");
    if (deaf)
        lab_deafen(lab, ends[1]); /* the peer gets nothing */
    uint64_t since_ns = clock_now_ns();
    lab_send(lab, ends[0], 100, 0);
    LAB_WAIT(lab_info(ends[0], "total_retrans") > 0 || (!deaf && clock_now_ns() - since_ns > 500 * NS_PER_MS),
             3 * NS_PER_S);
    uint64_t took_ns = clock_now_ns() - since_ns;
    /* shown */
    return lab_info(ends[0], "total_retrans") > 0 ? took_ns : MISSING;
}

void
lab_minimum_rto(struct lab_case *lab)
{
    uint64_t rto_us, control_rto_us;

    if (lab->twist)
        lab_sysctl(lab, "/proc/sys/net/ipv4/tcp_rto_min_us", "1000000");
    lab_step(lab, "send 100 bytes to a peer that hears nothing; wait until they are sent again");
    uint64_t took_ns = sent_again_after_ns(lab, true, &rto_us);
    uint64_t control_ns = sent_again_after_ns(lab, false, &control_rto_us);
    lab_number(lab, "retransmission timeout", rto_us, "us");
    lab_number(lab, "sent again after", took_ns == MISSING ? MISSING : took_ns / NS_PER_MS, "ms");
    lab_control(lab, control_ns == MISSING, "a peer that hears", "%s",
                control_ns == MISSING ? "never sent again" : "sent again");
    if (rto_us == MISSING || took_ns == MISSING)
        lab_give_up(lab, "nothing was sent again within 3 s");
    if (rto_us >= 1000000 && took_ns >= 800 * NS_PER_MS)
        lab_decide(lab, LAB_HOLDS, "the timeout is %llu ms, and the data were sent again after %llu ms",
                   (unsigned long long)(rto_us / 1000), (unsigned long long)(took_ns / NS_PER_MS));
    else {
        lab_decide(lab, LAB_FAILS, "the timeout is %llu ms, and the data were sent again after %llu ms",
                   (unsigned long long)(rto_us / 1000), (unsigned long long)(took_ns / NS_PER_MS));
        lab_why(lab, "RFC 6298 rounds up to one second, as a SHOULD. Linux has 200 ms (TCP_RTO_MIN; a route or "
                     "net.ipv4.tcp_rto_min_us may change it).");
    }
}

/* Full segments that leave a fresh connection before any acknowledgement. */
static uint64_t
first_flight(struct lab_case *lab, int rcvbuf, bool acknowledged)
{
    int ends[2];
    static const char letters[65536];

    lab_connect(lab, &(struct lab_link){.mss = MSS, .rcvbuf = rcvbuf}, ends);
    /* show initial-window */
    if (!acknowledged)
        lab_deafen(lab, ends[0]);
    uint64_t since_ns = clock_now_ns();
    send(ends[0], letters, 40000, MSG_DONTWAIT | MSG_NOSIGNAL); /* more than ten segments */
    uint64_t segments = lab_segments(ends[0]);
    /* shown */
    if (!acknowledged)
        lab_undisturbed(lab, since_ns, 2); /* soon the tail loss probe sends one more */
    else
        LAB_WAIT((segments = lab_segments(ends[0])) > 20, LAB_SOON_NS);
    return segments;
}

void
lab_initial_window(struct lab_case *lab)
{
    lab_step(lab, "write 40000 bytes into a fresh connection whose acknowledgements are withheld; count the segments");
    uint64_t segments = first_flight(lab, lab->twist ? 6000 : 0, false);
    uint64_t control = first_flight(lab, 0, true);
    lab_number(lab, "segments in flight", segments, "");
    lab_control(lab, control > 20, "acknowledgements come", "%llu segments left", (unsigned long long)control);
    if (segments == 10)
        lab_decide(lab, LAB_HOLDS, "10 segments left before an acknowledgement came");
    else
        lab_decide(lab, LAB_FAILS, "%llu segments left before an acknowledgement came", (unsigned long long)segments);
    lab_why(lab, "Ten segments are the default of Linux (TCP_INIT_CWND). The metric initcwnd of a route sets another "
                 "number, and a receiver whose window holds fewer gets fewer.");
}

/* Bytes that loopback of this namespace has carried. */
static uint64_t
carried(struct lab_case *lab)
{
    char line[256];
    uint64_t bytes = MISSING;
    FILE *file = fopen("/proc/self/net/dev", "re");

    if (file == NULL)
        lab_give_up_system(lab, errno, "/proc/self/net/dev cannot be read");
    while (fgets(line, sizeof line, file) != NULL) {
        const char *lo = strstr(line, "lo:");
        if (lo != NULL)
            bytes = strtoull(lo + 3, NULL, 10);
    }
    fclose(file);
    return bytes;
}

/* Bytes of header that a message of `size` bytes costs on the way, with TCP timestamps or without. */
static uint64_t
header_of(struct lab_case *lab, size_t size, bool timestamps)
{
    int ends[2];

    lab_sysctl(lab, "/proc/sys/net/ipv4/tcp_timestamps", timestamps ? "1" : "0");
    lab_connect(lab, &(struct lab_link){.mss = 0}, ends);
    /* show one-byte-overhead */
    lab_deafen(lab, ends[1]); /* no acknowledgement adds to the count */
    uint64_t since_ns = clock_now_ns();
    uint64_t before = carried(lab);
    lab_send(lab, ends[0], size, 0);
    uint64_t bytes = carried(lab) - before;
    /* shown */
    lab_undisturbed(lab, since_ns, 100); /* later it is sent again */
    return bytes - size;
}

void
lab_one_byte(struct lab_case *lab)
{
    lab_step(lab, "in a network namespace of its own, send one byte and look how many bytes loopback carried");
    uint64_t with = header_of(lab, 1, !lab->twist);
    uint64_t without = header_of(lab, 1, false);
    uint64_t control = header_of(lab, 1000, true);
    lab_number(lab, "header with timestamps", with, "bytes");
    lab_number(lab, "header without timestamps", without, "bytes");
    lab_number(lab, "overhead of one byte", with * 100, "%");
    unsigned percent = (unsigned)(control * 100 / 1000);
    lab_control(lab, percent < 10, "1000 bytes", "%llu bytes of header, %u %%", (unsigned long long)control, percent);
    if (with == 40 && without == 40)
        lab_decide(lab, LAB_HOLDS, "one byte travelled with 40 bytes of header: 4000 %%");
    else if (without == 40) {
        lab_condition(lab, "TCP's timestamps are off");
        lab_decide(lab, LAB_ONLY_IF,
                   "one byte travelled with %llu bytes of header: %llu %%; without timestamps with 40",
                   (unsigned long long)with, (unsigned long long)with * 100);
        lab_why(lab,
                "RFC 896 counted 20 bytes of IP and 20 of TCP. Timestamps (RFC 7323), which are on today, add 12. IPv6 "
                "would add 20 more.");
    } else
        lab_decide(lab, LAB_FAILS, "one byte travelled with %llu bytes of header", (unsigned long long)without);
}

void
lab_time_wait_length(struct lab_case *lab)
{
    int ends[2], code;
    uint64_t left_ms, limit_ms = lab->twist ? 60000 : 5000;

    lab_sysctl(lab, "/proc/sys/net/ipv4/tcp_fin_timeout", lab->twist ? "60" : "5");
    lab_step(lab,
             "in a network namespace of its own set tcp_fin_timeout to %u s, close a connection, look at the timer",
             (unsigned)(limit_ms / 1000));
    lab_connect(lab, &(struct lab_link){.mss = 0}, ends);
    struct endpoint first = lab_name_of(lab, ends[0]), second = lab_name_of(lab, ends[1]);
    uint16_t near = lab_port(&first), far = lab_port(&second);
    /* show time-wait-fin-timeout */
    close(ends[0]);
    lab_drain(lab, ends[1], &code);
    LAB_WAIT(strcmp(lab_tcp_state(lab, near, far, &left_ms), "FIN_WAIT2") == 0, LAB_SOON_NS);
    uint64_t half_ms = left_ms; /* the peer has not closed yet */
    close(ends[1]);
    LAB_WAIT(strcmp(lab_tcp_state(lab, near, far, &left_ms), "TIME_WAIT") == 0, LAB_SOON_NS);
    const char *state = lab_tcp_state(lab, near, far, &left_ms);
    /* shown */
    lab_word(lab, "state", "%s", state);
    lab_number(lab, "time left", left_ms, "ms");
    lab_control(lab, half_ms <= limit_ms + 500 && half_ms + 5000 > limit_ms, "the peer has not closed: FIN_WAIT2",
                "%llu ms left", (unsigned long long)half_ms);
    if (strcmp(state, "TIME_WAIT") != 0 || left_ms == MISSING)
        lab_give_up(lab, "the closed connection is not in TIME_WAIT in /proc/net/tcp");
    bool alike = left_ms <= half_ms + 5000 && left_ms + 5000 > half_ms; /* FIN_WAIT2 lasts tcp_fin_timeout */
    if (alike || left_ms > 180000) {
        lab_decide(lab, LAB_HOLDS, "with tcp_fin_timeout %u, TIME_WAIT lasts %llu s more", (unsigned)(limit_ms / 1000),
                   (unsigned long long)((left_ms + 999) / 1000));
        return;
    }
    lab_decide(lab, LAB_FAILS, "with tcp_fin_timeout %u, TIME_WAIT lasts %llu s more", (unsigned)(limit_ms / 1000),
               (unsigned long long)((left_ms + 999) / 1000));
    lab_why(
        lab,
        "tcp_fin_timeout is the time of a closed socket in FIN_WAIT2, whose peer has not closed. TIME_WAIT lasts 60 s on "
        "Linux (TCP_TIMEWAIT_LEN), which is neither that nor the four minutes of RFC 9293 (2 MSL), and no sysctl "
        "changes it. That tcp_fin_timeout is 60 s too, unless it is set, lets the two be confused.");
    if (!lab->thorough) {
        lab_skip(lab, "its end is not waited for; --thorough does");
        return;
    }
    uint64_t since_ns = clock_now_ns();
    LAB_WAIT(lab_tcp_state(lab, near, far, NULL)[0] == '\0', 90 * NS_PER_S);
    lab_number(lab, "until it was gone", (clock_now_ns() - since_ns) / NS_PER_MS, "ms");
}

void
lab_mtu_write(struct lab_case *lab)
{
    int ends[2];
    uint64_t segments[2];

    lab_step(lab, "with the MSS of an Ethernet (MTU 1500) write 1500 bytes; count the segments");
    for (int control = 0; control < 2; control++) {
        lab_connect(lab, &(struct lab_link){.mss = !control && lab->twist ? LARGER_MSS : MSS}, ends);
        lab_set(lab, ends[0], IPPROTO_TCP, TCP_NODELAY, 1);
        size_t size = control ? (size_t)lab_info(ends[0], "snd_mss") : 1500;
        /* show mtu-write-one-segment */
        lab_send(lab, ends[0], size, 0);
        lab_receive(lab, ends[1], size);
        segments[control] = lab_segments(ends[0]);
        /* shown */
    }
    uint64_t mss = lab_info(ends[0], "snd_mss");
    lab_number(lab, "room for data in a segment", mss, "bytes");
    lab_number(lab, "segments", segments[0], "");
    lab_control(lab, segments[1] == 1, "a write of the MSS in use", "%llu bytes, %llu segment", (unsigned long long)mss,
                (unsigned long long)segments[1]);
    if (segments[0] == 1)
        lab_decide(lab, LAB_HOLDS, "the write took one segment");
    else {
        lab_decide(lab, LAB_FAILS, "1500 bytes took %llu segments; one takes %llu bytes",
                   (unsigned long long)segments[0], (unsigned long long)mss);
        lab_why(
            lab,
            "The MTU includes the headers: 20 bytes of IP, 20 of TCP and 12 of timestamps leave 1448 of 1500. And a "
            "segment has no tie to a write: what is small may be merged with its neighbours.");
    }
}
