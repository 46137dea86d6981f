/* acks.c: delayed acknowledgements: the stall that they make together with Nagle's algorithm, and what ends them. */
#define _GNU_SOURCE
#include <netinet/in.h>

#include <linux/tcp.h>

#include "lab/kit.h"
#include "lab/topics.h"

#define EXCHANGES 4

/* How many of so many exchanges of write, write, read have the second write held; the shortest of their holds. The
 * first two of the connection do not count: the kernel acknowledges at once until it has become interactive. Nor does
 * one that a busy machine stretched, or one behind a late answer: that leaves the interactive mode. */
static int
held_exchanges(struct lab_case *lab, bool nodelay, uint64_t *shortest_ns)
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
        bool quick = clock_now_ns() - since_ns < 20 * NS_PER_MS;
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
        interactive = lab_info(ends[1], "last_data_recv_ms") < 20; /* since the body: the answer was in time */
        lab_undisturbed(lab, began_ns, 4000);
    }
    return held;
}

void
lab_write_write_read(struct lab_case *lab)
{
    uint64_t shortest_ns, unheld_ns;

    lab_step(lab, "again and again: write a header of 100 bytes and a body of 400, read an answer of 1 byte");
    int held = held_exchanges(lab, lab->twist, &shortest_ns);
    int control = held_exchanges(lab, true, &unheld_ns);
    lab_number(lab, "exchanges that count", EXCHANGES, "");
    lab_number(lab, "of them held", (uint64_t)held, "");
    lab_number(lab, "shortest hold", shortest_ns == MISSING ? MISSING : shortest_ns / NS_PER_US, "us");
    lab_control(lab, control == 0, "TCP_NODELAY on", "%d exchanges held", control);
    if (held == EXCHANGES && shortest_ns >= 20 * NS_PER_MS)
        lab_decide(lab, LAB_HOLDS, "%d of %d later exchanges waited for the delayed ACK, %llu ms or more", held,
                   EXCHANGES, (unsigned long long)(shortest_ns / NS_PER_MS));
    else if (held == 0)
        lab_decide(lab, LAB_FAILS, "none of %d later exchanges had its second write held", EXCHANGES);
    else {
        lab_condition(lab, "the other end delays its acknowledgement");
        lab_decide(lab, LAB_ONLY_IF, "%d of %d later exchanges were held, the shortest for %llu us", held, EXCHANGES,
                   (unsigned long long)(shortest_ns / NS_PER_US));
    }
    lab_why(
        lab,
        "The body waits for the acknowledgement of the header (Nagle), the acknowledgement waits for data to ride on "
        "(delayed ACK), and the server answers only what is complete. One write, writev, TCP_CORK or TCP_NODELAY "
        "ends it.");
}

/* How long the acknowledgement of 100 bytes takes at a receiver that delays it, after it got `option`. */
static uint64_t
time_to_acknowledge_ns(struct lab_case *lab, int option)
{
    int ends[2];

    lab_connect(lab, &(struct lab_link){.mss = LAB_MSS}, ends);
    /* show nodelay-ends-delayed-acks */
    lab_set(lab, ends[1], IPPROTO_TCP, TCP_QUICKACK, 0); /* what an interactive connection comes to by itself */
    if (option != 0)
        lab_set(lab, ends[1], IPPROTO_TCP, option, 1);
    uint64_t since_ns = clock_now_ns();
    lab_send(lab, ends[0], 100, 0);
    LAB_WAIT(lab_unacknowledged(lab, ends[0]) == 0, LAB_SOON_NS);
    uint64_t took_ns = clock_now_ns() - since_ns;
    /* shown */
    return took_ns;
}

void
lab_nodelay_delayed_acks(struct lab_case *lab)
{
    lab_step(lab,
             "put a receiver into the mode that delays acknowledgements, set TCP_NODELAY on it, send it 100 bytes");
    uint64_t took_ns = time_to_acknowledge_ns(lab, lab->twist ? TCP_QUICKACK : TCP_NODELAY);
    uint64_t control_ns = time_to_acknowledge_ns(lab, TCP_QUICKACK);
    lab_number(lab, "acknowledged after", took_ns / NS_PER_US, "us");
    lab_control(lab, control_ns < 20 * NS_PER_MS, "TCP_QUICKACK instead of TCP_NODELAY", "acknowledged after %llu us",
                (unsigned long long)(control_ns / NS_PER_US));
    if (took_ns >= 20 * NS_PER_MS) {
        lab_decide(lab, LAB_FAILS, "with TCP_NODELAY at the receiver the acknowledgement took %llu ms",
                   (unsigned long long)(took_ns / NS_PER_MS));
        lab_why(lab,
                "TCP_NODELAY acts on data that a socket sends, not on its acknowledgements. Where it cures a stall it "
                "does so because the sender no longer waits for the delayed ACK.");
    } else
        lab_decide(lab, LAB_HOLDS, "the acknowledgement took %llu us", (unsigned long long)(took_ns / NS_PER_US));
}

/* Whether the second of two exchanges finds its data acknowledged at once; TCP_QUICKACK is set once, or anew. */
static bool
second_acknowledged_at_once(struct lab_case *lab, bool again, uint64_t *took_ns)
{
    int ends[2];

    lab_connect(lab, &(struct lab_link){.mss = LAB_MSS}, ends);
    /* show quickack-once */
    for (int exchange = 0; exchange < 2; exchange++) {
        if (exchange == 0 || again)
            lab_set(lab, ends[1], IPPROTO_TCP, TCP_QUICKACK, 1);
        uint64_t since_ns = clock_now_ns();
        lab_send(lab, ends[0], 100, 0);
        LAB_WAIT(lab_unacknowledged(lab, ends[0]) == 0, LAB_SOON_NS);
        *took_ns = clock_now_ns() - since_ns;
        lab_receive(lab, ends[1], 100);
        lab_send(lab, ends[1], 1, 0); /* an answer: the connection is interactive now */
        lab_receive(lab, ends[0], 1);
    }
    /* shown */
    return *took_ns < 20 * NS_PER_MS;
}

void
lab_quickack_once(struct lab_case *lab)
{
    uint64_t took_ns, control_ns;

    lab_step(lab, "set TCP_QUICKACK once at the receiver; two exchanges; time the acknowledgement of the second");
    bool quick = second_acknowledged_at_once(lab, lab->twist, &took_ns);
    bool control = second_acknowledged_at_once(lab, true, &control_ns);
    lab_number(lab, "second acknowledgement after", took_ns / NS_PER_US, "us");
    lab_control(lab, control, "set again before each exchange", "acknowledged after %llu us",
                (unsigned long long)(control_ns / NS_PER_US));
    if (quick)
        lab_decide(lab, LAB_HOLDS, "the second acknowledgement came after %llu us",
                   (unsigned long long)(took_ns / NS_PER_US));
    else {
        lab_decide(lab, LAB_FAILS, "set once, the acknowledgement of the second exchange was delayed by %llu ms",
                   (unsigned long long)(took_ns / NS_PER_MS));
        lab_why(
            lab,
            "TCP_QUICKACK is no state that lasts (tcp(7)): the first answer puts the socket back into the mode that "
            "delays. It must be set again after each read.");
    }
}
