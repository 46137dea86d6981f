/* source_test.c: what may be sent, the stream that it makes, and how a change of the file is found out. Works in the
 * current directory. */
#include "source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "config.h"

static struct config
config_of_file(const char *path)
{
    return (struct config){
        .file = path, .bytes = MISSING, .repeat = 1, .duration_ns = MISSING, .write_size = 1000, .seed = 1};
}

static struct config
config_of_memory(uint64_t bytes, uint64_t write_size)
{
    return (struct config){.bytes = bytes, .repeat = 1, .duration_ns = MISSING, .write_size = write_size, .seed = 1};
}

static void
make_file(const char *path, size_t bytes)
{
    FILE *file = fopen(path, "w");

    REQUIRE(file != NULL);
    for (size_t i = 0; i < bytes; i++)
        fputc((int)(i * 7 % 251), file);
    REQUIRE(fclose(file) == 0);
}

/* The digest of the stream, taken from its bytes one by one. */
static struct digest_value
plain_digest(const struct source *source, uint64_t stream_bytes)
{
    struct digest *digest = digest_new(false);
    struct digest_value value;

    REQUIRE(digest != NULL);
    for (uint64_t i = 0; i < stream_bytes; i++)
        digest_add(digest, source->data + i % source->bytes, 1);
    value = digest_value(digest);
    digest_free(digest);
    return value;
}

static void
check_digest(const struct source *source, uint64_t stream_bytes)
{
    struct digest_value plain = plain_digest(source, stream_bytes), found;

    REQUIRE(source_digest(source, stream_bytes, false, &found) == 0);
    CHECK_NUMBER(found.high, plain.high);
    CHECK_NUMBER(found.low, plain.low);
    CHECK_NUMBER(found.checked_bytes, stream_bytes);
}

static void
a_file_is_its_bytes(void)
{
    struct config config = config_of_file("source.bin");
    struct source source;

    make_file("source.bin", 12345);
    REQUIRE(source_open(&config, &source) == 0);
    CHECK_NUMBER(source.bytes, 12345);
    CHECK_NUMBER(source.stream_bytes, 12345);
    for (size_t i = 0; i < 12345; i++)
        if (!CHECK(source.data[i] == i * 7 % 251))
            break;
    check_digest(&source, 12345);
    check_digest(&source, 30000); /* again and again */
    check_digest(&source, 0);
    CHECK(source_check(&source) == 0);
    source_close(&source);
    CHECK(source.fd == -1);
    source_close(&source); /* twice is once */

    config.repeat = 10;
    REQUIRE(source_open(&config, &source) == 0);
    CHECK_NUMBER(source.stream_bytes, 123450);
    source_close(&source);
    config.repeat = 1;
    config.duration_ns = NS_PER_S;
    REQUIRE(source_open(&config, &source) == 0);
    CHECK_NUMBER(source.stream_bytes, MISSING); /* the clock decides */
    source_close(&source);
}

static void
memory_is_seeded(void)
{
    struct config config = config_of_memory(100000, 1000);
    struct source first, second;

    REQUIRE(source_open(&config, &first) == 0);
    CHECK_NUMBER(first.stream_bytes, 100000);
    CHECK(first.bytes >= 64000 && first.bytes % 1000 == 0); /* whole writes, and long */
    check_digest(&first, 100000);
    REQUIRE(source_open(&config, &second) == 0);
    CHECK(memcmp(first.data, second.data, (size_t)first.bytes) == 0); /* the same seed, the same bytes */
    source_close(&second);
    config.seed = 2;
    REQUIRE(source_open(&config, &second) == 0);
    CHECK(memcmp(first.data, second.data, (size_t)first.bytes) != 0);
    source_close(&second);
    /* No byte value is rare: a block that is all zeros would be no test of anything. */
    unsigned counts[256] = {0};
    for (uint64_t i = 0; i < first.bytes; i++)
        counts[first.data[i]]++;
    for (int value = 0; value < 256; value++)
        CHECK(counts[value] > first.bytes / 512);
    CHECK(source_check(&first) == 0);
    source_close(&first);
}

static void
memory_of_every_size(void)
{
    static const uint64_t sizes[][2] = {{1, 1}, {1, 1000000}, {7, 3}, {65535, 100}, {65537, 65536}, {1000000, 999999}};

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct config config = config_of_memory(sizes[i][0], sizes[i][1]);
        struct source source;
        REQUIRE(source_open(&config, &source) == 0);
        CHECK_NUMBER(source.stream_bytes, sizes[i][0]);
        CHECK(source.bytes >= 1 && source.bytes <= sizes[i][0]);
        check_digest(&source, source.stream_bytes);
        source_close(&source);
    }
}

static void
refuse(const char *path, enum status status, const char *words)
{
    struct config config = config_of_file(path);
    struct source source;

    CHECK(source_open(&config, &source) == -1);
    CHECK(strstr(err_text(), path) != NULL);
    CHECK_ERROR(status, words);
    CHECK(source.fd == -1);
}

static void
what_is_no_file_is_refused(void)
{
    make_file("empty", 0);
    REQUIRE(mkfifo("fifo", 0600) == 0);
    refuse("no.such.file", STATUS_REFUSED, "No such file or directory");
    refuse("empty", STATUS_USAGE, "is empty");
    refuse(".", STATUS_USAGE, "is a directory");
    refuse("fifo", STATUS_USAGE, "is a FIFO"); /* and nobody waits for its writer */
    refuse("/dev/zero", STATUS_USAGE, "is a character device");
    unlink("empty");
    unlink("fifo");

    struct config config = config_of_memory(UINT64_C(1) << 62, 1000);
    struct source source;
    config.repeat = 2;
    CHECK(source_open(&config, &source) == -1);
    CHECK_ERROR(STATUS_USAGE, "more bytes than can be counted");
}

static void
a_change_is_found_out(void)
{
    struct config config = config_of_file("source.bin");
    struct source source;

    make_file("source.bin", 12345);
    REQUIRE(source_open(&config, &source) == 0);
    REQUIRE(truncate("source.bin", 12000) == 0);
    CHECK(source_check(&source) == -1);
    CHECK_ERROR(STATUS_FAILED, "shrank from 12345 to 12000 bytes");
    REQUIRE(truncate("source.bin", 13000) == 0);
    CHECK(source_check(&source) == -1);
    CHECK_ERROR(STATUS_FAILED, "grew from 12345 to 13000 bytes");
    source_close(&source);

    make_file("source.bin", 12345);
    struct timespec old[] = {{.tv_sec = 1000000}, {.tv_sec = 1000000}};
    REQUIRE(utimensat(AT_FDCWD, "source.bin", old, 0) == 0);
    REQUIRE(source_open(&config, &source) == 0);
    int fd = open("source.bin", O_WRONLY);
    REQUIRE(fd >= 0 && pwrite(fd, "x", 1, 100) == 1 && close(fd) == 0);
    CHECK(source_check(&source) == -1);
    CHECK_ERROR(STATUS_FAILED, "was written to while it was sent");
    source_close(&source);

    /* A file that is replaced by another of its name is not the one that is sent. */
    REQUIRE(source_open(&config, &source) == 0);
    make_file("other.bin", 5);
    REQUIRE(rename("other.bin", "source.bin") == 0);
    CHECK(source_check(&source) == 0);
    source_close(&source);
    unlink("source.bin");
}

int
main(void)
{
    a_file_is_its_bytes();
    memory_is_seeded();
    memory_of_every_size();
    what_is_no_file_is_refused();
    a_change_is_found_out();
    return check_end();
}
