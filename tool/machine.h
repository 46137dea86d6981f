/*
 * machine.h: the facts about this machine that a result cannot do without. The harness records many more.
 */
#ifndef TINYGRAM_MACHINE_H
#define TINYGRAM_MACHINE_H

#include <stdint.h>

struct json;

/* Writes the member "machine" of a result; what cannot be read is null. */
void machine_write(struct json *json);

/* The 128 bits of the kernel's boot_id: two processes that read the same one share a clock. Both 0 when it
 * cannot be read. */
void machine_boot_id(uint64_t *high, uint64_t *low);

#endif
