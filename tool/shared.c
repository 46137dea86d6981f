/* shared.c: see shared.h. _GNU_SOURCE for MAP_ANONYMOUS. */
#define _GNU_SOURCE
#include "shared.h"

#include <errno.h>
#include <sys/mman.h>

#include "err.h"

void *
shared_new(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory != MAP_FAILED)
        return memory;
    err_system(errno, "no memory for %zu shared bytes", bytes);
    return NULL;
}

void
shared_free(void *memory, size_t bytes)
{
    if (memory != NULL)
        munmap(memory, bytes);
}
