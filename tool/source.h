/*
 * source.h: the bytes that a sender sends: a regular file, or pseudo-random bytes in memory.
 *
 * Either is mapped and its pages are touched before the first timestamp, so that the sending loop reads memory
 * and never waits for a disk. The stream of a connection is the source again and again. A file that changes
 * while it is sent is found out by source_check() and by the content's digest.
 */
#ifndef TINYGRAM_SOURCE_H
#define TINYGRAM_SOURCE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "digest.h"

struct config;

struct source {
    const unsigned char *data; /* the mapped bytes */
    uint64_t bytes;            /* of the source itself */
    uint64_t stream_bytes;     /* what one connection sends in all; MISSING when --duration decides */
    int fd;                    /* for sendfile and splice; -1 when there is none */
    const char *path;          /* the file; NULL for memory */
    off_t size;                /* as it was opened */
    struct timespec modified;
};

/* Opens what `config` names. Returns 0, or -1 with STATUS_USAGE (not a regular file, empty) or STATUS_REFUSED
 * (missing, unreadable, no memory). Free with source_close(). */
int source_open(const struct config *config, struct source *source);
void source_close(struct source *source);

/* Digest of the first `stream_bytes` of the stream. Returns 0, or -1 with an error. */
int source_digest(const struct source *source, uint64_t stream_bytes, bool sampled, struct digest_value *value);

/* Returns 0 when the file is as it was opened, or -1 with STATUS_FAILED that says how it changed. */
int source_check(const struct source *source);

#endif
