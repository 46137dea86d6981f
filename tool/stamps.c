/* stamps.c: see stamps.h. The Linux names of timestamping stand here. */
#define _GNU_SOURCE
#include "stamps.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>

#include "clock.h"
#include "err.h"
#include "sockopt.h"

#define BRIDGE_TRIES 16

#define RECEIVING (SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE)

/* Time for the kernel to begin to stamp. */
#define STAMPING_LIMIT_NS (50 * NS_PER_MS)

/* Room for one stamp, one extended error with an address, and alignment. */
#define ANCILLARY_BYTES 512

static uint64_t
ns_of(const struct timespec *moment)
{
    return (uint64_t)moment->tv_sec * NS_PER_S + (uint64_t)moment->tv_nsec;
}

struct clock_bridge
clock_bridge_read(void)
{
    struct clock_bridge best = {.error_ns = UINT64_MAX};

    for (int i = 0; i < BRIDGE_TRIES; i++) {
        struct timespec real;
        uint64_t before_ns = clock_now_ns();
        clock_gettime(CLOCK_REALTIME, &real);
        uint64_t after_ns = clock_now_ns();
        uint64_t error_ns = (after_ns - before_ns + 1) / 2;
        if (error_ns < best.error_ns)
            best = (struct clock_bridge){.ahead_ns = ns_of(&real) - (before_ns + error_ns), .error_ns = error_ns};
    }
    return best;
}

int
stamps_enable_sending(int fd)
{
    return sockopt_enable_stamps(fd, SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_TX_SOFTWARE |
                                         SOF_TIMESTAMPING_TX_ACK | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID |
                                         SOF_TIMESTAMPING_OPT_TSONLY);
}

/* The 64-bit offset whose low 32 bits are `low`, near `near`. */
static uint64_t
unwrap(uint32_t low, uint64_t near)
{
    int32_t distance = (int32_t)(low - (uint32_t)near);
    return distance < 0 && near < (uint64_t) - (int64_t)distance ? low : near + (uint64_t)(int64_t)distance;
}

/* Appends the stamp of one message of the error queue. */
static void
take(struct msghdr *message, struct event_log *log)
{
    struct scm_timestamping times;
    struct sock_extended_err notice;
    bool timed = false, noticed = false;

    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL; part = CMSG_NXTHDR(message, part)) {
        if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_TIMESTAMPING) {
            memcpy(&times, CMSG_DATA(part), sizeof times);
            timed = true;
        } else if ((part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_RECVERR) ||
                   (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_RECVERR)) {
            memcpy(&notice, CMSG_DATA(part), sizeof notice);
            noticed = notice.ee_origin == SO_EE_ORIGIN_TIMESTAMPING;
        }
    }
    if (!timed || !noticed)
        return;
    const struct stamp *last = log->count > 0 ? (const struct stamp *)log->entry + log->count - 1 : NULL;
    struct stamp *stamp = event_log_next(log);
    if (stamp == NULL)
        return;
    stamp->kind = notice.ee_info == SCM_TSTAMP_SCHED ? STAMP_SCHED
                  : notice.ee_info == SCM_TSTAMP_SND ? STAMP_DEVICE
                                                     : STAMP_ACK;
    stamp->offset = unwrap(notice.ee_data + 1, last != NULL ? last->offset : 0);
    stamp->realtime_ns = ns_of(&times.ts[0]);
}

void
stamps_collect(int fd, struct event_log *log)
{
    uint64_t waiting_bytes = 0, room_bytes = 0;
    bool told = sockopt_waiting(fd, &waiting_bytes, &room_bytes);

    for (uint64_t taken = 0;; taken++) {
        union {
            char bytes[ANCILLARY_BYTES];
            struct cmsghdr align;
        } ancillary;
        struct msghdr message = {.msg_control = ancillary.bytes, .msg_controllen = sizeof ancillary.bytes};

        if (recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
            if (errno == EINTR)
                continue;
            /* nothing is there any more, or the connection broke: the data path will tell */
            log->lost += told && taken > 0 && waiting_bytes + waiting_bytes / taken >= room_bytes;
            return;
        }
        take(&message, log);
    }
}

void
stamps_collect_to_end(int fd, struct event_log *log, uint64_t offset, uint64_t deadline_ns)
{
    for (;;) {
        stamps_collect(fd, log);
        for (size_t i = log->count; i-- > 0 && i + 16 > log->count;) {
            const struct stamp *stamp = (const struct stamp *)log->entry + i;
            if (stamp->kind == STAMP_ACK && stamp->offset >= offset)
                return;
        }
        struct pollfd wait = {.fd = fd}; /* the error queue announces itself by POLLERR */
        if (clock_now_ns() >= deadline_ns || log->dropped > 0 || log->lost > 0)
            return;
        poll(&wait, 1, clock_poll_ms(deadline_ns));
    }
}

ssize_t
stamps_read(int fd, void *buffer, size_t len, uint64_t *kernel_ns)
{
    union {
        char bytes[ANCILLARY_BYTES];
        struct cmsghdr align;
    } ancillary = {.bytes = {0}};
    struct iovec part = {buffer, len};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = ancillary.bytes, .msg_controllen = sizeof ancillary.bytes};
    ssize_t got = recvmsg(fd, &message, 0);

    *kernel_ns = 0;
    for (struct cmsghdr *found = got > 0 ? CMSG_FIRSTHDR(&message) : NULL; found != NULL;
         found = CMSG_NXTHDR(&message, found)) {
        struct scm_timestamping times;
        if (found->cmsg_level != SOL_SOCKET || found->cmsg_type != SCM_TIMESTAMPING)
            continue;
        memcpy(&times, CMSG_DATA(found), sizeof times);
        *kernel_ns = ns_of(&times.ts[0]);
    }
    return got;
}

/* The kernel begins to stamp what arrives a little after it was first asked to, for all sockets at once: sends
 * datagrams to itself until one is stamped. Where that takes too long, the first reads have no stamp, and the split
 * tells. */
static void
await_stamping(void)
{
    struct sockaddr_in self = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof self;
    uint64_t kernel_ns = 0;
    uint64_t deadline_ns = clock_deadline_ns(STAMPING_LIMIT_NS);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && bind(fd, (struct sockaddr *)&self, len) == 0 &&
        getsockname(fd, (struct sockaddr *)&self, &len) == 0 && connect(fd, (struct sockaddr *)&self, len) == 0 &&
        sockopt_enable_stamps(fd, RECEIVING) == 0) {
        while (kernel_ns == 0 && clock_now_ns() < deadline_ns && send(fd, "", 1, MSG_DONTWAIT) == 1) {
            struct pollfd wait = {.fd = fd, .events = POLLIN};
            char byte = 0;
            poll(&wait, 1, 1);
            if (wait.revents != 0)
                stamps_read(fd, &byte, 1, &kernel_ns);
        }
    } else {
        err_clear(); /* no IPv4 here: the reads will tell */
    }
    if (fd >= 0)
        close(fd);
}

int
stamps_enable_receiving(int fd)
{
    if (sockopt_enable_stamps(fd, RECEIVING) != 0)
        return -1;
    await_stamping();
    return 0;
}
