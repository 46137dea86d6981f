/* digest.c: see digest.h. */
#include "digest.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "err.h"

struct digest {
    XXH3_state_t *state;
    uint64_t stream_bytes;
    uint64_t checked_bytes;
    bool sampled;
};

struct digest *
digest_new(bool sampled)
{
    struct digest *digest = calloc(1, sizeof *digest);
    if (digest == NULL || (digest->state = XXH3_createState()) == NULL) {
        free(digest);
        err_set(STATUS_REFUSED, "no memory for the content's digest");
        return NULL;
    }
    XXH3_128bits_reset(digest->state);
    digest->sampled = sampled;
    return digest;
}

void
digest_free(struct digest *digest)
{
    if (digest == NULL)
        return;
    XXH3_freeState(digest->state);
    free(digest);
}

uint64_t
digest_window(uint64_t block)
{
    /* Fibonacci hashing (Knuth, TAOCP 6.4): neighbouring blocks get windows far apart. */
    uint64_t windows = DIGEST_BLOCK_BYTES / DIGEST_WINDOW_BYTES;
    uint64_t window = (block * UINT64_C(0x9e3779b97f4a7c15) >> 32) % windows;
    return block * DIGEST_BLOCK_BYTES + window * DIGEST_WINDOW_BYTES;
}

/* Adds those of the next `len` bytes that lie in a window. */
static void
add_windows(struct digest *digest, const unsigned char *data, size_t len)
{
    uint64_t begin = digest->stream_bytes;
    uint64_t end = begin + len;

    for (uint64_t block = begin / DIGEST_BLOCK_BYTES; block * DIGEST_BLOCK_BYTES < end; block++) {
        uint64_t from = digest_window(block);
        uint64_t to = from + DIGEST_WINDOW_BYTES;
        if (from < begin)
            from = begin;
        if (to > end)
            to = end;
        if (from >= to)
            continue;
        XXH3_128bits_update(digest->state, data + (from - begin), (size_t)(to - from));
        digest->checked_bytes += to - from;
    }
}

void
digest_add(struct digest *digest, const void *data, size_t len)
{
    if (digest->sampled)
        add_windows(digest, data, len);
    else {
        XXH3_128bits_update(digest->state, data, len);
        digest->checked_bytes += len;
    }
    digest->stream_bytes += len;
}

struct digest_value
digest_value(const struct digest *digest)
{
    XXH128_hash_t hash = XXH3_128bits_digest(digest->state);
    return (struct digest_value){.high = hash.high64, .low = hash.low64, .checked_bytes = digest->checked_bytes};
}
