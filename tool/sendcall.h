/*
 * sendcall.h: --send-with: one table of the calls that hand a chunk to the kernel.
 */
#ifndef TINYGRAM_SENDCALL_H
#define TINYGRAM_SENDCALL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct sending;

struct send_call {
    /* Before the first timestamp. Returns 0, or -1 with an error. */
    int (*prepare)(struct sending *sending);
    /* Hands over `len` bytes of the source from `at` on, by one system call (splice: two). Returns what was taken,
     * or -1 with errno. */
    ssize_t (*send)(struct sending *sending, uint64_t at, size_t len);
    /* After the last timestamp. Returns 0, or -1 with an error. */
    int (*finish)(struct sending *sending);
};

/* The row of enum send_with `how`. */
const struct send_call *send_call(int how);

#endif
