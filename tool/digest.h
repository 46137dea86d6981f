/*
 * digest.h: XXH3-128 over the content of one data connection.
 *
 * Two modes. `full` covers every byte. `sampled` covers 1 KiB of every 64 KiB of the byte stream, at a place that
 * differs from block to block. Blocks are counted in the stream, not in reads, so both ends cover the same bytes
 * however the stream was cut. A byte that is lost, doubled or moved shifts all that follows it, so sampling finds it
 * in the next block; a whole block that is wrong is found, too; a single byte that is only changed is found with a
 * probability of 1 in 64.
 * Source: xxHash's XXH3 specification; header-only use of libxxhash.
 */
#ifndef TINYGRAM_DIGEST_H
#define TINYGRAM_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIGEST_BLOCK_BYTES (UINT64_C(64) << 10)
#define DIGEST_WINDOW_BYTES (UINT64_C(1) << 10)

/* Where in the stream the covered window of block number `block` begins. */
uint64_t digest_window(uint64_t block);

/* The finished value: canonical (big-endian) halves, high first, and how many bytes it covers. */
struct digest_value {
    uint64_t high;
    uint64_t low;
    uint64_t checked_bytes;
};

struct digest;

/* A new digest, or NULL with an error when memory is short. Free it with digest_free(). */
struct digest *digest_new(bool sampled);
void digest_free(struct digest *digest);

/* Adds the next `len` bytes of the stream. Never allocates. */
void digest_add(struct digest *digest, const void *data, size_t len);

/* The value of all that was added so far. */
struct digest_value digest_value(const struct digest *digest);

#endif
