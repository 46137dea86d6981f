/* source.c: see source.h. _GNU_SOURCE for memfd_create() and MAP_POPULATE. */
#define _GNU_SOURCE
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "config.h"
#include "err.h"

/* Least length of the block that --bytes repeats: longer than any read would find again by chance. */
#define BLOCK_BYTES (UINT64_C(64) << 10)

static int
refuse_kind(const char *path, mode_t mode)
{
    const char *kind = S_ISDIR(mode)    ? "a directory"
                       : S_ISFIFO(mode) ? "a FIFO"
                       : S_ISCHR(mode)  ? "a character device"
                       : S_ISBLK(mode)  ? "a block device"
                                        : "not a file";
    return err_set(STATUS_USAGE, "--file %.200s is %s; only a regular file can be sent, measured and checked", path,
                   kind);
}

static int
open_file(const char *path, struct source *source)
{
    struct stat status;

    source->path = path;
    source->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* O_NONBLOCK: a FIFO must not hang the open */
    if (source->fd < 0)
        return err_system(errno, "cannot open --file %.200s", path);
    if (fstat(source->fd, &status) != 0)
        return err_system(errno, "cannot examine --file %.200s", path);
    if (!S_ISREG(status.st_mode))
        return refuse_kind(path, status.st_mode);
    if (status.st_size == 0)
        return err_set(STATUS_USAGE, "--file %.200s is empty: there is nothing to send", path);
    source->bytes = (uint64_t)status.st_size;
    source->size = status.st_size;
    source->modified = status.st_mtim;
    void *data = mmap(NULL, (size_t)source->bytes, PROT_READ, MAP_SHARED | MAP_POPULATE, source->fd, 0);
    if (data == MAP_FAILED)
        return err_system(errno, "cannot map --file %.200s", path);
    source->data = data;
    return 0;
}

/* One step of SplitMix64 (Steele, Lea, Flood 2014): seeded, fast, no two blocks alike. */
static uint64_t
next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static int
make_memory(const struct config *config, struct source *source)
{
    uint64_t chunk = config->write_size < config->bytes ? config->write_size : config->bytes;
    uint64_t block = chunk >= BLOCK_BYTES ? chunk : BLOCK_BYTES / chunk * chunk;
    uint64_t state = config->seed;

    source->bytes = block < config->bytes ? block : config->bytes;
    source->fd = memfd_create("tinygram", MFD_CLOEXEC);
    if (source->fd < 0 || ftruncate(source->fd, (off_t)source->bytes) != 0)
        return err_system(errno, "no memory for --bytes in writes of %" PRIu64, config->write_size);
    unsigned char *data =
        mmap(NULL, (size_t)source->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, source->fd, 0);
    if (data == MAP_FAILED)
        return err_system(errno, "no memory for --bytes in writes of %" PRIu64, config->write_size);
    source->data = data;
    for (uint64_t at = 0; at < source->bytes; at += sizeof state) {
        uint64_t word = next_random(&state);
        uint64_t rest = source->bytes - at;
        memcpy(data + at, &word, rest < sizeof word ? (size_t)rest : sizeof word);
    }
    return 0;
}

/* A mapped file that shrank raises SIGBUS in whoever touches the missing part outside a system call. */
static void
handle_bus_error(int signal_number)
{
    static const char sentence[] = "tinygram: --file shrank while it was sent; send a file that nobody changes\n";
    (void)signal_number;
    if (write(STDERR_FILENO, sentence, sizeof sentence - 1) < 0)
        _exit(STATUS_REFUSED);
    _exit(STATUS_FAILED);
}

int
source_open(const struct config *config, struct source *source)
{
    *source = (struct source){.fd = -1};
    int result = config->file != NULL ? open_file(config->file, source) : make_memory(config, source);
    if (result != 0) {
        source_close(source);
        return -1;
    }
    if (config->file != NULL) {
        struct sigaction action = {.sa_handler = handle_bus_error};
        sigemptyset(&action.sa_mask);
        sigaction(SIGBUS, &action, NULL);
    }
    uint64_t once = config->file != NULL ? source->bytes : config->bytes;
    if (once > INT64_MAX / config->repeat) {
        source_close(source);
        return err_set(STATUS_USAGE, "--repeat %" PRIu64 " makes more bytes than can be counted", config->repeat);
    }
    source->stream_bytes = config->duration_ns != MISSING ? MISSING : once * config->repeat;
    return 0;
}

void
source_close(struct source *source)
{
    if (source->data != NULL)
        munmap((void *)(uintptr_t)source->data, (size_t)source->bytes);
    if (source->fd >= 0)
        close(source->fd);
    *source = (struct source){.fd = -1};
}

int
source_digest(const struct source *source, uint64_t stream_bytes, bool sampled, struct digest_value *value)
{
    struct digest *digest = digest_new(sampled);

    if (digest == NULL)
        return -1;
    while (stream_bytes > 0) {
        uint64_t part = stream_bytes < source->bytes ? stream_bytes : source->bytes;
        digest_add(digest, source->data, (size_t)part);
        stream_bytes -= part;
    }
    *value = digest_value(digest);
    digest_free(digest);
    return 0;
}

int
source_check(const struct source *source)
{
    struct stat status;

    if (source->path == NULL)
        return 0;
    if (fstat(source->fd, &status) != 0)
        return err_system(errno, "cannot examine --file %.200s again", source->path);
    if (status.st_size != source->size)
        return err_set(STATUS_FAILED,
                       "--file %.200s %s from %jd to %jd bytes while it was sent; send a file that nobody changes",
                       source->path, status.st_size < source->size ? "shrank" : "grew", (intmax_t)source->size,
                       (intmax_t)status.st_size);
    if (status.st_mtim.tv_sec != source->modified.tv_sec || status.st_mtim.tv_nsec != source->modified.tv_nsec)
        return err_set(STATUS_FAILED, "--file %.200s was written to while it was sent; send a file that nobody changes",
                       source->path);
    return 0;
}
