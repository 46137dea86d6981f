/* shared.h: zeroed memory that a process shares with the children it forks later. */
#ifndef TINYGRAM_SHARED_H
#define TINYGRAM_SHARED_H

#include <stddef.h>

/* `bytes` of zeroed shared memory, or NULL with an error. Free it with shared_free() of the same length. */
void *shared_new(size_t bytes);
void shared_free(void *memory, size_t bytes);

#endif
