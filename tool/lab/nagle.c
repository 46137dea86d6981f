/* nagle.c: Nagle's algorithm, TCP_NODELAY, TCP_CORK and MSG_MORE.
 *
 * The acknowledgement is what Nagle's algorithm waits for, so the entries hold it in their hand: a sender that is made
 * deaf (lab_deafen) gets none until it may hear again. Whether a segment is held is asked of the kernel: bytes that
 * were written and not sent (SIOCOUTQNSD). */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

#include <linux/tcp.h>

#include "lab/kit.h"
#include "lab/network.h"
#include "lab/topics.h"

/* MSS of the entries that count segments: an Ethernet's. */
#define MSS 1460

/* Bytes that are held when `second` bytes are written behind `first` bytes that nobody acknowledges. */
static int
held_behind(struct lab_case *lab, size_t first, size_t second, bool nodelay)
{
    int ends[2];

    lab_connect(lab, &(struct lab_link){.mss = MSS}, ends);
    if (first == 0)
        first = (size_t)lab_info(ends[0], "snd_mss");
    /* show small-waits */
    lab_set(lab, ends[0], IPPROTO_TCP, TCP_NODELAY, nodelay);
    lab_deafen(lab, ends[0]); /* no acknowledgement reaches the sender */
    uint64_t since_ns = clock_now_ns();
    lab_send(lab, ends[0], first, 0);
    lab_send(lab, ends[0], second, 0);
    int held = lab_unsent(lab, ends[0]); /* written, and not sent */
    /* shown */
    lab_undisturbed(lab, since_ns, 100);
    return held;
}

void
lab_small_waits(struct lab_case *lab)
{
    lab_step(lab, "withhold every acknowledgement from a sender whose MSS is %d", MSS);
    lab_step(lab, "write 100 bytes and then 100 bytes; ask how many were not sent");
    lab_step(lab, "the same with one full segment in front of the 100 bytes");
    int behind_small = held_behind(lab, 100, 100, lab->twist);
    int behind_full = held_behind(lab, 0, 100, lab->twist);
    int control = held_behind(lab, 100, 100, true);
    lab_number(lab, "held behind 100 bytes", (uint64_t)behind_small, "bytes");
    lab_number(lab, "held behind a full segment", (uint64_t)behind_full, "bytes");
    lab_control(lab, control == 0, "TCP_NODELAY on", "%d bytes held", control);
    if (behind_small == 100 && behind_full == 100)
        lab_decide(lab, LAB_HOLDS, "100 bytes waited behind a small and behind a full segment");
    else if (behind_small == 100) {
        lab_condition(lab, "what is unacknowledged is itself a small segment");
        lab_decide(lab, LAB_ONLY_IF, "100 bytes waited behind 100 bytes, but not behind a full segment");
        lab_why(lab,
                "Linux has Minshall's variant (tcp_nagle_check, tcp_minshall_check): a small segment waits only while "
                "an earlier small one is unacknowledged. So a large write with a short tail is not held, while "
                "header and body in two small writes are.");
    } else
        lab_decide(lab, LAB_FAILS, "100 bytes left at once although 100 bytes before them were unacknowledged");
}

/* Lets the sender hear again, and the reader answer: every segment carries an acknowledgement. */
static void
acknowledge(struct lab_case *lab, int sender, int reader)
{
    lab_hear(lab, sender);
    lab_send(lab, reader, 1, 0);
}

/* Whether what the sender held leaves within `limit_ms`. */
static bool
leaves_within(struct lab_case *lab, int sender, unsigned limit_ms)
{
    LAB_WAIT(lab_unsent(lab, sender) == 0, limit_ms * NS_PER_MS);
    return lab_unsent(lab, sender) == 0;
}

/* Whether a held segment leaves when the one before it is acknowledged, long before 200 ms. */
static bool
leaves_when_acknowledged(struct lab_case *lab, bool cork)
{
    int ends[2];

    lab_connect(lab, &(struct lab_link){.mss = MSS}, ends);
    uint64_t since_ns = clock_now_ns();
    /* show nagle-has-a-timer */
    lab_deafen(lab, ends[0]);
    lab_send(lab, ends[0], 100, 0); /* leaves; its acknowledgement is withheld */
    lab_set(lab, ends[0], IPPROTO_TCP, TCP_CORK, cork);
    lab_send(lab, ends[0], 100, 0); /* is held */
    int held = lab_unsent(lab, ends[0]);
    acknowledge(lab, ends[0], ends[1]);
    bool left = leaves_within(lab, ends[0], 80);
    /* shown */
    if (held != 100)
        lab_give_up(lab, "%d bytes of 100 were held at first", held);
    lab_moment(lab, "%s, the ACK came: the held bytes %s", cork ? "corked" : "Nagle's algorithm alone",
               left ? "left" : "stayed");
    lab_undisturbed(lab, since_ns, 160);
    return left;
}

void
lab_nagle_timer(struct lab_case *lab)
{
    lab_step(lab, "write 100 bytes and again 100: the second are held; then let the acknowledgement of the first come");
    bool left = leaves_when_acknowledged(lab, lab->twist);
    bool control = leaves_when_acknowledged(lab, true);
    lab_word(lab, "when the acknowledgement came", left ? "the held bytes left" : "the held bytes stayed");
    lab_control(lab, !control, "TCP_CORK, which has a timer",
                control ? "the held bytes left with the acknowledgement" : "the held bytes stayed, for up to 200 ms");
    if (left) {
        lab_decide(lab, LAB_FAILS, "the held segment left when the acknowledgement came, long before 200 ms");
        lab_why(
            lab,
            "Nagle's algorithm has no clock: it ends with an acknowledgement. The times that are told are the "
            "other end's: its delayed ACK (40 ms and more on Linux, 200 ms on the classic BSD). The 200 ms belong to TCP_CORK, and "
            "to the tail loss probe that follows when no acknowledgement comes at all.");
    } else
        lab_decide(lab, LAB_HOLDS, "the held segment stayed although everything before it was acknowledged");
}

#define LETTERS 10

/* Segments that ten letters take, typed at once or each after the one before was acknowledged; and those that come
 * back meanwhile, acknowledgements alone. */
static uint64_t
segments_of_letters(struct lab_case *lab, bool nodelay, bool paced, uint64_t *back)
{
    int ends[2];

    lab_connect(lab, &(struct lab_link){.mss = MSS}, ends);
    lab_set(lab, ends[0], IPPROTO_TCP, TCP_NODELAY, nodelay);
    uint64_t since_ns = clock_now_ns(), before = lab_info(ends[1], "segs_out");
    /* show ten-letters */
    if (!paced)
        lab_deafen(lab, ends[0]); /* a slow acknowledger: none comes while we type */
    for (int letter = 0; letter < LETTERS; letter++) {
        lab_send(lab, ends[0], 1, 0);
        if (paced)
            LAB_WAIT(lab_unacknowledged(lab, ends[0]) == 0, LAB_SOON_NS);
    }
    if (!paced) {
        lab_undisturbed(lab, since_ns, 100);
        acknowledge(lab, ends[0], ends[1]);
    }
    lab_receive(lab, ends[1], LETTERS);
    uint64_t segments = lab_segments(ends[0]);
    uint64_t after = lab_info(ends[1], "segs_out");
    /* shown */
    *back = before == MISSING || after == MISSING ? MISSING : after - before;
    return segments;
}

void
lab_ten_letters(struct lab_case *lab)
{
    lab_step(lab, "type ten letters while no acknowledgement comes, with Nagle's algorithm and without");
    lab_step(lab, "type ten letters, each when the one before is acknowledged");
    uint64_t slow_back, fast_back, control_back;
    uint64_t slow = segments_of_letters(lab, lab->twist, false, &slow_back);
    uint64_t fast = segments_of_letters(lab, lab->twist, true, &fast_back);
    uint64_t control = segments_of_letters(lab, true, false, &control_back);
    lab_number(lab, "slow acknowledger", slow, "segments");
    lab_number(lab, "fast acknowledger", fast, "segments");
    lab_number(lab, "slow acknowledger, the other way", slow_back, "segments");
    lab_number(lab, "fast acknowledger, the other way", fast_back, "segments");
    lab_number(lab, "without Nagle's algorithm, the other way", control_back, "segments");
    lab_control(lab, control == LETTERS, "TCP_NODELAY on, slow acknowledger", "%llu segments",
                (unsigned long long)control);
    if (slow < LETTERS && fast < LETTERS)
        lab_decide(lab, LAB_HOLDS, "ten letters took %llu segments at a slow and %llu at a fast acknowledger",
                   (unsigned long long)slow, (unsigned long long)fast);
    else if (slow < LETTERS) {
        lab_condition(lab, "the letters come faster than the acknowledgements");
        lab_decide(lab, LAB_ONLY_IF, "ten letters took %llu segments at a slow acknowledger, %llu at a fast one",
                   (unsigned long long)slow, (unsigned long long)fast);
        lab_why(
            lab,
            "A letter that finds nothing unacknowledged leaves at once. On a fast network or at a slow typist every "
            "letter does, and Nagle's algorithm saves nothing.");
    } else
        lab_decide(lab, LAB_FAILS, "ten letters took %llu segments at a slow acknowledger, %llu at a fast one",
                   (unsigned long long)slow, (unsigned long long)fast);
}

/* Segments of `count` writes of `size` bytes (0: a full segment each) while no acknowledgement comes, and the rest
 * after it. */
static uint64_t
segments_of_writes(struct lab_case *lab, bool nodelay, size_t size, int count)
{
    int ends[2];

    lab_connect(lab, &(struct lab_link){.mss = MSS}, ends);
    lab_set(lab, ends[0], IPPROTO_TCP, TCP_NODELAY, nodelay);
    if (size == 0)
        size = (size_t)lab_info(ends[0], "snd_mss");
    uint64_t since_ns = clock_now_ns();
    /* show nodelay-costs-no-segments nodelay-write-is-segment */
    lab_deafen(lab, ends[0]);
    for (int i = 0; i < count; i++)
        lab_send(lab, ends[0], size, 0);
    lab_undisturbed(lab, since_ns, 100);
    acknowledge(lab, ends[0], ends[1]);
    lab_receive(lab, ends[1], size * (size_t)count);
    uint64_t segments = lab_segments(ends[0]);
    /* shown */
    return segments;
}

void
lab_nodelay_segments(struct lab_case *lab)
{
    size_t small = lab->twist ? 0 : 100;

    lab_step(lab, "send ten writes of 100 bytes and ten of one full segment, with and without TCP_NODELAY");
    uint64_t small_off = segments_of_writes(lab, false, small, 10), small_on = segments_of_writes(lab, true, small, 10);
    uint64_t full_off = segments_of_writes(lab, false, 0, 10), full_on = segments_of_writes(lab, true, 0, 10);
    lab_number(lab, "small writes, Nagle on", small_off, "segments");
    lab_number(lab, "small writes, TCP_NODELAY", small_on, "segments");
    lab_number(lab, "full writes, Nagle on", full_off, "segments");
    lab_number(lab, "full writes, TCP_NODELAY", full_on, "segments");
    lab_control(lab, full_off == 10, "full segments, Nagle on", "%llu segments for 10 writes",
                (unsigned long long)full_off);
    if (full_on == full_off && small_on == small_off)
        lab_decide(lab, LAB_HOLDS, "ten writes took the same number of segments with and without TCP_NODELAY");
    else if (full_on == full_off && small_on >= 2 * small_off) {
        lab_condition(lab, "every write is a whole number of full segments");
        lab_decide(lab, LAB_ONLY_IF,
                   "ten writes of 100 bytes: %llu segments with Nagle, %llu without; full ones: no change",
                   (unsigned long long)small_off, (unsigned long long)small_on);
        lab_why(lab,
                "Nagle's algorithm touches small segments alone. A sender that writes full segments gains nothing from "
                "TCP_NODELAY; one that writes small pieces pays for every piece with a segment, which on loopback "
                "halves or quarters the goodput (experiment write_size).");
    } else
        lab_decide(lab, LAB_FAILS, "ten full writes took %llu segments with Nagle and %llu without",
                   (unsigned long long)full_off, (unsigned long long)full_on);
}

void
lab_nodelay_one_segment(struct lab_case *lab)
{
    int many = lab->twist ? 10 : 25;

    lab_step(lab, "with TCP_NODELAY write 5 and then %d times 100 bytes while no acknowledgement comes", many);
    uint64_t few = segments_of_writes(lab, true, 100, 5);
    uint64_t segments = segments_of_writes(lab, true, 100, many);
    lab_number(lab, "5 writes", few, "segments");
    lab_number(lab, "many writes", segments, "segments");
    lab_control(lab, few == 5, "five writes only", "%llu segments", (unsigned long long)few);
    if (segments == (uint64_t)many)
        lab_decide(lab, LAB_HOLDS, "%d writes made %llu segments", many, (unsigned long long)segments);
    else {
        lab_condition(lab, "the congestion window has room for the segment");
        lab_decide(lab, LAB_ONLY_IF, "5 writes made %llu segments, but %d writes made %llu", (unsigned long long)few,
                   many, (unsigned long long)segments);
        lab_why(lab,
                "TCP_NODELAY switches off one reason to wait. The congestion window (10 segments at the start), the "
                "peer's window, autocorking and the limit on bytes in the device queue still make writes wait, and "
                "what waits is merged.");
    }
}

#define EXCHANGES 6

/* How many of the later exchanges of write, write, read have the second write held; the shortest of their holds. */
static int
held_exchanges(struct lab_case *lab, bool nodelay, uint64_t *shortest_ns)
{
    int ends[2], held = 0;

    *shortest_ns = MISSING;
    lab_connect(lab, &(struct lab_link){.mss = MSS}, ends);
    /* show write-write-read */
    lab_set(lab, ends[0], IPPROTO_TCP, TCP_NODELAY, nodelay);
    for (int exchange = 0; exchange < EXCHANGES; exchange++) {
        uint64_t since_ns = clock_now_ns();
        lab_send(lab, ends[0], 100, 0); /* the header */
        lab_send(lab, ends[0], 400, 0); /* the body */
        bool waits = lab_unsent(lab, ends[0]) == 400;
        lab_undisturbed(lab, since_ns, 20);
        lab_receive(lab, ends[1], 500); /* the server answers what is complete */
        uint64_t hold_ns = clock_now_ns() - since_ns;
        lab_send(lab, ends[1], 1, 0);
        lab_receive(lab, ends[0], 1);
        /* shown */
        /* A late answer leaves the connection out of the interactive mode, and the next ACK is not delayed. */
        lab_undisturbed(lab, clock_now_ns() - lab_info(ends[1], "last_data_recv_ms") * NS_PER_MS, 20);
        if (exchange < 2 || !waits) /* the kernel acknowledges at once until the connection has become interactive */
            continue;
        held++;
        *shortest_ns = hold_ns < *shortest_ns ? hold_ns : *shortest_ns;
    }
    return held;
}

void
lab_write_write_read(struct lab_case *lab)
{
    uint64_t shortest_ns, unheld_ns;

    lab_step(lab, "%d times: write a header of 100 bytes and a body of 400, read an answer of 1 byte", EXCHANGES);
    int held = held_exchanges(lab, lab->twist, &shortest_ns);
    int control = held_exchanges(lab, true, &unheld_ns);
    lab_number(lab, "later exchanges", EXCHANGES - 2, "");
    lab_number(lab, "of them held", (uint64_t)held, "");
    lab_number(lab, "shortest hold", shortest_ns == MISSING ? MISSING : shortest_ns / NS_PER_US, "us");
    lab_control(lab, control == 0, "TCP_NODELAY on", "%d exchanges held", control);
    if (held == EXCHANGES - 2 && shortest_ns >= 20 * NS_PER_MS)
        lab_decide(lab, LAB_HOLDS, "%d of %d later exchanges waited for the delayed ACK, %llu ms or more", held,
                   EXCHANGES - 2, (unsigned long long)(shortest_ns / NS_PER_MS));
    else if (held == 0)
        lab_decide(lab, LAB_FAILS, "none of %d later exchanges had its second write held", EXCHANGES - 2);
    else {
        lab_condition(lab, "the other end delays its acknowledgement");
        lab_decide(lab, LAB_ONLY_IF, "%d of %d later exchanges were held, the shortest for %llu us", held,
                   EXCHANGES - 2, (unsigned long long)(shortest_ns / NS_PER_US));
    }
    lab_why(
        lab,
        "The body waits for the acknowledgement of the header (Nagle), the acknowledgement waits for data to ride on "
        "(delayed ACK), and the server answers only what is complete. One write, writev, TCP_CORK or TCP_NODELAY "
        "ends it.");
}

/* Whether setting `option` to 1 releases 100 bytes that wait, held by Nagle's algorithm or by a cork. */
static bool
released_by(struct lab_case *lab, int level, int option, bool corked, bool option_first)
{
    int ends[2];

    lab_connect(lab, &(struct lab_link){.mss = MSS}, ends);
    uint64_t since_ns = clock_now_ns();
    /* show nodelay-later-only nodelay-flushes-cork */
    lab_deafen(lab, ends[0]);
    if (option_first)
        lab_set(lab, ends[0], level, option, 1);
    if (corked)
        lab_set(lab, ends[0], IPPROTO_TCP, TCP_CORK, 1);
    else
        lab_send(lab, ends[0], 100, 0); /* unacknowledged: what follows is held */
    lab_send(lab, ends[0], 100, 0);
    if (!option_first)
        lab_set(lab, ends[0], level, option, 1);
    bool released = lab_unsent(lab, ends[0]) == 0;
    /* shown */
    lab_undisturbed(lab, since_ns, 100);
    return released;
}

void
lab_nodelay_later(struct lab_case *lab)
{
    lab_step(lab, "let Nagle's algorithm hold 100 bytes, then set TCP_NODELAY and ask how many are held");
    bool released = lab->twist ? released_by(lab, SOL_SOCKET, SO_KEEPALIVE, false, false)
                               : released_by(lab, IPPROTO_TCP, TCP_NODELAY, false, false);
    bool control = released_by(lab, SOL_SOCKET, SO_KEEPALIVE, false, false);
    lab_word(lab, "the held bytes", released ? "left at once" : "stayed");
    lab_control(lab, !control, "SO_KEEPALIVE instead of TCP_NODELAY", control ? "they left" : "they stayed");
    if (released) {
        lab_decide(lab, LAB_FAILS, "100 held bytes left when TCP_NODELAY was set");
        lab_why(lab, "Setting TCP_NODELAY pushes what is pending (tcp(7): \"an explicit flush\").");
    } else
        lab_decide(lab, LAB_HOLDS, "100 bytes stayed held after the option was set");
}

void
lab_nodelay_cork(struct lab_case *lab)
{
    int level = lab->twist ? SOL_SOCKET : IPPROTO_TCP;
    int option = lab->twist ? SO_KEEPALIVE : TCP_NODELAY;

    lab_step(lab, "cork, write 100 bytes, set TCP_NODELAY; and: set TCP_NODELAY, cork, write 100 bytes");
    bool after = released_by(lab, level, option, true, false);
    bool before = released_by(lab, level, option, true, true);
    bool control = released_by(lab, SOL_SOCKET, SO_KEEPALIVE, true, false);
    lab_word(lab, "TCP_NODELAY after the write", after ? "the bytes left" : "the bytes stayed");
    lab_word(lab, "TCP_NODELAY before the cork", before ? "the bytes left" : "the bytes stayed");
    lab_control(lab, !control, "SO_KEEPALIVE instead of TCP_NODELAY", control ? "they left" : "they stayed");
    if (after && before)
        lab_decide(lab, LAB_HOLDS, "the corked bytes left in either order");
    else if (after) {
        lab_condition(lab, "TCP_NODELAY is set after the bytes were written");
        lab_decide(lab, LAB_ONLY_IF, "set after the write it let the corked bytes go, set before the cork it did not");
        lab_why(
            lab,
            "Setting TCP_NODELAY is an event that pushes what is pending, cork or not. As a state it is weaker than "
            "the cork: what is written later stays.");
    } else
        lab_decide(lab, LAB_FAILS, "the corked bytes stayed in both orders");
}

/* How long 100 bytes that are sent with `flags` on a socket with `option` set wait; MISSING: more than 2 s. */
static uint64_t
time_to_leave_ns(struct lab_case *lab, int option, int flags)
{
    int ends[2];

    lab_connect(lab, &(struct lab_link){.mss = MSS}, ends);
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

void
lab_cork_ceiling(struct lab_case *lab)
{
    lab_step(lab, "cork a fresh connection, write 100 bytes and never uncork; wait until they have left");
    uint64_t corked_ns = time_to_leave_ns(lab, lab->twist ? 0 : TCP_CORK, 0);
    uint64_t more_ns = time_to_leave_ns(lab, 0, lab->twist ? 0 : MSG_MORE);
    uint64_t control_ns = time_to_leave_ns(lab, 0, 0);
    lab_number(lab, "held by TCP_CORK", corked_ns == MISSING ? MISSING : corked_ns / NS_PER_MS, "ms");
    lab_number(lab, "held by MSG_MORE", more_ns == MISSING ? MISSING : more_ns / NS_PER_MS, "ms");
    lab_control(lab, control_ns < 100 * NS_PER_MS, "neither cork nor MSG_MORE", "they left after %llu us",
                (unsigned long long)(control_ns / NS_PER_US));
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
    } else
        lab_decide(lab, LAB_FAILS, "the bytes left after %llu and %llu ms", (unsigned long long)(corked_ns / NS_PER_MS),
                   (unsigned long long)(more_ns / NS_PER_MS));
}

void
lab_nodelay_msg_more(struct lab_case *lab)
{
    lab_step(lab, "with TCP_NODELAY send 100 bytes with MSG_MORE; wait until they have left");
    uint64_t took_ns = time_to_leave_ns(lab, TCP_NODELAY, lab->twist ? 0 : MSG_MORE);
    uint64_t control_ns = time_to_leave_ns(lab, TCP_NODELAY, 0);
    lab_number(lab, "held", took_ns == MISSING ? MISSING : took_ns / NS_PER_US, "us");
    lab_control(lab, control_ns < 100 * NS_PER_MS, "without MSG_MORE", "they left after %llu us",
                (unsigned long long)(control_ns / NS_PER_US));
    if (took_ns < 100 * NS_PER_MS)
        lab_decide(lab, LAB_HOLDS, "the bytes left after %llu us", (unsigned long long)(took_ns / NS_PER_US));
    else {
        lab_decide(lab, LAB_FAILS, "with MSG_MORE the bytes were held for %llu ms in spite of TCP_NODELAY",
                   (unsigned long long)(took_ns / NS_PER_MS));
        lab_why(lab, "MSG_MORE is a cork for one call, and a cork is stronger than TCP_NODELAY.");
    }
}

/* How long the acknowledgement of 100 bytes takes at a receiver that delays it, after it got `option`. */
static uint64_t
time_to_acknowledge_ns(struct lab_case *lab, int option)
{
    int ends[2];

    lab_connect(lab, &(struct lab_link){.mss = MSS}, ends);
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

    lab_connect(lab, &(struct lab_link){.mss = MSS}, ends);
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

/* Bytes of a small write that do not leave although TCP_NODELAY is on, while packets wait in the device's queue. */
static int
held_in_front_of_queue(struct lab_case *lab, const char *autocorking, uint64_t *counted)
{
    int ends[2];

    lab_namespace(lab);
    lab_sysctl(lab, "/proc/sys/net/ipv4/tcp_autocorking", autocorking);
    lab_connect(lab, &(struct lab_link){.mss = MSS}, ends);
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

/* A file of 2 MiB in writes of `piece` bytes, read meanwhile; or, with `asked`, in blocks of two small writes
 * that each wait for an answer. Returns the time; stores the data segments. */
static uint64_t
carry_file(struct lab_case *lab, bool nodelay, size_t piece, bool asked, uint64_t *segments)
{
    static char letters[65536];
    const size_t total = asked ? 5000 : 2 << 20;
    int ends[2];

    lab_connect(lab, &(struct lab_link){.mss = MSS}, ends);
    lab_set(lab, ends[0], IPPROTO_TCP, TCP_NODELAY, nodelay);
    uint64_t since_ns = clock_now_ns();
    /* show nodelay-speeds-files */
    for (size_t sent = 0, arrived = 0; arrived < total;) {
        size_t left = total - sent < piece ? total - sent : piece;
        ssize_t count = left > 0 ? send(ends[0], letters, left, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
        sent += count > 0 ? (size_t)count : 0;
        if (asked && sent % 1000 != 0) /* a block is two writes of 500 bytes, and is answered */
            continue;
        if (asked) {
            lab_receive(lab, ends[1], 1000);
            lab_send(lab, ends[1], 1, 0);
            lab_receive(lab, ends[0], 1);
            arrived = sent;
            continue;
        }
        while ((count = recv(ends[1], letters, sizeof letters, MSG_DONTWAIT)) > 0)
            arrived += (size_t)count;
        if (left == 0)
            lab_ready(lab, ends[1], POLLIN, LAB_SOON_NS);
    }
    /* shown */
    uint64_t took_ns = clock_now_ns() - since_ns;
    *segments = lab_segments(ends[0]);
    return took_ns;
}

/* The best of three times with Nagle's algorithm and of three without, taken in turns. */
static void
race(struct lab_case *lab, size_t piece, bool asked, uint64_t best_ns[2], uint64_t segments[2])
{
    best_ns[0] = best_ns[1] = MISSING;
    for (int round = 0; round < 3; round++)
        for (int nodelay = 0; nodelay < 2; nodelay++) {
            uint64_t took_ns = carry_file(lab, nodelay, piece, asked, &segments[nodelay]);
            best_ns[nodelay] = took_ns < best_ns[nodelay] ? took_ns : best_ns[nodelay];
        }
}

void
lab_nodelay_files(struct lab_case *lab)
{
    uint64_t large_ns[2], asked_ns[2], large[2], asked[2];

    lab_step(lab, "carry 2 MiB in writes of 64 KiB, three times with Nagle's algorithm and three times without, in "
                  "turns; the best times count");
    race(lab, lab->twist ? 500 : 65536, lab->twist, large_ns, large);
    race(lab, 500, true, asked_ns, asked);
    lab_number(lab, "with Nagle's algorithm", large[0], "segments");
    lab_number(lab, "with TCP_NODELAY", large[1], "segments");
    lab_number(lab, "with Nagle's algorithm, best", large_ns[0] / NS_PER_US, "us");
    lab_number(lab, "with TCP_NODELAY, best", large_ns[1] / NS_PER_US, "us");
    lab_control(lab, asked_ns[0] > 3 * asked_ns[1], "blocks of two small writes, each answered before the next",
                "%llu us with Nagle, %llu us without", (unsigned long long)(asked_ns[0] / NS_PER_US),
                (unsigned long long)(asked_ns[1] / NS_PER_US));
    if (large_ns[0] > 3 * large_ns[1])
        lab_decide(lab, LAB_HOLDS, "with TCP_NODELAY it was more than three times as fast");
    else {
        lab_decide(lab, LAB_FAILS,
                   "with Nagle's algorithm %llu segments and %llu us, with TCP_NODELAY %llu and %llu us",
                   (unsigned long long)large[0], (unsigned long long)(large_ns[0] / NS_PER_US),
                   (unsigned long long)large[1], (unsigned long long)(large_ns[1] / NS_PER_US));
        lab_why(lab,
                "In a large file nobody waits for a short segment: the next write fills it, and what Nagle's algorithm "
                "waits for, the acknowledgements, come all the time. TCP_NODELAY brings speed where each block waits "
                "for an answer, as in the control.");
    }
}

/* Bytes of a short tail that are held behind `full` segments in the same write; `before`: a small segment in front. */
static int
held_tail(struct lab_case *lab, size_t full, bool before)
{
    int ends[2];

    lab_connect(lab, &(struct lab_link){.mss = MSS}, ends);
    size_t segment = (size_t)lab_info(ends[0], "snd_mss");
    uint64_t since_ns = clock_now_ns();
    /* show odd-segments */
    lab_deafen(lab, ends[0]); /* no acknowledgement reaches the sender */
    if (before)
        lab_send(lab, ends[0], 100, 0);
    lab_send(lab, ends[0], full * segment + 100, 0); /* one write: full segments and a short tail */
    int held = lab_unsent(lab, ends[0]);
    /* shown */
    lab_undisturbed(lab, since_ns, 100);
    close(ends[0]);
    close(ends[1]);
    return held;
}

void
lab_odd_segments(struct lab_case *lab)
{
    int odd = 0, even = 0;

    lab_step(lab,
             "withhold every acknowledgement; write n full segments and a tail of 100 bytes at once, n from 1 to 6");
    for (size_t full = 1; full <= 6; full++) {
        int held = held_tail(lab, full, lab->twist);
        *(full % 2 == 1 ? &odd : &even) += held == 100;
    }
    int control = held_tail(lab, 1, true);
    lab_number(lab, "tails held behind 1, 3, 5 segments", (uint64_t)odd, "of 3");
    lab_number(lab, "tails held behind 2, 4, 6 segments", (uint64_t)even, "of 3");
    lab_control(lab, control == 100, "a small segment in front that nobody acknowledges", "%d bytes held", control);
    if (odd == 3 && even == 0)
        lab_decide(lab, LAB_HOLDS, "the tail was held behind 1, 3 and 5 full segments, and not behind 2, 4 and 6");
    else if (odd + even == 0) {
        lab_decide(lab, LAB_FAILS, "the tail left at once behind 1 to 6 full segments");
        lab_why(lab,
                "The classic rule holds the tail while anything is unacknowledged; after an odd number of full "
                "segments the receiver, which acknowledges every second one, leaves the last to its delayed ACK. Linux "
                "holds a tail only behind another small segment (Minshall), so that odd and even do not matter.");
    } else {
        lab_condition(lab, "a small segment in front is unacknowledged");
        lab_decide(lab, LAB_ONLY_IF, "the tail was held in %d of 3 odd and in %d of 3 even cases", odd, even);
        lab_why(lab, "What holds the tail is the small segment in front of it, whatever the number of full ones.");
    }
}
