/* nodelay.c: TCP_NODELAY: what it costs and brings, and what setting it in mid-stream lets go. Acknowledgements are
 * withheld as in nagle.c. */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <linux/tcp.h>

#include "lab/kit.h"
#include "lab/topics.h"

/* Segments of `count` writes of `size` bytes (0: a full segment each) while no acknowledgement comes, and the rest
 * after it. */
static uint64_t
segments_of_writes(struct lab_case *lab, bool nodelay, size_t size, int count)
{
    int ends[2];

    lab_connect(lab, &(struct lab_link){.mss = LAB_MSS}, ends);
    lab_set(lab, ends[0], IPPROTO_TCP, TCP_NODELAY, nodelay);
    if (size == 0)
        size = (size_t)lab_info(ends[0], "snd_mss");
    uint64_t since_ns = clock_now_ns();
    /* show nodelay-costs-no-segments nodelay-write-is-segment */
    lab_deafen(lab, ends[0]);
    for (int i = 0; i < count; i++)
        lab_send(lab, ends[0], size, 0);
    lab_undisturbed(lab, since_ns, 100);
    lab_acknowledge(lab, ends[0], ends[1]);
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

/* Whether setting `option` to 1 releases 100 bytes that wait, held by Nagle's algorithm or by a cork. */
static bool
released_by(struct lab_case *lab, int level, int option, bool corked, bool option_first)
{
    int ends[2];

    lab_connect(lab, &(struct lab_link){.mss = LAB_MSS}, ends);
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

/* A file of 2 MiB in writes of `piece` bytes, read meanwhile; or, with `asked`, in blocks of two small writes
 * that each wait for an answer. Returns the time; stores the data segments. */
static uint64_t
carry_file(struct lab_case *lab, bool nodelay, size_t piece, bool asked, uint64_t *segments)
{
    static char letters[65536];
    const size_t total = asked ? 5000 : 2 << 20;
    int ends[2];

    lab_connect(lab, &(struct lab_link){.mss = LAB_MSS}, ends);
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
    close(ends[0]);
    close(ends[1]);
    return took_ns;
}

/* How often each way is raced at least. A file passes in less time than a busy processor gives to one program at once,
 * so that some of many are undisturbed. Blocks that are answered are waited for by a timer: few do. */
#define FILES 25
#define ANSWERED 3
#define RACE_MS 4000

/* How often this process had to give the processor to another. */
static long
disturbances(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_nivcsw : 0;
}

/* The best undisturbed time of several with Nagle's algorithm and of as many without; the first of two is now the one,
 * now the other, so that what comes at a beat does not always meet the same. */
static void
race(struct lab_case *lab, size_t piece, bool asked, uint64_t best_ns[2], uint64_t segments[2])
{
    uint64_t since_ns = clock_now_ns();
    int turns = 2 * (asked ? ANSWERED : FILES);

    best_ns[0] = best_ns[1] = MISSING;
    for (int turn = 0; turn < turns || best_ns[0] == MISSING || best_ns[1] == MISSING; turn++) {
        int nodelay = (turn + turn / 2) % 2;
        long before = disturbances();
        uint64_t took_ns = carry_file(lab, nodelay, piece, asked, &segments[nodelay]);
        if (took_ns < best_ns[nodelay] && (asked || disturbances() == before))
            best_ns[nodelay] = took_ns;
        lab_undisturbed(lab, since_ns, RACE_MS);
    }
}

void
lab_nodelay_files(struct lab_case *lab)
{
    uint64_t large_ns[2], asked_ns[2], large[2], asked[2];

    lab_step(lab, "carry %s, %d times with Nagle's algorithm and as often without, in turns; the best times count",
             lab->twist ? "5000 bytes in blocks of two writes of 500" : "2 MiB in writes of 64 KiB",
             lab->twist ? ANSWERED : FILES);
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
        lab_decide(lab, LAB_HOLDS, "with TCP_NODELAY it took %llu us, with Nagle's algorithm %llu us",
                   (unsigned long long)(large_ns[1] / NS_PER_US), (unsigned long long)(large_ns[0] / NS_PER_US));
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
