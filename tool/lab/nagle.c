/* nagle.c: Nagle's algorithm, TCP_NODELAY, TCP_CORK and MSG_MORE.
 *
 * The acknowledgement is what Nagle's algorithm waits for, so the entries hold it in their hand: a sender that is made
 * deaf (lab_deafen) gets none until it may hear again. Whether a segment is held is asked of the kernel: bytes that
 * were written and not sent (SIOCOUTQNSD). */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <poll.h>

#include <linux/tcp.h>

#include "lab/kit.h"
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
