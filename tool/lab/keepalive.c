/* keepalive.c: SO_KEEPALIVE: whether it is on, when its first probe comes, what it ends, and what its time is called.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

#include "lab/fault.h"
#include "lab/kit.h"
#include "lab/topics.h"

/* The milliseconds that keepalive's timer of a silent connection has before it, MISSING when none runs. `idle_s`: the
 * time that is set with TCP_KEEPIDLE, 0: none. */
static uint64_t
first_probe_ms(struct lab_case *lab, bool keepalive, int idle_s)
{
    int ends[2];
    uint64_t timer_ms;

    lab_connect(lab, &(struct lab_link){.mss = 0}, ends);
    struct endpoint near = lab_name_of(lab, ends[0]), far = lab_name_of(lab, ends[1]);
    /* show keepalive-idle */
    if (keepalive)
        lab_set(lab, ends[0], SOL_SOCKET, SO_KEEPALIVE, 1);
    if (idle_s > 0)
        lab_set(lab, ends[0], IPPROTO_TCP, TCP_KEEPIDLE, idle_s);                       /* TCP_KEEPALIVE on macOS */
    const char *state = lab_tcp_state(lab, lab_port(&near), lab_port(&far), &timer_ms); /* of /proc/net/tcp */
    /* shown */
    if (state[0] == '\0')
        lab_give_up(lab, "the connection is not in /proc/net/tcp");
    return timer_ms;
}

void
lab_keepalive_idle(struct lab_case *lab)
{
    if (lab->twist)
        lab_sysctl(lab, "/proc/sys/net/ipv4/tcp_keepalive_time", "60");
    lab_step(lab, "look at the timer of a silent connection in /proc/net/tcp, as it is and with SO_KEEPALIVE on");
    int fd = lab_socket(lab, AF_INET, SOCK_STREAM);
    uint64_t untouched_ms = first_probe_ms(lab, false, 0);
    uint64_t on_ms = first_probe_ms(lab, true, 0);
    uint64_t control_ms = first_probe_ms(lab, true, 60);
    int on = lab_get(lab, fd, SOL_SOCKET, SO_KEEPALIVE), count = lab_get(lab, fd, IPPROTO_TCP, TCP_KEEPCNT);
    int interval_s = lab_get(lab, fd, IPPROTO_TCP, TCP_KEEPINTVL);
    lab_number(lab, "SO_KEEPALIVE", (uint64_t)on, "");
    lab_number(lab, "TCP_KEEPIDLE", (uint64_t)lab_get(lab, fd, IPPROTO_TCP, TCP_KEEPIDLE), "s");
    lab_number(lab, "TCP_KEEPINTVL", (uint64_t)interval_s, "s");
    lab_number(lab, "TCP_KEEPCNT", (uint64_t)count, "");
    lab_number(lab, "timer, untouched", untouched_ms, "ms");
    lab_number(lab, "timer, SO_KEEPALIVE on", on_ms, "ms");
    lab_control(lab, control_ms != MISSING && control_ms <= 61000, "TCP_KEEPIDLE set to 60", "the timer has %llu ms",
                (unsigned long long)control_ms);
    if (on == 0 && untouched_ms == MISSING && on_ms != MISSING && on_ms > 7140000)
        lab_decide(lab, LAB_HOLDS, "no timer runs by default; when on, %llu s of silence, then %d probes, %d s apart",
                   (unsigned long long)((on_ms + 999) / 1000), count, interval_s);
    else {
        lab_decide(lab, LAB_FAILS, "SO_KEEPALIVE reads %d; when on, the timer has %llu s", on,
                   (unsigned long long)(on_ms == MISSING ? 0 : (on_ms + 999) / 1000));
        lab_why(lab, "RFC 1122 wants two hours or more as the default. On Linux it is net.ipv4.tcp_keepalive_time, "
                     "which whoever runs the machine may make shorter.");
    }
}

/* How a connection whose peer hears nothing and is silent ends within 4 s: an errno value, or 0 when it does not. */
static int
silent_peer(struct lab_case *lab, int keepalive, uint64_t *took_ns)
{
    int ends[2];
    char letter;

    lab_connect(lab, &(struct lab_link){.mss = 0}, ends);
    /* show keepalive-ends */
    lab_set(lab, ends[0], SOL_SOCKET, SO_KEEPALIVE, keepalive);
    lab_set(lab, ends[0], IPPROTO_TCP, TCP_KEEPIDLE, 1);
    lab_set(lab, ends[0], IPPROTO_TCP, TCP_KEEPINTVL, 1);
    lab_set(lab, ends[0], IPPROTO_TCP, TCP_KEEPCNT, 1);
    lab_deafen(lab, ends[1]); /* the peer is as good as gone */
    uint64_t since_ns = clock_now_ns();
    lab_ready(lab, ends[0], POLLIN, 4 * NS_PER_S);
    int code = recv(ends[0], &letter, 1, MSG_DONTWAIT) < 0 ? errno : 0;
    /* shown */
    *took_ns = clock_now_ns() - since_ns;
    return code;
}

void
lab_keepalive_ends(struct lab_case *lab)
{
    uint64_t took_ns, control_ns;

    lab_step(lab, "connect, let the peer fall silent; SO_KEEPALIVE with 1 s idle, 1 s interval, 1 probe");
    int code = silent_peer(lab, !lab->twist, &took_ns);
    int control = silent_peer(lab, 0, &control_ns);
    lab_word(lab, "the connection", "%s", code == EAGAIN ? "is still there" : lab_errno(code));
    lab_number(lab, "after", took_ns / NS_PER_MS, "ms");
    lab_control(lab, control == EAGAIN, "SO_KEEPALIVE off", "%s",
                control == EAGAIN ? "still there" : lab_errno(control));
    if (code == ETIMEDOUT)
        lab_decide(lab, LAB_HOLDS, "the connection ended in ETIMEDOUT after %llu ms",
                   (unsigned long long)(took_ns / NS_PER_MS));
    else
        lab_decide(lab, LAB_FAILS, "after %llu ms the connection was still there",
                   (unsigned long long)(took_ns / NS_PER_MS));
}

/* One of keepalive's three numbers. */
struct number {
    const char *name;
    int option, value;
};

/* What other systems call the idle time: does this one have the name? */
static void
note_other_names(struct lab_case *lab)
{
    bool mac = false, solaris = false;
    /* show keepalive-name */
#ifdef TCP_KEEPALIVE /* macOS */
    mac = true;
#endif
#ifdef TCP_KEEPALIVE_THRESHOLD /* Solaris, in milliseconds */
    solaris = true;
#endif
    /* shown */
    lab_word(lab, "TCP_KEEPALIVE", mac ? "is in the headers" : "the headers lack it");
    lab_word(lab, "TCP_KEEPALIVE_THRESHOLD", solaris ? "is in the headers" : "the headers lack it");
}

void
lab_keepalive_name(struct lab_case *lab)
{
    /* show keepalive-name */
    static const struct number numbers[] = {
        {"TCP_KEEPIDLE", TCP_KEEPIDLE, 77}, {"TCP_KEEPINTVL", TCP_KEEPINTVL, 11}, {"TCP_KEEPCNT", TCP_KEEPCNT, 3}};
    /* shown */
    int fd = lab_socket(lab, AF_INET, SOCK_STREAM), fresh = lab_socket(lab, AF_INET, SOCK_STREAM), took = 0, had = 0;
    const char *refused = "";

    lab_step(lab,
             "set idle time, interval and count by the names that Linux has, read them back; look which names that "
             "other systems have are in the headers");
    if (lab->twist)
        lab_fault_setsockopt(lab, IPPROTO_TCP, TCP_KEEPIDLE, ENOPROTOOPT);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        const struct number *each = &numbers[i];
        /* show keepalive-name */
        int code = setsockopt(fd, IPPROTO_TCP, each->option, &each->value, sizeof each->value) == 0 ? 0 : errno;
        bool taken = code == 0 && lab_get(lab, fd, IPPROTO_TCP, each->option) == each->value;
        /* shown */
        lab_word(lab, each->name, "%s", taken ? "set, and read back" : lab_errno(code));
        refused = taken ? refused : each->name;
        took += taken;
        had += lab_get(lab, fresh, IPPROTO_TCP, each->option) == each->value;
    }
    note_other_names(lab);
    lab_control(lab, had == 0, "nothing is set", "%d of 3 read so", had);
    if (took == 3)
        lab_decide(lab, LAB_HOLDS, "all three were set and read back: 77 s, 11 s, 3 probes");
    else
        lab_decide(lab, LAB_FAILS, "%d of 3 were set; %s was not", took, refused);
    lab_why(lab,
            "So it is on Linux and FreeBSD. SO_KEEPALIVE is in every system, the idle time is not: TCP_KEEPALIVE on "
            "macOS, TCP_KEEPALIVE_THRESHOLD in milliseconds on Solaris. A program that is to be carried elsewhere "
            "asks for each name (tcp(7) calls them not portable).");
}
