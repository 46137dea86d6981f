/*
 * probe.h: what an option takes on this kernel: tried on fresh sockets, never looked up in a table.
 *
 * Numbers from INT_MIN to INT_MAX are tried at the places where limits usually lie (powers of two and their
 * neighbours); where one of two neighbouring trials is taken and the other refused, the border between them is searched
 * by halving. A hole that lies between two places that were tried and both taken is not seen.
 */
#ifndef TINYGRAM_PROBE_H
#define TINYGRAM_PROBE_H

#include <stdbool.h>

/* What is set: a number, the address of an interface (IP_MULTICAST_IF), or a name (TCP_CONGESTION). */
enum probe_kind { PROBE_NUMBER, PROBE_ADDRESS, PROBE_NAME };

struct probe_option {
    const char *kernel_name;
    int type; /* SOCK_STREAM, SOCK_DGRAM */
    int level, optname;
    enum probe_kind kind;
    const char *doc;
};

#define PROBE_SPANS 6
#define PROBE_TEXT_BYTES 32

/* A value that was tried: what reads back (got), or the errno value. */
struct probe_trial {
    long value;
    char text[PROBE_TEXT_BYTES]; /* not empty: it is a name or an address */
    int code;                    /* 0: taken */
    bool readable;               /* it reads back */
    long got;
    char got_text[PROBE_TEXT_BYTES];
};

struct probe_found {
    bool readable; /* a fresh socket tells it */
    long value;    /* then: what it says */
    char text[PROBE_TEXT_BYTES];
    int read_code; /* else: the errno value */
    unsigned span_count;
    struct {
        struct probe_trial lowest, highest;
    } span[PROBE_SPANS]; /* all that is taken, in ascending order (names and addresses: one each) */
    unsigned effect_count;
    struct probe_trial effect[2 * PROBE_SPANS + 1]; /* of what is taken: 1, the ends of the spans (but INT_MIN) */
    unsigned refused_count;
    struct probe_trial refused[PROBE_SPANS + 1]; /* beside a border each, and what lies farthest out */
};

/* Tries the option on fresh sockets of its type. Returns 0, or -1 with an error when no socket can be made. */
int probe_try(const struct probe_option *option, struct probe_found *found);

/* "EINVAL" for EINVAL, "error N" for what has no name here. */
const char *probe_errno(int code);

#endif
