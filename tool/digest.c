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

void
digest_add(struct digest *digest, const void *data, size_t len)
{
    const unsigned char *next = data;

    while (len > 0) {
        uint64_t in_block = digest->stream_bytes % DIGEST_BLOCK_BYTES;
        bool covered = !digest->sampled || digest->stream_bytes / DIGEST_BLOCK_BYTES % DIGEST_SAMPLE_EVERY == 0;
        size_t part = len;
        if (digest->sampled && part > DIGEST_BLOCK_BYTES - in_block)
            part = (size_t)(DIGEST_BLOCK_BYTES - in_block);
        if (covered) {
            XXH3_128bits_update(digest->state, next, part);
            digest->checked_bytes += part;
        }
        digest->stream_bytes += part;
        next += part;
        len -= part;
    }
}

struct digest_value
digest_value(const struct digest *digest)
{
    XXH128_hash_t hash = XXH3_128bits_digest(digest->state);
    return (struct digest_value){.high = hash.high64, .low = hash.low64, .checked_bytes = digest->checked_bytes};
}
