/* acks.c: delayed acknowledgements: the stall that they make together with Nagle's algorithm, and what ends them. */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <stdlib.h>

#include <linux/tcp.h>

#include "lab/kit.h"
#include "lab/sysctl.h"
#include "lab/topics.h"

#define EXCHANGES 4

/* How many of so many exchanges of write, write, read have the second write held; the shortest of their holds. The
 * first two of the connection do not count: the kernel acknowledges at once until it has become interactive. Nor does
 * one that a busy machine stretched, or one behind a late answer: that leaves the interactive mode. `delayed_ns`: what
 * takes longer was delayed. */
static int
held_exchanges(struct lab_case *lab, bool nodelay, uint64_t delayed_ns, uint64_t *shortest_ns)
{
    int ends[2], held = 0;
    bool interactive = false;
    uint64_t began_ns = clock_now_ns();

    *shortest_ns = MISSING;
    lab_connect(lab, &(struct lab_link){.mss = LAB_MSS}, ends);
    /* show write-write-read */
    lab_set(lab, ends[0], IPPROTO_TCP, TCP_NODELAY, nodelay);
    for (int exchange = 0, counted = 0; counted < EXCHANGES; exchange++) {
        uint64_t since_ns = clock_now_ns();
        lab_send(lab, ends[0], 100, 0); /* the header */
        lab_send(lab, ends[0], 400, 0); /* the body */
        bool waits = lab_unsent(lab, ends[0]) == 400;
        bool quick = clock_now_ns() - since_ns < delayed_ns;
        lab_receive(lab, ends[1], 500); /* the server answers what is complete */
        uint64_t hold_ns = clock_now_ns() - since_ns;
        lab_send(lab, ends[1], 1, 0);
        lab_receive(lab, ends[0], 1);
        /* shown */
        if (exchange >= 2 && interactive && quick) {
            counted++;
            held += waits;
            *shortest_ns = waits && hold_ns < *shortest_ns ? hold_ns : *shortest_ns;
        }
        interactive = lab_info(ends[1], "last_data_recv_ms") < delayed_ns / NS_PER_MS; /* the answer was in time */
        lab_undisturbed(lab, began_ns, 4000);
    }
    return held;
}

void
lab_write_write_read(struct lab_case *lab)
{
    uint64_t shortest_ns, unheld_ns, delayed_ns = lab_delayed_ns(lab);

    lab_step(lab, "again and again: write a header of 100 bytes and a body of 400, read an answer of 1 byte");
    int held = held_exchanges(lab, lab->twist, delayed_ns, &shortest_ns);
    int control = held_exchanges(lab, true, delayed_ns, &unheld_ns);
    lab_number(lab, "exchanges that count", EXCHANGES, "");
    lab_number(lab, "of them held", (uint64_t)held, "");
    lab_number(lab, "shortest hold", shortest_ns == MISSING ? MISSING : shortest_ns / NS_PER_US, "us");
    lab_control(lab, control == 0, "TCP_NODELAY on", "%d exchanges held", control);
    if (held == EXCHANGES && shortest_ns >= delayed_ns)
        lab_decide(lab, LAB_HOLDS, "%d of %d later exchanges waited for the delayed ACK, %llu ms or more", held,
                   EXCHANGES, (unsigned long long)(shortest_ns / NS_PER_MS));
    else if (held == 0)
        lab_decide(lab, LAB_FAILS, "none of %d later exchanges had its second write held", EXCHANGES);
    else {
        lab_condition(lab, "the other end delays its acknowledgement");
        lab_decide(lab, LAB_ONLY_IF, "%d of %d later exchanges were held, the shortest for %llu us", held, EXCHANGES,
                   (unsigned long long)(shortest_ns / NS_PER_US));
    }
    if (held == 0)
        lab_why(lab,
                "The header was acknowledged at once, or nothing waited for that: TCP_NODELAY is on, or the other end "
                "does not take the connection for an interactive one (yet: net.ipv4.tcp_pingpong_thresh).");
    else
        lab_why(
            lab,
            "The body waits for the acknowledgement of the header (Nagle), the acknowledgement waits for data to ride "
            "on (delayed ACK), and the server answers only what is complete. One write, writev, TCP_CORK or "
            "TCP_NODELAY ends it.");
}

void
lab_nodelay_delayed_acks(struct lab_case *lab)
{
    lab_step(lab,
             "put a receiver into the mode that delays acknowledgements, set TCP_NODELAY on it, send it 100 bytes");
    uint64_t delayed_ns = lab_delayed_ns(lab);
    uint64_t took_ns = lab_acknowledged_ns(lab, lab->twist ? TCP_QUICKACK : TCP_NODELAY);
    uint64_t control_ns = lab_acknowledged_ns(lab, TCP_QUICKACK);
    lab_number(lab, "counts as delayed from", delayed_ns / NS_PER_US, "us");
    lab_number(lab, "acknowledged after", took_ns / NS_PER_US, "us");
    lab_control(lab, control_ns < delayed_ns, "TCP_QUICKACK instead of TCP_NODELAY", "acknowledged after %llu us",
                (unsigned long long)(control_ns / NS_PER_US));
    if (took_ns >= delayed_ns) {
        lab_decide(lab, LAB_FAILS, "with TCP_NODELAY at the receiver the acknowledgement took %llu ms",
                   (unsigned long long)(took_ns / NS_PER_MS));
        lab_why(lab,
                "TCP_NODELAY acts on data that a socket sends, not on its acknowledgements. Where it cures a stall it "
                "does so because the sender no longer waits for the delayed ACK.");
    } else
        lab_decide(lab, LAB_HOLDS, "the acknowledgement took %llu us", (unsigned long long)(took_ns / NS_PER_US));
}

#define EXCHANGES_MORE 20 /* beyond those that make a connection interactive */

/* Exchanges one byte for 100, `most` times, until an acknowledgement is delayed; TCP_QUICKACK is set once, or (`again`)
 * anew after each read: then it sends the acknowledgement that waits, while before the data come it would only leave
 * the interactive mode. Returns which exchange that was, 0 when none was; stores how long the last acknowledgement
 * took. */
static int
first_delayed(struct lab_case *lab, bool again, int most, uint64_t *took_ns)
{
    int ends[2];
    uint64_t delayed_ns = lab_delayed_ns(lab);

    lab_connect(lab, &(struct lab_link){.mss = LAB_MSS}, ends);
    /* show quickack-once */
    for (int exchange = 1; exchange <= most; exchange++) {
        if (exchange == 1)
            lab_set(lab, ends[1], IPPROTO_TCP, TCP_QUICKACK, 1);
        uint64_t since_ns = clock_now_ns();
        lab_send(lab, ends[0], 100, 0);
        lab_receive(lab, ends[1], 100);
        if (again)
            lab_set(lab, ends[1], IPPROTO_TCP, TCP_QUICKACK, 1); /* sends the acknowledgement that waits */
        LAB_WAIT(lab_unacknowledged(lab, ends[0]) == 0, LAB_SOON_NS);
        *took_ns = clock_now_ns() - since_ns;
        if (*took_ns >= delayed_ns)
            return exchange;
        lab_send(lab, ends[1], 1, 0); /* an answer: the connection becomes interactive */
        lab_receive(lab, ends[0], 1);
    }
    /* shown */
    return 0;
}

void
lab_quickack_once(struct lab_case *lab)
{
    uint64_t took_ns, control_ns, answers = 1;
    char text[16];

    if (lab_sysctl_read("net.ipv4.tcp_pingpong_thresh", text, sizeof text) != NULL)
        answers = strtoull(text, NULL, 10);
    int most = (int)(answers < 256 ? answers : 256) + EXCHANGES_MORE; /* it has 8 bits */
    lab_step(lab,
             "set TCP_QUICKACK once at the receiver; exchange data and answers, %d times at most, until an "
             "acknowledgement is delayed",
             most);
    int late = first_delayed(lab, lab->twist, most, &took_ns);
    int control = first_delayed(lab, true, most, &control_ns);
    lab_number(lab, "first delayed acknowledgement, of exchange", late == 0 ? MISSING : (uint64_t)late, "");
    lab_number(lab, "it took", late == 0 ? MISSING : took_ns / NS_PER_US, "us");
    lab_control(lab, control == 0, "set again after each read", "%d exchanges, %s", most,
                control == 0 ? "no acknowledgement was delayed" : "and one acknowledgement was delayed");
    if (late == 0)
        lab_decide(lab, LAB_HOLDS, "in %d exchanges no acknowledgement was delayed", most);
    else {
        lab_decide(lab, LAB_FAILS, "set once, the acknowledgement of exchange %d was delayed by %llu ms", late,
                   (unsigned long long)(took_ns / NS_PER_MS));
        lab_why(
            lab,
            "TCP_QUICKACK is no state that lasts (tcp(7)): answers, as many as net.ipv4.tcp_pingpong_thresh says, put "
            "the socket back into the mode that delays. Set after a read it sends the acknowledgement that waits; so it "
            "must be set again after each.");
    }
}
