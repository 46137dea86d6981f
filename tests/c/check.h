/*
 * check.h: assertions of the C tests. A check that fails says where, what and which values on standard error, and the
 * test goes on; check_end() turns the count of failures into the exit status.
 */
#ifndef TINYGRAM_CHECK_H
#define TINYGRAM_CHECK_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"

static int check_failures;

static inline bool
check_that(bool holds, const char *what, const char *file, int line)
{
    if (!holds) {
        fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
        check_failures++;
    }
    return holds;
}

static inline bool
check_numbers(uint64_t found, uint64_t wanted, const char *what, const char *file, int line)
{
    if (found != wanted)
        fprintf(stderr, "%s:%d: %s is %" PRIu64 ", not %" PRIu64 "\n", file, line, what, found, wanted);
    check_failures += found != wanted;
    return found == wanted;
}

static inline bool
check_texts(const char *found, const char *wanted, const char *what, const char *file, int line)
{
    bool same = strcmp(found, wanted) == 0;
    if (!same)
        fprintf(stderr, "%s:%d: %s is\n  \"%s\", not\n  \"%s\"\n", file, line, what, found, wanted);
    check_failures += !same;
    return same;
}

/* Whether the thread's kept error has `status` and a sentence with `words` in it; forgets it. */
static inline bool
check_error(enum status status, const char *words, const char *file, int line)
{
    bool as_wanted = err_status() == status && strstr(err_text(), words) != NULL;
    if (!as_wanted)
        fprintf(stderr, "%s:%d: the error is %d \"%s\", not %d with \"%s\"\n", file, line, (int)err_status(),
                err_text(), (int)status, words);
    check_failures += !as_wanted;
    err_clear();
    return as_wanted;
}

/* What must hold. */
#define CHECK(condition) check_that((condition), #condition, __FILE__, __LINE__)
/* Two unsigned numbers are equal. */
#define CHECK_NUMBER(found, wanted) check_numbers((uint64_t)(found), (uint64_t)(wanted), #found, __FILE__, __LINE__)
/* Two texts are equal. */
#define CHECK_TEXT(found, wanted) check_texts((found), (wanted), #found, __FILE__, __LINE__)
/* The error that the call before has kept. */
#define CHECK_ERROR(status, words) check_error((status), (words), __FILE__, __LINE__)
/* Without this the rest of the test makes no sense. */
#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!CHECK(condition)) {                                                                                       \
            fprintf(stderr, "the kept error: %s\n", err_text());                                                       \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

/* The exit status of a test program. */
static inline int
check_end(void)
{
    return check_failures > 0;
}

#endif
