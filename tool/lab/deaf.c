/* deaf.c: see deaf.h. */
#define _GNU_SOURCE
#include "lab/deaf.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/tcp.h>

#include "clock.h"
#include "lab/kit.h"

/* Attaches a filter that drops everything. Returns an errno value. */
static int
attach_filter(int fd)
{
    struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog program = {.len = 1, .filter = &drop};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0 ? 0 : errno;
}

void
lab_deafen(struct lab_case *lab, int fd)
{
    int code = attach_filter(fd);
    if (code != 0)
        lab_give_up_system(lab, code, "SO_ATTACH_FILTER was refused");
}

bool
lab_may_deafen(struct lab_case *lab)
{
    int fd = lab_socket(lab, AF_INET, SOCK_STREAM);
    bool may = attach_filter(fd) == 0;
    close(fd);
    return may;
}

void
lab_hear(struct lab_case *lab, int fd)
{
    int unused = 0;
    if (setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof unused) != 0)
        lab_give_up_system(lab, errno, "SO_DETACH_FILTER was refused");
}

void
lab_acknowledge(struct lab_case *lab, int sender, int reader)
{
    lab_hear(lab, sender);
    lab_send(lab, reader, 1, 0);
}

uint64_t
lab_acknowledged_ns(struct lab_case *lab, int option)
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
    close(ends[0]);
    close(ends[1]);
    return took_ns;
}

/* The shorter of two: other work may stretch one. */
uint64_t
lab_delayed_ns(struct lab_case *lab)
{
    uint64_t first_ns = lab_acknowledged_ns(lab, 0), second_ns = lab_acknowledged_ns(lab, 0);
    uint64_t half_ns = (first_ns < second_ns ? first_ns : second_ns) / 2;

    if (half_ns < 5 * NS_PER_MS) { /* too near to what is not delayed */
        lab_advise(lab, "let the kernel delay acknowledgements: net.ipv4.tcp_rto_min_us 200000, no rto_min of a route");
        lab_give_up(lab, "this kernel delays an acknowledgement by %llu us only",
                    (unsigned long long)(2 * half_ns / NS_PER_US));
    }
    return half_ns < 20 * NS_PER_MS ? half_ns : 20 * NS_PER_MS;
}
