/* nagle.c: Nagle's algorithm: what it holds, behind what, until when, and what that saves.
 *
 * The acknowledgement is what Nagle's algorithm waits for, so the entries hold it in their hand: a sender that is made
 * deaf (lab_deafen) gets none until it may hear again. Whether a segment is held is asked of the kernel: bytes that
 * were written and not sent (SIOCOUTQNSD). */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <unistd.h>

#include <linux/tcp.h>

#include "lab/kit.h"
#include "lab/topics.h"

/* Bytes that are held when `second` bytes are written behind `first` bytes that nobody acknowledges. */
static int
held_behind(struct lab_case *lab, size_t first, size_t second, bool nodelay)
{
    int ends[2];

    lab_connect(lab, &(struct lab_link){.mss = LAB_MSS}, ends);
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
    lab_step(lab, "withhold every acknowledgement from a sender whose MSS is %d", LAB_MSS);
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
        lab_why(
            lab,
            "Linux uses a milder rule, named after Minshall (tcp_minshall_check): a small segment waits only while an "
            "earlier small one is unacknowledged. So a large write with a short tail is not held, while the second "
            "of two small writes is: write header and body with one call (writev), or set TCP_NODELAY.");
    } else
        lab_decide(lab, LAB_FAILS, "100 bytes left at once although 100 bytes before them were unacknowledged");
}

/* How long a held segment stays when the one before it has been acknowledged; MISSING: more than 2 s. */
static uint64_t
stays_acknowledged_ns(struct lab_case *lab, bool cork)
{
    int ends[2];

    lab_connect(lab, &(struct lab_link){.mss = LAB_MSS}, ends);
    uint64_t since_ns = clock_now_ns();
    /* show nagle-has-a-timer */
    lab_deafen(lab, ends[0]);
    lab_send(lab, ends[0], 100, 0); /* leaves; its acknowledgement is withheld */
    lab_set(lab, ends[0], IPPROTO_TCP, TCP_CORK, cork);
    lab_send(lab, ends[0], 100, 0); /* is held */
    int held = lab_unsent(lab, ends[0]);
    uint64_t acknowledged_ns = clock_now_ns();
    lab_acknowledge(lab, ends[0], ends[1]);
    LAB_WAIT(lab_unsent(lab, ends[0]) == 0, LAB_SOON_NS);
    uint64_t stayed_ns = clock_now_ns() - acknowledged_ns;
    /* shown */
    bool left = lab_unsent(lab, ends[0]) == 0;
    lab_moment(lab, "%s, the ACK came: the held bytes %s", cork ? "corked" : "Nagle's algorithm alone",
               left ? "have left" : "stayed");
    if (acknowledged_ns - since_ns <= 100 * NS_PER_MS && held != 100) /* before any timer of TCP's */
        lab_give_up(lab, "%d bytes of 100 were held at first", held);
    if (stayed_ns < 150 * NS_PER_MS) /* what went slowly stayed no less long for it */
        lab_undisturbed(lab, since_ns, 100);
    return left ? stayed_ns : MISSING;
}

void
lab_nagle_timer(struct lab_case *lab)
{
    lab_step(lab, "write 100 bytes and again 100: the second are held; then let the acknowledgement of the first come");
    uint64_t stayed_ns = stays_acknowledged_ns(lab, lab->twist), control_ns = stays_acknowledged_ns(lab, true);
    lab_number(lab, "from the acknowledgement to their leaving", stayed_ns == MISSING ? MISSING : stayed_ns / NS_PER_US,
               "us");
    if (control_ns == MISSING)
        lab_control(lab, false, "TCP_CORK, which has a timer", "after 2 s the held bytes had not left");
    else
        lab_control(lab, control_ns >= 150 * NS_PER_MS, "TCP_CORK, which has a timer",
                    "the held bytes left %llu ms after the acknowledgement",
                    (unsigned long long)(control_ns / NS_PER_MS));
    if (stayed_ns == MISSING)
        lab_decide(lab, LAB_FAILS, "2 s after the acknowledgement the held segment had not left");
    else if (stayed_ns >= 150 * NS_PER_MS)
        lab_decide(lab, LAB_HOLDS, "the held segment left %llu ms after everything before it was acknowledged",
                   (unsigned long long)(stayed_ns / NS_PER_MS));
    else {
        lab_decide(lab, LAB_FAILS, "the held segment left when the acknowledgement came, within %llu us",
                   (unsigned long long)(stayed_ns / NS_PER_US));
        lab_why(
            lab,
            "Nagle's algorithm has no clock: it ends with an acknowledgement. The times that are told are the "
            "other end's: its delayed ACK (40 ms and more on Linux, 200 ms on the classic BSD). The 200 ms belong to TCP_CORK, and "
            "to the tail loss probe that follows when no acknowledgement comes at all.");
    }
}

#define LETTERS 10

/* Segments that ten letters take, typed at once or each after the one before was acknowledged; and those that come
 * back meanwhile, acknowledgements alone. */
static uint64_t
segments_of_letters(struct lab_case *lab, bool nodelay, bool paced, uint64_t *back)
{
    int ends[2];

    lab_connect(lab, &(struct lab_link){.mss = LAB_MSS}, ends);
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
        lab_acknowledge(lab, ends[0], ends[1]);
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

/* Bytes of a short tail that are held behind `full` segments in the same write; `before`: a small segment in front. */
static int
held_tail(struct lab_case *lab, size_t full, bool before)
{
    int ends[2];

    lab_connect(lab, &(struct lab_link){.mss = LAB_MSS}, ends);
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
        lab_why(
            lab,
            "The classic rule holds the tail while anything is unacknowledged; after an odd number of full "
            "segments the receiver, which acknowledges every second one, leaves the last to its delayed ACK. Linux "
            "holds a tail only behind another small segment (see small-waits), so that odd and even do not matter.");
    } else {
        lab_condition(lab, "a small segment in front is unacknowledged");
        lab_decide(lab, LAB_ONLY_IF, "the tail was held in %d of 3 odd and in %d of 3 even cases", odd, even);
        lab_why(lab, "What holds the tail is the small segment in front of it, whatever the number of full ones.");
    }
}
