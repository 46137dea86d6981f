/*
 * fuzz.h: what a fuzzing target is. One file is one target: fuzz_one() is given bytes that nobody chose, hands them to
 * one parser of the tool, and checks what must hold whatever they were. `make fuzz` lets libFuzzer choose the bytes,
 * under sanitizers; the tests run the same code on the seeds and on bytes of their own (replay.c), with every compiler.
 */
#ifndef TINYGRAM_FUZZ_H
#define TINYGRAM_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "err.h"

/* libFuzzer's name for it. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);
#define fuzz_one LLVMFuzzerTestOneInput

/* What must hold whatever the bytes were. */
#define MUST(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: does not hold: %s (the kept error: \"%s\")\n", __FILE__, __LINE__, #condition,     \
                    err_text());                                                                                       \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* What was refused has a status and a sentence; forgets it. */
#define MUST_REFUSE(expected)                                                                                          \
    do {                                                                                                               \
        MUST(err_status() == (expected) && err_text()[0] != '\0');                                                     \
        err_clear();                                                                                                   \
    } while (0)

#endif
