/*
 * stamps.h: kernel timestamps (SO_TIMESTAMPING) of the bytes of one connection.
 *
 * At the sender, the kernel reports for the last byte of each send when it left TCP for the queueing discipline
 * (TX_SCHED), when the device driver had it (TX_SOFTWARE) and when it was acknowledged (TX_ACK), on the socket's
 * error queue, each with the byte's offset. Sends that were merged into one segment share the stamp of the last.
 * At the receiver, recvmsg() tells when the kernel received the segment of the last byte that was read.
 * Stamps are CLOCK_REALTIME; struct clock_bridge converts them. Source: the kernel's documentation of timestamping.
 */
#ifndef TINYGRAM_STAMPS_H
#define TINYGRAM_STAMPS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "events.h"

/* In the order in which a byte meets them. */
enum stamp_kind { STAMP_SCHED, STAMP_DEVICE, STAMP_ACK };

/* One stamp of the sender. */
struct stamp {
    uint64_t kind;
    uint64_t offset;      /* of the byte after the stamped one, as in events.h; 32 bits on the wire, unwrapped here */
    uint64_t realtime_ns; /* CLOCK_REALTIME */
};

/* How far CLOCK_REALTIME is ahead of CLOCK_MONOTONIC, and how well that is known. */
struct clock_bridge {
    uint64_t ahead_ns;
    uint64_t error_ns; /* half the time that the reading of both clocks took */
};

/* Reads both clocks; the best of several tries. */
struct clock_bridge clock_bridge_read(void);

/* Switches stamps on for sends on `fd` (before the first byte), or for receives. Returns 0, or -1 with
 * STATUS_REFUSED when the family or the kernel has none. */
int stamps_enable_sending(int fd);
int stamps_enable_receiving(int fd);

/* Appends every stamp that waits on the error queue of `fd` to `log` (of struct stamp); never blocks. The kernel throws
 * stamps away when what waits on the socket fills SO_RCVBUF: finding it full is counted in log->lost. */
void stamps_collect(int fd, struct event_log *log);

/* Waits, at most until `deadline_ns`, until the byte before `offset` is acknowledged, collecting. */
void stamps_collect_to_end(int fd, struct event_log *log, uint64_t offset, uint64_t deadline_ns);

/* As read(2); sets *kernel_ns to when the kernel received the last of the bytes (CLOCK_REALTIME; 0: no stamp). */
ssize_t stamps_read(int fd, void *buffer, size_t len, uint64_t *kernel_ns);

#endif
