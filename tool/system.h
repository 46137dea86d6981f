/* system.h: small questions to the kernel that several modules ask: one-line files below /proc and /sys. */
#ifndef TINYGRAM_SYSTEM_H
#define TINYGRAM_SYSTEM_H

#include <stddef.h>
#include <stdint.h>

/* Reads the first line of `path`, without its end, into text[size]. Returns 0, or -1 (no error is kept:
 * a file that is not there means that the value is missing). */
int system_read_text(const char *path, char *text, size_t size);

/* Reads the whole number that `path` begins with; MISSING when there is none. */
uint64_t system_read_number(const char *path);

#endif
