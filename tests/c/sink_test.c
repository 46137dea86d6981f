/* sink_test.c: bytes are kept or passed on, hashed and stored the same either way; a file appears whole or not at all.
 * Works in the current directory. */
#include "sink.h"

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "config.h"

#define STREAM_BYTES ((size_t)300000)

static unsigned char stream[STREAM_BYTES + 1];
static char found[SINK_PATH_BYTES]; /* the only file in "sink" */

/* Files in the directory, the temporary ones included; the name of the last goes into `found`. */
static size_t
files_there(void)
{
    size_t count = 0;
    DIR *directory = opendir("sink");

    REQUIRE(directory != NULL);
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        count++;
        snprintf(found, sizeof found, "sink/%s", entry->d_name);
    }
    closedir(directory);
    return count;
}

static struct sink_plan
plan_of(uint64_t stream_bytes, int verify, const char *output)
{
    return (struct sink_plan){
        .stream_bytes = stream_bytes, .read_size = 10000, .connections = 1, .verify = verify, .output = output};
}

/* Puts stream[len] into the sink in reads of at most `most` bytes. Returns what sink_take() said last. */
static int
pour(struct sink *sink, size_t len, size_t most)
{
    int said = 0;

    for (size_t at = 0; at < len && said == 0;) {
        size_t room;
        void *space = sink_space(sink, &room);
        size_t part = len - at < most ? len - at : most;
        CHECK(room >= 1);
        if (part > room)
            part = room;
        memcpy(space, stream + at, part);
        said = sink_take(sink, part);
        at += part;
    }
    return said;
}

static struct digest_value
digest_of(size_t len, bool sampled)
{
    struct digest *digest = digest_new(sampled);
    struct digest_value value;

    REQUIRE(digest != NULL);
    digest_add(digest, stream, len);
    value = digest_value(digest);
    digest_free(digest);
    return value;
}

/* The stored file holds stream[len]. */
static void
check_file(size_t len)
{
    struct stat status;
    unsigned char *content = malloc(len + 1);
    FILE *file = fopen(found, "r");

    REQUIRE(content != NULL && file != NULL);
    CHECK_NUMBER(fread(content, 1, len + 1, file), len);
    CHECK(memcmp(content, stream, len) == 0);
    CHECK(stat(found, &status) == 0 && (status.st_mode & 0777) == (0644 & ~022U));
    fclose(file);
    free(content);
}

static void
takes_a_stream(uint64_t announced, int verify, const char *output, bool kept)
{
    struct sink_plan plan = plan_of(announced, verify, output);
    struct digest_value value = {0}, wanted = digest_of(STREAM_BYTES, verify == VERIFY_SAMPLED);
    struct sink sink;
    bool checked, was_inline;

    REQUIRE(sink_open(&plan, &sink) == 0);
    CHECK(sink.kept == kept);
    CHECK(pour(&sink, STREAM_BYTES, 7001) == 0);
    if (output != NULL) {
        CHECK_NUMBER(files_there(), 1);
        CHECK(strncmp(found, "sink/.tinygram-", 15) == 0); /* hidden until it is complete */
    }
    REQUIRE(sink_finish(&sink, &value, &checked, &was_inline) == 0);
    CHECK(checked == (verify != VERIFY_OFF));
    CHECK(was_inline == !kept);
    if (checked) {
        CHECK_NUMBER(value.high, wanted.high);
        CHECK_NUMBER(value.low, wanted.low);
        CHECK_NUMBER(value.checked_bytes, wanted.checked_bytes);
    }
    sink_close(&sink); /* before it is settled, as a worker does it for its parent */
    CHECK(sink_settle(&sink, true) == 0);
    CHECK_NUMBER(files_there(), output != NULL);
    if (output != NULL) {
        CHECK(strncmp(found, "sink/tinygram-", 14) == 0);
        check_file(STREAM_BYTES);
        unlink(found);
    }
}

static void
every_way(void)
{
    static const int modes[] = {VERIFY_FULL, VERIFY_SAMPLED, VERIFY_OFF};

    for (size_t i = 0; i < 3; i++) {
        for (int stores = 0; stores < 2; stores++) {
            const char *output = stores ? "sink" : NULL;
            bool kept = modes[i] == VERIFY_FULL || stores;
            takes_a_stream(STREAM_BYTES, modes[i], output, kept);
            takes_a_stream(MISSING, modes[i], output, false);               /* of unknown length */
            takes_a_stream(VERIFY_KEEP_BYTES + 1, modes[i], output, false); /* too long to be kept */
        }
    }
}

static void
memory_is_shared_fairly(void)
{
    struct sink_plan plan = plan_of(VERIFY_KEEP_BYTES, VERIFY_FULL, NULL);
    struct sink sink;

    plan.connections = 5; /* of which four could be kept */
    REQUIRE(sink_open(&plan, &sink) == 0);
    CHECK(!sink.kept && sink.buffer_bytes == plan.read_size);
    sink_close(&sink);
}

static void
a_stream_longer_than_announced_is_refused(void)
{
    struct sink_plan plan = plan_of(STREAM_BYTES, VERIFY_FULL, "sink");
    struct sink sink;

    REQUIRE(sink_open(&plan, &sink) == 0);
    CHECK(pour(&sink, STREAM_BYTES + 1, 4096) == -1);
    CHECK_ERROR(STATUS_FAILED, "more than the 300000 bytes that it announced");
    sink_close(&sink);
    CHECK(sink_settle(&sink, false) == 0);
    CHECK_NUMBER(files_there(), 0);
}

static void
an_empty_stream(void)
{
    struct sink_plan plan = plan_of(1, VERIFY_FULL, "sink");
    struct digest_value value;
    struct sink sink;
    bool checked, was_inline;

    REQUIRE(sink_open(&plan, &sink) == 0);
    REQUIRE(sink_finish(&sink, &value, &checked, &was_inline) == 0);
    CHECK_NUMBER(value.high, UINT64_C(0x99aa06d3014798d8));
    sink_close(&sink);
    CHECK(sink_settle(&sink, false) == 0);
    CHECK_NUMBER(files_there(), 0);
}

static void
two_at_once_have_two_names(void)
{
    struct sink_plan plan = plan_of(MISSING, VERIFY_OFF, "sink");
    struct sink first, second;

    REQUIRE(sink_open(&plan, &first) == 0 && sink_open(&plan, &second) == 0);
    CHECK(strcmp(first.final_path, second.final_path) != 0);
    CHECK_NUMBER(files_there(), 2);
    sink_close(&first);
    sink_close(&second);
    sink_settle(&first, false);
    sink_settle(&second, false);
    CHECK_NUMBER(files_there(), 0);
}

/* The parent of a worker process that was killed: the record is there, the memory it names is not. */
static void
what_a_dead_worker_leaves_is_cleaned_up(void)
{
    struct sink_plan plan = plan_of(STREAM_BYTES, VERIFY_FULL, "sink");
    struct sink sink, workers;

    REQUIRE(sink_open(&plan, &workers) == 0);
    sink = workers;
    sink_close(&workers);
    sink_forget(&sink);
    sink_close(&sink); /* frees nothing for the second time */
    CHECK_NUMBER(files_there(), 1);
    CHECK(sink_settle(&sink, false) == 0);
    CHECK_NUMBER(files_there(), 0);
}

static void
what_cannot_be_stored_is_told(uint64_t announced)
{
    struct sink_plan plan = plan_of(announced, VERIFY_FULL, "sink");
    struct rlimit before, small;
    struct digest_value value;
    struct sink sink;
    bool checked, was_inline;

    signal(SIGXFSZ, SIG_IGN);
    REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
    small = before;
    small.rlim_cur = 100000;
    REQUIRE(sink_open(&plan, &sink) == 0);
    REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0); /* as a disk that is full after 100000 bytes */
    int said = pour(&sink, STREAM_BYTES, 4096);
    if (sink.kept)
        said = sink_finish(&sink, &value, &checked, &was_inline);
    CHECK(said == -1);
    REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
    CHECK_ERROR(STATUS_REFUSED, "cannot write sink/.tinygram-");
    sink_close(&sink);
    CHECK(sink_settle(&sink, false) == 0);
    CHECK_NUMBER(files_there(), 0);
}

static void
a_bad_directory_is_told(void)
{
    struct sink_plan plan = plan_of(1000, VERIFY_FULL, "sink/no");
    char path[2 * SINK_PATH_BYTES];
    struct sink sink;

    CHECK(sink_open(&plan, &sink) == -1);
    CHECK_ERROR(STATUS_REFUSED, "cannot create a file in --output sink/no");
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    plan.output = path;
    CHECK(sink_open(&plan, &sink) == -1);
    CHECK_ERROR(STATUS_USAGE, "too long");
    CHECK_NUMBER(files_there(), 0);
}

int
main(void)
{
    umask(022);
    REQUIRE(mkdir("sink", 0755) == 0);
    for (size_t i = 0; i < sizeof stream; i++)
        stream[i] = (unsigned char)(i * 31 % 251);
    every_way();
    memory_is_shared_fairly();
    a_stream_longer_than_announced_is_refused();
    an_empty_stream();
    two_at_once_have_two_names();
    what_a_dead_worker_leaves_is_cleaned_up();
    what_cannot_be_stored_is_told(STREAM_BYTES);
    what_cannot_be_stored_is_told(MISSING);
    a_bad_directory_is_told();
    rmdir("sink");
    return check_end();
}
