/* digest_test.c: XXH3-128 against the values of xxh128sum, however the stream was cut; sampled against the covered
 * windows alone. */
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

/* The sampled digest of stream[len] taken from its definition: the covered windows, one behind the other. */
static struct digest_value
plain_sample(const unsigned char *stream, size_t len)
{
    unsigned char *windows = malloc(len + 1);
    size_t covered = 0;

    REQUIRE(windows != NULL);
    for (uint64_t block = 0; block * DIGEST_BLOCK_BYTES < len; block++)
        for (uint64_t at = digest_window(block); at < digest_window(block) + DIGEST_WINDOW_BYTES && at < len; at++)
            windows[covered++] = stream[at];
    struct digest_value value = digest_of(windows, covered, covered + 1, false);
    free(windows);
    return value;
}

static void
every_block_has_its_window(void)
{
    uint64_t places = 0;

    for (uint64_t block = 0; block < 1000; block++) {
        uint64_t begin = digest_window(block);
        CHECK(begin >= block * DIGEST_BLOCK_BYTES);
        CHECK(begin + DIGEST_WINDOW_BYTES <= (block + 1) * DIGEST_BLOCK_BYTES);
        places |= UINT64_C(1) << (begin % DIGEST_BLOCK_BYTES / DIGEST_WINDOW_BYTES);
    }
    CHECK_NUMBER(places, UINT64_MAX); /* every place within a block is covered in some block */
}

static void
samples_the_same_bytes_however_the_stream_was_cut(const unsigned char *stream)
{
    static const size_t pieces[] = {1, 100, 1023, 1024, 65535, 65536, 65537, 1000000, STREAM_BYTES};
    /* Ends before, within and behind the window of a block. */
    const size_t lengths[] = {0,
                              1,
                              (size_t)digest_window(7),
                              (size_t)digest_window(7) + 10,
                              (size_t)digest_window(7) + DIGEST_WINDOW_BYTES,
                              1000000,
                              STREAM_BYTES};

    for (size_t l = 0; l < sizeof lengths / sizeof lengths[0]; l++) {
        struct digest_value wanted = plain_sample(stream, lengths[l]);
        for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
            struct digest_value value = digest_of(stream, lengths[l], pieces[i], true);
            CHECK_NUMBER(value.high, wanted.high);
            CHECK_NUMBER(value.low, wanted.low);
            CHECK_NUMBER(value.checked_bytes, wanted.checked_bytes);
        }
    }
    CHECK_NUMBER(plain_sample(stream, (size_t)(10 * DIGEST_BLOCK_BYTES)).checked_bytes, 10 * DIGEST_WINDOW_BYTES);
}

static bool
differs(const unsigned char *stream, size_t len, struct digest_value from, bool sampled)
{
    struct digest_value value = digest_of(stream, len, 4096, sampled);
    return value.high != from.high || value.low != from.low;
}

static void
sees_what_it_is_there_for(unsigned char *stream)
{
    struct digest_value full = digest_of(stream, STREAM_BYTES, 4096, false);
    struct digest_value sampled = digest_of(stream, STREAM_BYTES, 4096, true);
    size_t window = (size_t)digest_window(20);

    stream[window + 1023] ^= 1; /* a changed bit: full sees it anywhere, sampled in a window */
    CHECK(differs(stream, STREAM_BYTES, full, false));
    CHECK(differs(stream, STREAM_BYTES, sampled, true));
    stream[window + 1023] ^= 1;
    stream[window + 1024] ^= 1;
    CHECK(differs(stream, STREAM_BYTES, full, false));
    CHECK(!differs(stream, STREAM_BYTES, sampled, true));
    stream[window + 1024] ^= 1;

    /* A block that never came, and a byte lost where nothing is covered, which shifts all that follows. */
    unsigned char *block = malloc(DIGEST_BLOCK_BYTES);
    REQUIRE(block != NULL);
    memcpy(block, stream + 5 * DIGEST_BLOCK_BYTES, DIGEST_BLOCK_BYTES);
    memset(stream + 5 * DIGEST_BLOCK_BYTES, 0, DIGEST_BLOCK_BYTES);
    CHECK(differs(stream, STREAM_BYTES, sampled, true));
    memcpy(stream + 5 * DIGEST_BLOCK_BYTES, block, DIGEST_BLOCK_BYTES);
    free(block);
    CHECK(!differs(stream, STREAM_BYTES, sampled, true));
    memmove(stream + window + 2000, stream + window + 2001, STREAM_BYTES - window - 2001);
    CHECK(differs(stream, STREAM_BYTES - 1, sampled, true));
}

int
main(void)
{
    unsigned char *stream = make_stream();

    agrees_with_xxh128sum(stream);
    every_block_has_its_window();
    samples_the_same_bytes_however_the_stream_was_cut(stream);
    sees_what_it_is_there_for(stream);
    free(stream);
    return check_end();
}
