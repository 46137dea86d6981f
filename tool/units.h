/*
 * units.h: numbers with units as people write them: sizes (16K), times (5ms), rates, counts.
 *
 * Every parser takes the whole string or fails; each returns 0 and sets *value, or returns -1 with an error
 * (STATUS_USAGE) that says what was wrong with `text`. Nothing is ever guessed or cut to fit.
 */
#ifndef TINYGRAM_UNITS_H
#define TINYGRAM_UNITS_H

#include <stddef.h>
#include <stdint.h>

/* A whole decimal number without sign, at most UINT64_MAX - 1 (the last value means "missing"). */
int units_parse_count(const char *text, uint64_t *value);

/* A size in bytes: a whole number and an optional binary suffix K, M or G. */
int units_parse_size(const char *text, uint64_t *bytes);

/* A time in nanoseconds: a whole number and one of ns, us, ms, s. */
int units_parse_time(const char *text, uint64_t *ns);

/* Room for every formatted quantity of this file. */
#define UNITS_TEXT_BYTES 32

/* "16 KiB", "6.52 MiB", "100 B" into text[UNITS_TEXT_BYTES]; returns text. */
char *units_format_size(char *text, uint64_t bytes);

/* "44.1 ms", "812 ns", "2.30 s" into text[UNITS_TEXT_BYTES]; "-" for MISSING; returns text. */
char *units_format_time(char *text, uint64_t ns);

/* "2.91 GB/s" (decimal prefixes, as rates are given) into text[UNITS_TEXT_BYTES]; returns text. */
char *units_format_rate(char *text, double bytes_per_s);

#endif
