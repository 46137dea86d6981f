/* cork.c: the cork: TCP_CORK, MSG_MORE, and the one that the kernel sets by itself (autocorking). */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <stdio.h>

#include <linux/tcp.h>

#include "lab/kit.h"
#include "lab/network.h"
#include "lab/topics.h"

/* How long 100 bytes that are sent with `flags` on a socket with `option` set wait; MISSING: more than 2 s. */
static uint64_t
time_to_leave_ns(struct lab_case *lab, int option, int flags)
{
    int ends[2];

    lab_connect(lab, &(struct lab_link){.mss = LAB_MSS}, ends);
    /* show cork-ceiling nodelay-holds-nothing */
    if (option != 0)
        lab_set(lab, ends[0], IPPROTO_TCP, option, 1);
    uint64_t since_ns = clock_now_ns();
    lab_send(lab, ends[0], 100, flags);
    LAB_WAIT(lab_unsent(lab, ends[0]) == 0, LAB_SOON_NS);
    uint64_t took_ns = clock_now_ns() - since_ns;
    /* shown */
    return lab_unsent(lab, ends[0]) == 0 ? took_ns : MISSING;
}

/* "left after 203 ms". */
static const char *
moment_text(uint64_t took_ns, char *text, size_t size)
{
    if (took_ns == MISSING)
        snprintf(text, size, "had not left after 2 s");
    else if (took_ns < NS_PER_MS)
        snprintf(text, size, "left after %llu us", (unsigned long long)(took_ns / NS_PER_US));
    else
        snprintf(text, size, "left after %llu ms", (unsigned long long)(took_ns / NS_PER_MS));
    return text;
}

void
lab_cork_ceiling(struct lab_case *lab)
{
    char text[40];

    lab_step(lab, "cork a fresh connection, write 100 bytes and never uncork; wait until they have left");
    uint64_t corked_ns = time_to_leave_ns(lab, lab->twist ? 0 : TCP_CORK, 0);
    uint64_t more_ns = time_to_leave_ns(lab, 0, lab->twist ? 0 : MSG_MORE);
    uint64_t control_ns = time_to_leave_ns(lab, 0, 0);
    lab_number(lab, "held by TCP_CORK", corked_ns == MISSING ? MISSING : corked_ns / NS_PER_MS, "ms");
    lab_number(lab, "held by MSG_MORE", more_ns == MISSING ? MISSING : more_ns / NS_PER_MS, "ms");
    lab_control(lab, control_ns < 100 * NS_PER_MS, "neither cork nor MSG_MORE", "they %s",
                moment_text(control_ns, text, sizeof text));
    if (corked_ns == MISSING || more_ns == MISSING)
        lab_decide(lab, LAB_FAILS, "what was corked had not left after 2 s");
    else if (corked_ns >= 150 * NS_PER_MS && more_ns >= 150 * NS_PER_MS && corked_ns < NS_PER_S && more_ns < NS_PER_S) {
        lab_decide(lab, LAB_HOLDS, "corked bytes left after %llu ms, those of MSG_MORE after %llu ms",
                   (unsigned long long)(corked_ns / NS_PER_MS), (unsigned long long)(more_ns / NS_PER_MS));
        lab_why(
            lab,
            "The cork has no timer of its own. With nothing unacknowledged the kernel starts the timer of the window "
            "probe, whose least value is 200 ms, and the probe sends what is there (tcp_check_probe_timer). On a "
            "path with a longer round trip the hold is longer.");
    } else {
        lab_decide(lab, LAB_FAILS, "the bytes left after %llu and %llu ms", (unsigned long long)(corked_ns / NS_PER_MS),
                   (unsigned long long)(more_ns / NS_PER_MS));
        lab_why(lab, "The timer that ends the hold is that of the window probe: it is the connection's retransmission "
                     "timeout, and never less than 200 ms. A larger net.ipv4.tcp_rto_min_us makes it longer.");
    }
}

void
lab_nodelay_msg_more(struct lab_case *lab)
{
    char text[40];

    lab_step(lab, "with TCP_NODELAY send 100 bytes with MSG_MORE; wait until they have left");
    uint64_t took_ns = time_to_leave_ns(lab, TCP_NODELAY, lab->twist ? 0 : MSG_MORE);
    uint64_t control_ns = time_to_leave_ns(lab, TCP_NODELAY, 0);
    lab_number(lab, "held", took_ns == MISSING ? MISSING : took_ns / NS_PER_US, "us");
    lab_control(lab, control_ns < 100 * NS_PER_MS, "without MSG_MORE", "they %s",
                moment_text(control_ns, text, sizeof text));
    moment_text(took_ns, text, sizeof text);
    if (took_ns < 100 * NS_PER_MS)
        lab_decide(lab, LAB_HOLDS, "the bytes %s", text);
    else {
        lab_decide(lab, LAB_FAILS, "with MSG_MORE the bytes %s, in spite of TCP_NODELAY", text);
        lab_why(lab, "MSG_MORE is a cork for one call, and a cork is stronger than TCP_NODELAY.");
    }
}

/* Bytes of a small write that do not leave although TCP_NODELAY is on, while packets wait in the device's queue. */
static int
held_in_front_of_queue(struct lab_case *lab, const char *autocorking, uint64_t *counted)
{
    int ends[2];

    lab_namespace(lab);
    lab_sysctl(lab, "/proc/sys/net/ipv4/tcp_autocorking", autocorking);
    lab_connect(lab, &(struct lab_link){.mss = LAB_MSS}, ends);
    lab_slow_link(lab, 1000);
    uint64_t since_ns = clock_now_ns(), before = lab_counter("TcpExt", "TCPAutoCorking");
    size_t full = (size_t)lab_info(ends[0], "snd_mss");
    /* show autocorking */
    lab_set(lab, ends[0], IPPROTO_TCP, TCP_NODELAY, 1);
    lab_send(lab, ends[0], full, 0); /* the link takes one packet at once */
    lab_send(lab, ends[0], full, 0); /* this one waits in the queue of the device */
    lab_send(lab, ends[0], 100, 0);
    int held = lab_unsent(lab, ends[0]);
    /* shown */
    *counted = lab_counter("TcpExt", "TCPAutoCorking") - before;
    lab_undisturbed(lab, since_ns, 500);
    return held;
}

void
lab_autocorking(struct lab_case *lab)
{
    uint64_t counted, control_counted;

    lab_step(lab, "in a network namespace of its own make loopback slow, so that packets wait in the device's queue");
    lab_step(lab, "with TCP_NODELAY write two full segments and 100 bytes; ask how many were not sent");
    int held = held_in_front_of_queue(lab, lab->twist ? "0" : "1", &counted);
    int control = held_in_front_of_queue(lab, "0", &control_counted);
    lab_number(lab, "held", (uint64_t)held, "bytes");
    lab_number(lab, "TCPAutoCorking counted", counted, "");
    lab_control(lab, control == 0 && control_counted == 0, "tcp_autocorking 0", "%d bytes held", control);
    if (held == 100) {
        lab_decide(lab, LAB_FAILS, "100 bytes were held in spite of TCP_NODELAY, and TCPAutoCorking counted %llu",
                   (unsigned long long)counted);
        lab_why(lab,
                "Autocorking: while a packet of the same socket waits in the queue of the device, the kernel keeps a "
                "small write back, whatever TCP_NODELAY says, so that more may join it; it leaves when the packet "
                "leaves. Nothing is lost by it, since the small one would only have stood behind in the queue.");
    } else
        lab_decide(lab, LAB_HOLDS, "%d bytes were held", held);
}
