/* sink.c: see sink.h. _GNU_SOURCE for MADV_HUGEPAGE. */
#define _GNU_SOURCE
#include "sink.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "config.h"
#include "err.h"

#define PAGE_BYTES 4096U

static int
make_buffer(const struct sink_plan *plan, struct sink *sink)
{
    bool known = plan->stream_bytes != MISSING && plan->stream_bytes <= VERIFY_KEEP_BYTES &&
                 plan->stream_bytes * plan->connections <= 4 * VERIFY_KEEP_BYTES;

    sink->kept = known && (plan->verify == VERIFY_FULL || plan->output != NULL);
    /* One byte more than was announced, so that a sender that sends too much is seen. */
    sink->buffer_bytes = sink->kept ? (size_t)plan->stream_bytes + 1 : (size_t)plan->read_size;
    sink->read_size = plan->read_size;
    void *memory = mmap(NULL, sink->buffer_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return err_system(errno, "no memory for %zu received bytes; use --verify sampled or a smaller --read-size",
                          sink->buffer_bytes);
    sink->buffer = memory;
    madvise(memory, sink->buffer_bytes, MADV_HUGEPAGE); /* advice: nothing depends on it */
    for (size_t at = 0; at < sink->buffer_bytes; at += PAGE_BYTES)
        ((volatile unsigned char *)memory)[at] = 0;
    return 0;
}

/* Creates the temporary file. Its name is made of our own clock, process and counter alone: nothing that came
 * over the network has a part in it. */
static int
make_output(const char *directory, struct sink *sink)
{
    static atomic_uint counter;
    unsigned number = atomic_fetch_add(&counter, 1);
    struct timespec now;
    struct tm utc;
    char stamp[32];
    char name[96];

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%S", &utc);
    snprintf(name, sizeof name, "tinygram-%s.%09ld-%ld-%u", stamp, now.tv_nsec, (long)getpid(), number);
    if (strlen(directory) + sizeof name + 8 > SINK_PATH_BYTES)
        return err_set(STATUS_USAGE, "--output: the path of the directory is too long");
    snprintf(sink->final_path, SINK_PATH_BYTES, "%s/%s.bin", directory, name);
    snprintf(sink->part_path, SINK_PATH_BYTES, "%s/.%s.part", directory, name);
    sink->output_fd = open(sink->part_path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (sink->output_fd < 0) {
        int code = errno;
        sink->part_path[0] = '\0';
        return err_system(code, "cannot create a file in --output %.200s", directory);
    }
    return 0;
}

int
sink_open(const struct sink_plan *plan, struct sink *sink)
{
    *sink = (struct sink){.output_fd = -1};
    if (make_buffer(plan, sink) != 0)
        goto failed;
    if (plan->verify != VERIFY_OFF && (sink->digest = digest_new(plan->verify == VERIFY_SAMPLED)) == NULL)
        goto failed;
    if (plan->output != NULL && make_output(plan->output, sink) != 0)
        goto failed;
    return 0;

failed:
    sink_close(sink);
    sink_settle(sink, false);
    return -1;
}

static int
store(struct sink *sink, const unsigned char *data, size_t len)
{
    while (sink->output_fd >= 0 && len > 0) {
        ssize_t written = write(sink->output_fd, data, len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return err_system(errno, "cannot write %.200s", sink->part_path);
        data += written;
        len -= (size_t)written;
    }
    return 0;
}

int
sink_take(struct sink *sink, size_t len)
{
    if (sink->kept) {
        sink->used += len;
        if (sink->used == sink->buffer_bytes)
            return err_set(STATUS_FAILED, "the sender sent more than the %zu bytes that it announced",
                           sink->buffer_bytes - 1);
        return 0;
    }
    if (sink->digest != NULL)
        digest_add(sink->digest, sink->buffer, len);
    return store(sink, sink->buffer, len);
}

int
sink_finish(struct sink *sink, struct digest_value *value, bool *checked, bool *was_inline)
{
    *checked = sink->digest != NULL;
    *was_inline = !sink->kept;
    if (sink->kept) {
        if (sink->digest != NULL)
            digest_add(sink->digest, sink->buffer, sink->used);
        if (store(sink, sink->buffer, sink->used) != 0)
            return -1;
    }
    if (sink->digest != NULL)
        *value = digest_value(sink->digest);
    int fd = sink->output_fd;
    sink->output_fd = -1;
    if (fd >= 0 && close(fd) != 0)
        return err_system(errno, "cannot write %.200s", sink->part_path);
    return 0;
}

void
sink_forget(struct sink *sink)
{
    sink->output_fd = -1;
    sink->buffer = NULL;
    sink->digest = NULL;
}

void
sink_close(struct sink *sink)
{
    if (sink->output_fd >= 0)
        close(sink->output_fd);
    if (sink->buffer != NULL)
        munmap(sink->buffer, sink->buffer_bytes);
    digest_free(sink->digest);
    sink_forget(sink);
}

int
sink_settle(struct sink *sink, bool keep)
{
    if (sink->part_path[0] == '\0')
        return 0;
    int result = 0;
    if (!keep)
        unlink(sink->part_path);
    else if (rename(sink->part_path, sink->final_path) != 0) {
        result = err_system(errno, "cannot give %.160s its final name", sink->part_path);
        unlink(sink->part_path);
    }
    sink->part_path[0] = '\0';
    return result;
}
