/*
 * machine.h: the facts about this machine that a result cannot do without. The harness records many more.
 */
#ifndef TINYGRAM_MACHINE_H
#define TINYGRAM_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

struct json;

/* Writes the member "machine" of a result; what cannot be read is null. */
void machine_write(struct json *json);

/* Its members alone, for an object that has more of them. */
void machine_write_members(struct json *json);

/* The kernel's tick rate; MISSING when it cannot be told. */
uint64_t machine_hz(void);

/* Largest request that SO_SNDBUF (`sending`) or SO_RCVBUF takes effect with; MISSING when it cannot be read. */
uint64_t machine_buffer_max(bool sending);

/* The 128 bits of the kernel's boot_id: two processes that read the same one share a clock. Both 0 when it
 * cannot be read. */
void machine_boot_id(uint64_t *high, uint64_t *low);

#endif
