/*
 * sink.h: where a receiver puts the bytes of one data connection, and how it checks and stores them.
 *
 * Touching every byte costs goodput wherever it is done: hashing in the reading loop competes for the CPU, and
 * keeping the bytes to hash them later makes the kernel copy into memory that is not warm in the cache. Only a sample
 * is cheap. So:
 *   kept     the whole stream, for --verify full when its length is known and small: hashed and stored after the last
 *            read;
 *   hot      one buffer of read_size bytes, used again and again; the digest and --output are served between the
 *            reads, and the result says so ("where": "inline").
 * `make bench` prints what each costs.
 */
#ifndef TINYGRAM_SINK_H
#define TINYGRAM_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "digest.h"

/* What a sink is asked to do. */
struct sink_plan {
    uint64_t stream_bytes; /* MISSING: not known in advance */
    uint64_t read_size;
    uint64_t connections; /* that share the bound of memory */
    int verify;           /* enum verify, never VERIFY_AUTO */
    const char *output;   /* directory, or NULL */
};

/* Room for the path of a stored file. */
#define SINK_PATH_BYTES 1024

/* Holds no pointer that sink_settle() needs: a forked worker fills it, its parent settles. */
struct sink {
    unsigned char *buffer;
    size_t buffer_bytes;
    size_t used; /* bytes of the buffer that hold data (kept) */
    bool kept;
    uint64_t read_size;
    struct digest *digest;           /* NULL: no check */
    int output_fd;                   /* -1: nothing is stored, or it is complete and closed */
    char part_path[SINK_PATH_BYTES]; /* the file under its temporary and its final name; "" when there is none */
    char final_path[SINK_PATH_BYTES];
};

/* Allocates and touches all memory and creates the temporary file. Returns 0, or -1 with an error. */
int sink_open(const struct sink_plan *plan, struct sink *sink);

/* Where the next read may put bytes, and how many (*len is at least 1). */
static inline void *
sink_space(const struct sink *sink, size_t *len)
{
    size_t room = sink->buffer_bytes - sink->used;
    *len = room < sink->read_size ? room : (size_t)sink->read_size;
    return sink->buffer + sink->used;
}

/* Tells that a read has put `len` bytes there. Returns 0, or -1 with an error (more than was announced; the
 * output cannot be written). */
int sink_take(struct sink *sink, size_t len);

/* After the last read: hashes and stores what was kept and closes the file. Returns 0, or -1 with an error. */
int sink_finish(struct sink *sink, struct digest_value *value, bool *checked, bool *was_inline);

/* Frees all memory, in the process that called sink_open(). */
void sink_close(struct sink *sink);

/* Forgets the memory and the descriptor of a worker process that has ended: they went with it. */
void sink_forget(struct sink *sink);

/* Gives the stored file its final name (keep), or removes it. Returns 0, or -1 with an error. */
int sink_settle(struct sink *sink, bool keep);

#endif
