/* sendcall.c: see sendcall.h. _GNU_SOURCE for splice(). Sources: sendfile(2), splice(2), and the kernel's
 * documentation of MSG_ZEROCOPY. */
#define _GNU_SOURCE
#include "sendcall.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <linux/errqueue.h>

#include "clock.h"
#include "config.h"
#include "err.h"
#include "sending.h"
#include "sockopt.h"
#include "source.h"

#ifndef MSG_ZEROCOPY
#define MSG_ZEROCOPY 0x4000000
#endif

/* Completions are collected each time this many sends are unfinished. */
#define ZEROCOPY_BATCH 32

static int
nothing(struct sending *sending)
{
    (void)sending;
    return 0;
}

static ssize_t
send_write(struct sending *sending, uint64_t at, size_t len)
{
    return write(sending->fd, sending->source->data + at, len);
}

static ssize_t
send_writev(struct sending *sending, uint64_t at, size_t len)
{
    unsigned char *data = (unsigned char *)(uintptr_t)sending->source->data + at; /* writev only reads it */
    struct iovec halves[] = {{data, len / 2}, {data + len / 2, len - len / 2}};
    return writev(sending->fd, halves, 2);
}

static ssize_t
send_message(struct sending *sending, uint64_t at, size_t len, int flags)
{
    struct iovec part = {(unsigned char *)(uintptr_t)sending->source->data + at, len};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    return sendmsg(sending->fd, &message, MSG_NOSIGNAL | flags);
}

static ssize_t
send_sendmsg(struct sending *sending, uint64_t at, size_t len)
{
    return send_message(sending, at, len, 0);
}

static ssize_t
send_sendfile(struct sending *sending, uint64_t at, size_t len)
{
    off_t offset = (off_t)at;
    return sendfile(sending->fd, sending->source->fd, &offset, len);
}

static int
prepare_splice(struct sending *sending)
{
    if (pipe2(sending->pipe, O_CLOEXEC) != 0)
        return err_system(errno, "cannot make a pipe for --send-with splice");
    /* A larger pipe means fewer calls; where the system bounds it, chunks go in parts. */
    uint64_t wanted = sending->config->write_size < UINT64_C(1) << 20 ? sending->config->write_size : UINT64_C(1) << 20;
    if (fcntl(sending->pipe[1], F_SETPIPE_SZ, (int)wanted) < 0 && errno != EPERM)
        return err_system(errno, "cannot widen the pipe of --send-with splice");
    return 0;
}

static ssize_t
send_splice(struct sending *sending, uint64_t at, size_t len)
{
    off64_t offset = (off64_t)at;

    if (sending->splice_left == 0) { /* else an earlier call left bytes in the pipe */
        ssize_t taken = splice(sending->source->fd, &offset, sending->pipe[1], NULL, len, 0);
        if (taken <= 0)
            return taken;
        sending->splice_left = (size_t)taken;
    }
    ssize_t sent = splice(sending->pipe[0], NULL, sending->fd, NULL, sending->splice_left, 0);
    if (sent > 0)
        sending->splice_left -= (size_t)sent;
    return sent;
}

/* Takes every completion notice that is there. Returns 0, or -1 with an error. */
static int
collect_completions(struct sending *sending)
{
    for (;;) {
        union {
            char bytes[CMSG_SPACE(sizeof(struct sock_extended_err)) + 64];
            struct cmsghdr align;
        } ancillary;
        struct msghdr message = {.msg_control = ancillary.bytes, .msg_controllen = sizeof ancillary.bytes};

        if (recvmsg(sending->fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
            if (errno == EAGAIN || errno == EWOULDBLOCK)
                return 0;
            if (errno == EINTR)
                continue;
            return err_system(errno, "cannot read the completions of MSG_ZEROCOPY");
        }
        for (struct cmsghdr *part = CMSG_FIRSTHDR(&message); part != NULL; part = CMSG_NXTHDR(&message, part)) {
            struct sock_extended_err notice;
            memcpy(&notice, CMSG_DATA(part), sizeof notice);
            if (notice.ee_origin != SO_EE_ORIGIN_ZEROCOPY)
                continue;
            uint64_t sends = (uint64_t)(notice.ee_data - notice.ee_info) + 1; /* an inclusive range */
            sending->half.zerocopy_completions += sends;
            if ((notice.ee_code & SO_EE_CODE_ZEROCOPY_COPIED) != 0)
                sending->half.zerocopy_copied += sends;
            sending->zerocopy_unfinished -= sends;
        }
    }
}

static int
prepare_zerocopy(struct sending *sending)
{
    sending->half.zerocopy_completions = 0;
    sending->half.zerocopy_copied = 0;
    return sockopt_enable_zerocopy(sending->fd);
}

/* Waits until at least one completion may be there. */
static void
await_completion(const struct sending *sending)
{
    struct pollfd wait = {.fd = sending->fd}; /* the error queue announces itself by POLLERR */
    poll(&wait, 1, clock_poll_ms(clock_earlier_ns(sending->deadline_ns, clock_deadline_ns(NS_PER_S))));
}

static ssize_t
send_zerocopy(struct sending *sending, uint64_t at, size_t len)
{
    for (;;) {
        ssize_t sent = send_message(sending, at, len, MSG_ZEROCOPY);
        if (sent >= 0) {
            if (++sending->zerocopy_unfinished % ZEROCOPY_BATCH == 0 && collect_completions(sending) != 0)
                return -1;
            return sent;
        }
        /* ENOBUFS: the notices that nobody collected have used up the socket's option memory */
        if (errno != ENOBUFS || sending->zerocopy_unfinished == 0)
            return -1;
        await_completion(sending);
        if (collect_completions(sending) != 0 || clock_now_ns() >= sending->deadline_ns) {
            errno = EAGAIN;
            return -1;
        }
    }
}

static int
finish_zerocopy(struct sending *sending)
{
    while (sending->zerocopy_unfinished > 0) {
        if (collect_completions(sending) != 0)
            return -1;
        if (sending->zerocopy_unfinished == 0)
            break;
        if (clock_now_ns() >= sending->deadline_ns)
            return err_set(STATUS_FAILED, "the completions of MSG_ZEROCOPY did not arrive in time");
        await_completion(sending);
    }
    return 0;
}

static const struct send_call table[] = {
    [SEND_WRITE] = {nothing, send_write, nothing},
    [SEND_WRITEV] = {nothing, send_writev, nothing},
    [SEND_SENDMSG] = {nothing, send_sendmsg, nothing},
    [SEND_SENDFILE] = {nothing, send_sendfile, nothing},
    [SEND_SPLICE] = {prepare_splice, send_splice, nothing},
    [SEND_ZEROCOPY] = {prepare_zerocopy, send_zerocopy, finish_zerocopy},
};

const struct send_call *
send_call(int how)
{
    return &table[how];
}
