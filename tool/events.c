/* events.c: see events.h. _GNU_SOURCE for MAP_ANONYMOUS. */
#define _GNU_SOURCE
#include "events.h"

#include <errno.h>
#include <sys/mman.h>

#include "err.h"

#define PAGE_BYTES 4096

/* Most entries whose pages are touched in advance. */
#define TOUCHED_MAX ((size_t)1 << 18)

int
event_log_prepare(struct event_log *log, size_t entry_bytes, size_t capacity, size_t expected)
{
    *log = (struct event_log){.capacity = capacity, .stride = 1, .entry_bytes = entry_bytes};
    if (capacity == 0)
        return 0;
    if (capacity > SIZE_MAX / entry_bytes)
        return err_set(STATUS_USAGE, "an event log of %zu entries does not fit into memory", capacity);
    void *memory =
        mmap(NULL, capacity * entry_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return err_system(errno, "no memory for an event log of %zu entries; lower --events-max", capacity);
    log->entry = memory;
    if (expected > capacity)
        expected = capacity;
    if (expected > TOUCHED_MAX) /* the number may come from the other end: what is beyond is touched as it is used */
        expected = TOUCHED_MAX;
    for (size_t at = 0; at < expected * entry_bytes; at += PAGE_BYTES)
        ((volatile unsigned char *)memory)[at] = 0;
    return 0;
}

void
event_log_free(struct event_log *log)
{
    if (log->entry != NULL)
        munmap(log->entry, log->capacity * log->entry_bytes);
    log->entry = NULL;
    log->capacity = 0;
}

void
event_log_sample(struct event_log *log, int fd, uint64_t offset, uint64_t at_ns)
{
    struct sample *sample = event_log_next(log);
    if (sample == NULL)
        return;
    sample->at_ns = at_ns;
    sample->offset = offset;
    tcpinfo_read(fd, &sample->info);
}
