/*
 * kit.h: what many entries need: connected sockets, and queues that are asked instead of slept on; with deaf.h
 * (acknowledgements that are withheld) and place.h (other processes, privileges, namespaces).
 *
 * Where a function cannot do what it is asked, the attempt ends as "not tried" with the reason, so that entries read as
 * the experiment alone. Raw calls are made here and in the entries on purpose: they are what is being shown.
 */
#ifndef TINYGRAM_LAB_KIT_H
#define TINYGRAM_LAB_KIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "clock.h"
#include "lab/case.h"
#include "lab/deaf.h"
#include "lab/place.h"
#include "net.h"

/* How long something may take that happens at once on an idle machine; a busy one gets this long. */
#define LAB_SOON_NS (2 * NS_PER_S)

/* Waits until `condition` holds, at most `limit_ns`; it is looked at four thousand times a second. Look at it again
 * afterwards. */
#define LAB_WAIT(condition, limit_ns)                                                                                  \
    for (uint64_t lab_until_ns = clock_deadline_ns(limit_ns); !(condition) && clock_now_ns() < lab_until_ns;)          \
    lab_pause()

/* A quarter of a millisecond. */
void lab_pause(void);

/* An Ethernet's MSS, for entries that count segments. */
#define LAB_MSS 1460

/* How two ends are joined. Zero means: the kernel decides. */
struct lab_link {
    int family;     /* AF_INET unless given */
    int type;       /* SOCK_STREAM unless given */
    int mss;        /* TCP_MAXSEG of both ends */
    int sndbuf;     /* SO_SNDBUF of the first end, before connect() */
    int rcvbuf;     /* SO_RCVBUF of the second end, before listen() */
    bool congested; /* keep the default congestion control; otherwise it is reno, which does not pace */
};

/* Options. The value set must be accepted; lab_get() reads an int. */
void lab_set(struct lab_case *lab, int fd, int level, int option, int value);
int lab_get(struct lab_case *lab, int fd, int level, int option);

/* SO_LINGER on, with a time in seconds; 0: close() sends a reset in place of FIN. */
void lab_linger(struct lab_case *lab, int fd, int seconds);

/* A socket. */
int lab_socket(struct lab_case *lab, int family, int type);

/* The loopback address of `family` with a port (host byte order; 0: none yet). */
struct endpoint lab_loopback(struct lab_case *lab, int family, uint16_t port);
uint16_t lab_port(const struct endpoint *at);
struct endpoint lab_name_of(struct lab_case *lab, int fd);

/* connect() and bind(), which may fail: return an errno value. */
int lab_connect_to(int fd, const struct endpoint *at);
int lab_bind_at(int fd, const struct endpoint *at);

/* A listener at a port of the kernel's choice. */
int lab_listen(struct lab_case *lab, int family, int backlog, struct endpoint *bound);

/* ends[0] connected to a listener, which accepted ends[1]; the listener is closed. For SOCK_DGRAM both are bound, and
 * ends[0] is connected to ends[1]. */
void lab_connect(struct lab_case *lab, const struct lab_link *link, int ends[2]);

/* Sends `count` bytes, which the kernel must take at once. */
void lab_send(struct lab_case *lab, int fd, size_t count, int flags);

/* Reads exactly `count` bytes; they must come soon. */
void lab_receive(struct lab_case *lab, int fd, size_t count);

/* Writes until the kernel takes no more, now or a tenth of a second later; returns how many bytes it took. */
size_t lab_fill(struct lab_case *lab, int fd);

/* Reads until the end of the stream or an error. Returns the bytes and stores the errno value (0: end of file). */
size_t lab_drain(struct lab_case *lab, int fd, int *code);

/* Bytes: written and not sent (SIOCOUTQNSD); written and not acknowledged, sent or not (SIOCOUTQ); arrived and not read
 * (SIOCINQ). */
int lab_unsent(struct lab_case *lab, int fd);
int lab_unacknowledged(struct lab_case *lab, int fd);
int lab_unread(struct lab_case *lab, int fd);

/* A field of TCP_INFO, such as "snd_wnd"; MISSING when the kernel lacks it. */
uint64_t lab_info(int fd, const char *field);

/* Data segments sent for the first time. */
uint64_t lab_segments(int fd);

/* Waits until the socket is ready for `events` of poll(2). Returns those of them that came, 0 when none did in time. */
int lab_ready(struct lab_case *lab, int fd, short events, uint64_t limit_ns);

/* The state of the connection with these local and remote ports in /proc/net/tcp ("ESTABLISHED", "TIME_WAIT", ...; ""
 * when there is none), and the milliseconds left on its timer (MISSING: none runs). */
const char *lab_tcp_state(struct lab_case *lab, uint16_t local, uint16_t remote, uint64_t *timer_ms);

#endif
