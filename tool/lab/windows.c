/* windows.c: the window that a receiver announces: what it lets travel, when it is shut, and what fixes its width. */
#define _GNU_SOURCE
#include <netinet/in.h>

#include "lab/kit.h"
#include "lab/topics.h"

void
lab_window(struct lab_case *lab)
{
    int ends[2], control[2];

    lab_step(lab, "give the receiver SO_RCVBUF %s, let it sleep, and write until the kernel takes no more",
             lab->twist ? "1, after its window was announced" : "20000 before listen()");
    lab_connect(lab, &(struct lab_link){.rcvbuf = lab->twist ? 0 : 20000}, ends);
    if (lab->twist)
        lab_set(lab, ends[1], SOL_SOCKET, SO_RCVBUF, 1);
    int room = lab_get(lab, ends[1], SOL_SOCKET, SO_RCVBUF);
    /* show window */
    uint64_t taken = lab_fill(lab, ends[0]);                    /* until send() gives EAGAIN for good */
    uint64_t left = taken - (uint64_t)lab_unsent(lab, ends[0]); /* SIOCOUTQNSD: what waits in the send buffer */
    uint64_t arrived = (uint64_t)lab_unread(lab, ends[1]);      /* SIOCINQ: what lies in the receive buffer */
    uint64_t window = lab_info(ends[0], "snd_wnd");             /* what the receiver announced last */
    lab_moment(lab, "the kernel has taken %llu bytes, %llu have left", (unsigned long long)taken,
               (unsigned long long)left);
    lab_receive(lab, ends[1], arrived);
    LAB_WAIT(taken - (uint64_t)lab_unsent(lab, ends[0]) > left, LAB_SOON_NS);
    uint64_t opened = taken - (uint64_t)lab_unsent(lab, ends[0]);
    /* shown */
    lab_moment(lab, "%llu bytes were read: a window update comes, and %llu have left", (unsigned long long)arrived,
               (unsigned long long)opened);
    lab_number(lab, "receive buffer", (uint64_t)room, "bytes");
    lab_number(lab, "taken by the sender's kernel", taken, "bytes");
    lab_number(lab, "left the sender", left, "bytes");
    lab_number(lab, "lay in the receive buffer", arrived, "bytes");
    lab_number(lab, "the peer's window then", window, "bytes");
    lab_number(lab, "left the sender after a read", opened, "bytes");
    lab_connect(lab, &(struct lab_link){.rcvbuf = 20000}, control);
    int control_room = lab_get(lab, control[1], SOL_SOCKET, SO_RCVBUF), passed = 0;
    for (int i = 0; i < 20; i++) {
        lab_send(lab, control[0], 5000, 0);
        lab_receive(lab, control[1], 5000);
        passed += 5000;
    }
    lab_control(lab, passed > control_room, "a reader that reads", "%d bytes travelled, through a buffer of %d", passed,
                control_room);
    if (left > (uint64_t)room) {
        lab_decide(lab, LAB_FAILS, "%llu bytes left the sender, more than the receive buffer's %d: %llu lay in it",
                   (unsigned long long)left, room, (unsigned long long)arrived);
        if (arrived < left)
            lab_why(lab, "A window that was announced is not taken back: what comes and does not fit is dropped, and "
                         "sent again later.");
    } else if (left == taken || opened == left) {
        lab_give_up(lab,
                    "it was not the window that held anything: %llu bytes of %llu left the sender, %llu after a "
                    "read",
                    (unsigned long long)left, (unsigned long long)taken, (unsigned long long)opened);
    } else {
        lab_decide(lab, LAB_HOLDS, "%llu of %llu bytes left the sender, the rest waits; the receive buffer is %d bytes",
                   (unsigned long long)left, (unsigned long long)taken, room);
        lab_why(lab, "The buffer counts the kernel's bookkeeping too, so the window that it announces is smaller. "
                     "What does not fit stays in the send buffer until a window update.");
    }
}

/* A receiver whose program sleeps while the sender writes all that the kernel takes, and then reads. Stores the window
 * before, when all is full, and after the reading. */
static void
windows_of_reader(struct lab_case *lab, bool reads, uint64_t windows[3])
{
    int ends[2];

    lab_connect(lab, &(struct lab_link){.mss = 1460, .rcvbuf = 20000}, ends);
    windows[0] = lab_info(ends[0], "snd_wnd");
    /* show zero-window */
    size_t taken = 0;
    for (int i = 0; reads && i < 20; i++) { /* the other case: a reader that reads */
        lab_send(lab, ends[0], 5000, 0);
        lab_receive(lab, ends[1], 5000);
    }
    if (!reads)
        taken = lab_fill(lab, ends[0]);
    windows[1] = lab_info(ends[0], "snd_wnd"); /* what the sender was told last */
    lab_moment(lab, "%s: the window is %llu", reads ? "a reader that reads" : "all is full",
               (unsigned long long)windows[1]);
    lab_receive(lab, ends[1], taken); /* the first read draws a window update; the rest leaves the sender */
    LAB_WAIT(reads || lab_info(ends[0], "snd_wnd") > 0, LAB_SOON_NS);
    windows[2] = lab_info(ends[0], "snd_wnd");
    /* shown */
    lab_moment(lab, "%zu bytes were read: the window is %llu", taken, (unsigned long long)windows[2]);
}

void
lab_zero_window(struct lab_case *lab)
{
    uint64_t windows[3], control[3];

    lab_step(lab, "write to a reader that sleeps until nothing more is taken; ask for the window that the sender sees");
    lab_step(lab, "read everything; ask again");
    windows_of_reader(lab, lab->twist, windows);
    windows_of_reader(lab, true, control);
    if (windows[1] == MISSING) {
        lab_advise(lab, "nothing here: TCP_INFO has the window in Linux 5.4 and later");
        lab_give_up(lab, "this kernel does not tell the peer's window");
    }
    lab_number(lab, "window at first", windows[0], "bytes");
    lab_number(lab, "window when all is full", windows[1], "bytes");
    lab_number(lab, "window after the reading", windows[2], "bytes");
    lab_control(lab, control[1] > 1448, "a reader that reads", "a window of %llu bytes",
                (unsigned long long)control[1]);
    if (windows[1] == 0 && windows[2] > 0)
        lab_decide(lab, LAB_HOLDS, "the window went from %llu to 0, and to %llu after the reading",
                   (unsigned long long)windows[0], (unsigned long long)windows[2]);
    else
        lab_decide(lab, LAB_FAILS, "the window went from %llu to %llu, and to %llu after the reading",
                   (unsigned long long)windows[0], (unsigned long long)windows[1], (unsigned long long)windows[2]);
}

/* The largest window that a peer announces while 1 MiB fills it; its SO_RCVBUF before listen() and after accept() (0:
 * not set). */
static uint64_t
widest_window(struct lab_case *lab, int before, int after)
{
    int ends[2];
    uint64_t widest = 0;
    static const char letters[16384];

    lab_connect(lab, &(struct lab_link){.rcvbuf = before}, ends);
    /* show rcvbuf-any-time */
    if (after != 0)
        lab_set(lab, ends[1], SOL_SOCKET, SO_RCVBUF, after);
    for (int piece = 0; piece < 64; piece++) {
        send(ends[0], letters, sizeof letters, MSG_NOSIGNAL | MSG_DONTWAIT);
        LAB_WAIT(lab_unsent(lab, ends[0]) == 0 || lab_info(ends[0], "snd_wnd") == 0, 20 * NS_PER_MS);
        uint64_t window = lab_info(ends[0], "snd_wnd");
        widest = window != MISSING && window > widest ? window : widest;
    }
    /* shown */
    return widest;
}

void
lab_rcvbuf_any_time(struct lab_case *lab)
{
    int large = 2 << 20;
    int first = lab->twist ? 0 : 4096;

    lab_step(lab, "set SO_RCVBUF to 2 MiB: before listen(); after accept(); after accept(), with %d before listen()",
             first);
    lab_step(lab, "fill the connection and note the largest window that the peer announces");
    uint64_t early = widest_window(lab, large, 0);
    uint64_t late = widest_window(lab, 0, large);
    uint64_t narrowed = widest_window(lab, first, large);
    uint64_t small = widest_window(lab, 4096, 0);
    if (early == 0) {
        lab_advise(lab, "nothing here: TCP_INFO has the window in Linux 5.4 and later");
        lab_give_up(lab, "this kernel does not tell the peer's window");
    }
    if (early < 65536 && late < 65536) {
        lab_advise(lab, "switch window scaling on (net.ipv4.tcp_window_scaling 1), allow larger buffers "
                        "(net.core.rmem_max, net.ipv4.tcp_rmem)");
        lab_give_up(lab, "no window here passes 65535 bytes, whenever SO_RCVBUF is set: %llu and %llu",
                    (unsigned long long)early, (unsigned long long)late);
    }
    lab_number(lab, "set before listen", early, "bytes");
    lab_number(lab, "set after accept", late, "bytes");
    lab_number(lab, "set after accept, small before listen", narrowed, "bytes");
    lab_control(lab, small < 65536 && early > 131072, "4096 before listen() and nothing else", "%llu bytes",
                (unsigned long long)small);
    if (narrowed > 65535 && late > 65535)
        lab_decide(lab, LAB_HOLDS, "windows of %llu, %llu and %llu bytes: the moment did not matter",
                   (unsigned long long)early, (unsigned long long)late, (unsigned long long)narrowed);
    else if (late > 65535) {
        lab_condition(lab, "no small one was set before the handshake");
        lab_decide(lab, LAB_ONLY_IF,
                   "set after accept() the window reached %llu bytes; after a small one before listen() %llu",
                   (unsigned long long)late, (unsigned long long)narrowed);
        lab_why(lab,
                "The window scale is fixed in the handshake. A buffer that was not set leaves it wide, because Linux "
                "reckons with the largest buffer that autotuning might give; a small one set before the handshake "
                "leaves no scale, and 65535 bytes stay the most.");
    } else
        lab_decide(lab, LAB_FAILS, "before listen() the window reached %llu bytes, after accept() only %llu",
                   (unsigned long long)early, (unsigned long long)late);
}
