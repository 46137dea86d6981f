/* digest_test.c: XXH3-128 against the values of xxh128sum, however the stream was cut; sampled against the covered
 * blocks alone. */
#include "digest.h"

#include "check.h"

#define STREAM_BYTES ((size_t)4000000)

/* Bytes for which xxh128sum 0.8.1 gave the values below. */
static unsigned char *
make_stream(void)
{
    unsigned char *stream = malloc(STREAM_BYTES);
    REQUIRE(stream != NULL);
    for (size_t i = 0; i < STREAM_BYTES; i++)
        stream[i] = (unsigned char)(i * 31 + 7 + (i >> 8));
    return stream;
}

/* The digest of stream[len], handed over in pieces of `piece` bytes, as xxh128sum prints it. */
static struct digest_value
digest_of(const unsigned char *stream, size_t len, size_t piece, bool sampled)
{
    struct digest *digest = digest_new(sampled);
    struct digest_value value;

    REQUIRE(digest != NULL);
    for (size_t at = 0; at < len; at += piece)
        digest_add(digest, stream + at, len - at < piece ? len - at : piece);
    value = digest_value(digest);
    digest_free(digest);
    return value;
}

static const char *
text_of(struct digest_value value)
{
    static char text[40];
    snprintf(text, sizeof text, "%016" PRIx64 "%016" PRIx64, value.high, value.low);
    return text;
}

static void
agrees_with_xxh128sum(const unsigned char *stream)
{
    static const size_t pieces[] = {1, 7, 100, 1448, 65536, 65537, 131072, STREAM_BYTES};

    CHECK_TEXT(text_of(digest_of((const unsigned char *)"", 0, 1, false)), "99aa06d3014798d86001c324468d497f");
    CHECK_TEXT(text_of(digest_of((const unsigned char *)"a", 1, 1, false)), "a96faf705af16834e6c632b61e964e1f");
    CHECK_TEXT(text_of(digest_of((const unsigned char *)"abc", 3, 1, false)), "06b05ab6733a618578af5f94892f3950");
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        struct digest_value value = digest_of(stream, STREAM_BYTES, pieces[i], false);
        CHECK_TEXT(text_of(value), "6b7c7ba94dc118b676d26848676e3e6e");
        CHECK_NUMBER(value.checked_bytes, STREAM_BYTES);
    }
}

static void
samples_the_same_bytes_however_the_stream_was_cut(const unsigned char *stream)
{
    static const size_t pieces[] = {1, 100, 65535, 65536, 65537, 1000000, STREAM_BYTES};

    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        struct digest_value value = digest_of(stream, STREAM_BYTES, pieces[i], true);
        CHECK_TEXT(text_of(value), "81b0db99938199c6eceae816a045c74b"); /* xxh128sum of blocks 0, 16, 32, 48 */
        CHECK_NUMBER(value.checked_bytes, 4 * DIGEST_BLOCK_BYTES);
    }
    /* A stream that ends inside a covered block. */
    size_t len = (size_t)(16 * DIGEST_BLOCK_BYTES + 10);
    CHECK_NUMBER(digest_of(stream, len, 4096, true).checked_bytes, DIGEST_BLOCK_BYTES + 10);
    /* One that ends before the second covered block. */
    len = (size_t)(15 * DIGEST_BLOCK_BYTES);
    CHECK_NUMBER(digest_of(stream, len, 4096, true).checked_bytes, DIGEST_BLOCK_BYTES);
}

static void
sees_what_it_is_there_for(unsigned char *stream)
{
    const char *full = "6b7c7ba94dc118b676d26848676e3e6e";
    const char *sampled = "81b0db99938199c6eceae816a045c74b";

    stream[STREAM_BYTES - 1] ^= 1; /* a flipped bit: full sees it anywhere, sampled in a covered block */
    CHECK(strcmp(text_of(digest_of(stream, STREAM_BYTES, 4096, false)), full) != 0);
    CHECK_TEXT(text_of(digest_of(stream, STREAM_BYTES, 4096, true)), sampled);
    stream[STREAM_BYTES - 1] ^= 1;
    stream[16 * DIGEST_BLOCK_BYTES] ^= 1;
    CHECK(strcmp(text_of(digest_of(stream, STREAM_BYTES, 4096, true)), sampled) != 0);
    stream[16 * DIGEST_BLOCK_BYTES] ^= 1;

    /* A byte lost in a block that is not covered shifts the covered blocks behind it. */
    memmove(stream + 100000, stream + 100001, STREAM_BYTES - 100001);
    CHECK(strcmp(text_of(digest_of(stream, STREAM_BYTES - 1, 4096, true)), sampled) != 0);
}

int
main(void)
{
    unsigned char *stream = make_stream();

    agrees_with_xxh128sum(stream);
    samples_the_same_bytes_however_the_stream_was_cut(stream);
    sees_what_it_is_there_for(stream);
    free(stream);
    return check_end();
}
