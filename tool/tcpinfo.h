/*
 * tcpinfo.h: ONE table of TCP_INFO fields. The JSON, the series in the events file and the wire walk it.
 *
 * Units are the kernel's (stated in the name); tcpi_busy_time and the two *_limited times advance in jiffies
 * and so read 0 in many short loopback trials that are limited all the same.
 */
#ifndef TINYGRAM_TCPINFO_H
#define TINYGRAM_TCPINFO_H

#include <stdbool.h>
#include <stdint.h>

/* Room on the wire and in a sample; the table may grow up to it without another wire version. */
#define TCPINFO_FIELDS_MAX 64

/* One snapshot: the fields in the table's order, MISSING where the kernel is too old to give one. */
struct tcpinfo {
    bool known; /* false: not a TCP socket */
    uint64_t field[TCPINFO_FIELDS_MAX];
};

/* Number of fields in the table. */
int tcpinfo_count(void);

/* Name of field `index`, unit at its end ("rtt_us", "snd_mss"). */
const char *tcpinfo_name(int index);

/* Takes a snapshot of `fd`; on a socket that is not TCP only known = false is set. One system call. */
void tcpinfo_read(int fd, struct tcpinfo *info);

/* The field called `name`; MISSING when the snapshot or the field is not known. */
uint64_t tcpinfo_get(const struct tcpinfo *info, const char *name);

#endif
