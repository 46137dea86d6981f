/*
 * control.h: the control connection: fixed-size binary messages that set a trial up and bring its result back.
 *
 * A frame is a header of 16 bytes (magic "TGRM", wire version, type, length of the body) and a body whose length
 * is fixed by the type; every number is 64 bits in network order, every text a zero-padded field. A length on the
 * wire is only compared with the fixed one: nothing is allocated from it, and there is no text to parse.
 *
 *   sender                     receiver
 *   HELLO (what, how)      ->
 *                          <-  WELCOME (where the data goes, or why not)
 *   connects each data connection
 *   OPEN (which one I am)  ->  one each
 *                          <-  READY (options in effect, memory prepared, or why not)
 *   sends the data, SHUT_WR
 *   FINISH (bytes, digest) ->  one each
 *                          <-  HALF, READS..., SAMPLE...   for each connection
 *                          <-  DONE (the verdict of the receiver)
 */
#ifndef TINYGRAM_CONTROL_H
#define TINYGRAM_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "events.h"
#include "half.h"
#include "net.h"
#include "pattern.h"
#include "sockopt.h"

/* Rises with every change of a message. */
#define WIRE_VERSION 1

enum wire_type {
    WIRE_HELLO = 1,
    WIRE_WELCOME,
    WIRE_OPEN,
    WIRE_READY,
    WIRE_FINISH,
    WIRE_HALF,
    WIRE_READS,
    WIRE_SAMPLE,
    WIRE_DONE,
    WIRE_TYPES /* one past the last */
};

struct wire_hello {
    uint64_t stream_bytes; /* of each connection; MISSING: the sender's clock decides */
    uint64_t read_size;
    uint64_t connections;
    uint64_t wait;
    uint64_t verify;
    uint64_t log;
    uint64_t events_max;
    uint64_t sample_every_ns; /* MISSING: no samples */
    uint64_t timeout_ns;
    uint64_t cpu;            /* to pin the receiver to; MISSING: anywhere */
    uint64_t sched;          /* enum sched */
    uint64_t workload;       /* enum workload_kind */
    uint64_t stamps;         /* 1: kernel timestamps of what arrives */
    uint64_t rearm_quickack; /* 1: before each read */
    uint64_t rcvbuf_late;    /* 1: SO_RCVBUF on the accepted socket */
    struct pattern pattern;  /* of an exchange; else all 0 */
    uint64_t boot_high;      /* of the kernel's boot_id: one clock or two? */
    uint64_t boot_low;
    struct sockopt_values receiver; /* requested */
};

/* WELCOME, READY and DONE: how the receiver fares. `text` is its sentence when status is not 0. */
struct wire_reply {
    uint64_t status;
    uint64_t verify_full; /* WELCOME: 1: the content is stored, so every byte is checked */
    uint64_t same_clock;  /* WELCOME: both ends run under one kernel */
    struct endpoint data; /* WELCOME: connect here */
    uint64_t interrupted; /* DONE */
    char text[ERR_TEXT_BYTES];
};

struct wire_open {
    uint64_t index;
    struct endpoint sender; /* the connection's address at the sender */
};

struct wire_finish {
    uint64_t index;
    uint64_t bytes; /* sent */
    uint64_t digest_high;
    uint64_t digest_low;
    uint64_t checked_bytes; /* MISSING: not checked */
    uint64_t interrupted;
};

struct wire_half {
    uint64_t index;
    struct half half;
};

#define WIRE_READS_EACH 256

struct wire_reads {
    uint64_t index;
    uint64_t count;
    struct read_event read[WIRE_READS_EACH];
};

struct wire_sample {
    uint64_t index;
    struct sample sample;
};

/* The largest frame, header included. */
#define WIRE_FRAME_MAX 8192

/* Encodes `message` (of the struct that belongs to `type`) into frame[WIRE_FRAME_MAX]; returns the length. */
size_t wire_encode(enum wire_type type, const void *message, unsigned char *frame);

/* A frame that is arriving. */
struct wire_in {
    unsigned char frame[WIRE_FRAME_MAX];
    size_t have;
};

/* Reads what `fd` has without blocking, at most to the end of one frame. Returns 1 when the frame is complete,
 * 0 when more must come, -1 with STATUS_FAILED: closed, not tinygram, another wire version. */
int wire_receive(int fd, struct wire_in *in);

/* Type of a complete frame. */
enum wire_type wire_type_of(const struct wire_in *in);

/* Decodes a complete frame of `type` into `message` and makes room for the next. Returns 0, or -1 with
 * STATUS_FAILED when the frame is of another type. */
int wire_take(struct wire_in *in, enum wire_type type, void *message);

/* Turns Nagle's algorithm off on a control connection: its messages are small and follow each other, and must not
 * wait for a delayed ACK. A family without it needs none. */
void control_prepare(int fd);

/* Sends one message, waiting at most until `deadline_ns`. Returns 0, or -1 with STATUS_FAILED. */
int control_send(int fd, enum wire_type type, const void *message, uint64_t deadline_ns);

/* Receives one message of `type`, waiting at most until `deadline_ns`. Returns 0, or -1 with STATUS_FAILED. */
int control_receive(int fd, struct wire_in *in, enum wire_type type, void *message, uint64_t deadline_ns);

#endif
