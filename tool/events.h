/*
 * events.h: the raw material of every timing: what happened to which byte at what time on one end of one
 * data connection.
 *
 * A log is allocated and, as far as the transfer will need it, touched before the first timestamp; adding never
 * allocates. The bound (--events-max) is per connection and end: 24 bytes a write and a read event each.
 * When the number of writes is known in advance to pass the bound, only every stride-th is kept; what does not
 * fit is counted in `dropped`, and the result tells.
 */
#ifndef TINYGRAM_EVENTS_H
#define TINYGRAM_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tcpinfo.h"

/* One chunk handed to the kernel. */
struct write_event {
    uint64_t offset;    /* of the byte after its last, counted from the first of the connection */
    uint64_t before_ns; /* clock read just before the first write call of the chunk */
    uint64_t after_ns;  /* clock read just after the last write call of the chunk returned */
};

/* One successful read. */
struct read_event {
    uint64_t offset;    /* bytes read so far, this read included */
    uint64_t after_ns;  /* clock read just after the read call returned */
    uint64_t kernel_ns; /* when the kernel received the segment of its last byte (CLOCK_REALTIME); 0: no stamp */
};

/* One TCP_INFO snapshot of a running transfer. */
struct sample {
    uint64_t at_ns;
    uint64_t offset;
    struct tcpinfo info;
};

/* Room for samples on each connection and end (--sample-every); about 530 bytes each. */
#define SAMPLES_MAX 4096

/* A log of one kind of event. `entry` is an array of write_event or read_event; shared memory, so that a forked
 * worker can fill it for its parent. */
struct event_log {
    size_t capacity; /* 0: recording is off */
    size_t count;
    uint64_t stride;  /* every stride-th event is kept */
    uint64_t seen;    /* events offered */
    uint64_t dropped; /* events that should have been kept and did not fit */
    uint64_t lost;    /* stamps: how often the kernel had thrown some away before they could be collected */
    size_t entry_bytes;
    void *entry;
};

/* Prepares an empty log for at most `capacity` entries of `entry_bytes`; the pages of the first `expected` are
 * touched now. Returns 0, or -1 with an error. Free it with event_log_free(). */
int event_log_prepare(struct event_log *log, size_t entry_bytes, size_t capacity, size_t expected);
void event_log_free(struct event_log *log);

/* The slot of the next event, or NULL when it is not to be kept (recording off, stride, full: counted). */
static inline void *
event_log_next(struct event_log *log)
{
    if (log->seen++ % log->stride != 0)
        return NULL;
    if (log->count == log->capacity) {
        log->dropped += log->capacity > 0;
        return NULL;
    }
    return (unsigned char *)log->entry + log->count++ * log->entry_bytes;
}

/* Appends one write of a chunk that ends at `offset`. */
static inline void
event_log_write(struct event_log *log, uint64_t offset, uint64_t before_ns, uint64_t after_ns)
{
    struct write_event *event = event_log_next(log);
    if (event != NULL)
        *event = (struct write_event){.offset = offset, .before_ns = before_ns, .after_ns = after_ns};
}

/* Appends one read. */
static inline void
event_log_read(struct event_log *log, struct read_event read)
{
    struct read_event *event = event_log_next(log);
    if (event != NULL)
        *event = read;
}

/* Takes a snapshot of `fd` into a log of struct sample; one that does not fit is counted. */
void event_log_sample(struct event_log *log, int fd, uint64_t offset, uint64_t at_ns);

#endif
