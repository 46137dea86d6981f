/* units.c: see units.h. */
#include "units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "err.h"

struct suffix {
    const char *text;
    uint64_t factor;
};

/* Reads the leading digits of `text`; sets *rest to what follows them. Returns 0, or -1 with an error. */
static int
parse_digits(const char *text, uint64_t *value, const char **rest)
{
    if (text[0] == '-')
        return err_set(STATUS_USAGE, "'%.40s' is negative; a number here has no sign", text);
    if (text[0] < '0' || text[0] > '9')
        return err_set(STATUS_USAGE, "'%.40s' is not a number", text);
    char *end;
    errno = 0;
    uintmax_t number = strtoumax(text, &end, 10);
    if (errno == ERANGE || number >= UINT64_MAX)
        return err_set(STATUS_USAGE, "'%.40s' is too large to be counted in 64 bits", text);
    *value = (uint64_t)number;
    *rest = end;
    return 0;
}

/* Digits and one of the suffixes (a table that a NULL text ends); `what` names them in the error. */
static int
parse_scaled(const char *text, const struct suffix *suffixes, const char *what, uint64_t *value)
{
    const char *rest = text;
    uint64_t number = 0;

    if (parse_digits(text, &number, &rest) != 0)
        return -1;
    for (const struct suffix *suffix = suffixes; suffix->text != NULL; suffix++) {
        if (strcmp(rest, suffix->text) != 0)
            continue;
        if (number > (UINT64_MAX - 1) / suffix->factor)
            return err_set(STATUS_USAGE, "'%.40s' is too large to be counted in 64 bits", text);
        *value = number * suffix->factor;
        return 0;
    }
    return err_set(STATUS_USAGE, "'%.40s' is not %s", text, what);
}

int
units_parse_count(const char *text, uint64_t *value)
{
    static const struct suffix none[] = {{"", 1}, {NULL, 0}};
    return parse_scaled(text, none, "a whole number", value);
}

int
units_parse_size(const char *text, uint64_t *bytes)
{
    static const struct suffix sizes[] = {
        {"", 1}, {"K", UINT64_C(1) << 10}, {"M", UINT64_C(1) << 20}, {"G", UINT64_C(1) << 30}, {NULL, 0}};
    return parse_scaled(text, sizes, "a size: a whole number of bytes, or with K, M or G (binary)", bytes);
}

int
units_parse_time(const char *text, uint64_t *ns)
{
    static const struct suffix times[] = {{"ns", 1}, {"us", NS_PER_US}, {"ms", NS_PER_MS}, {"s", NS_PER_S}, {NULL, 0}};
    return parse_scaled(text, times, "a time: a whole number with ns, us, ms or s", ns);
}

/* Three significant digits of `value` with a unit behind them. */
static char *
format_scaled(char *text, double value, const char *unit)
{
    int decimals = value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    snprintf(text, UNITS_TEXT_BYTES, "%.*f %s", decimals, value, unit);
    return text;
}

char *
units_format_size(char *text, uint64_t bytes)
{
    static const char *const names[] = {"KiB", "MiB", "GiB"};
    if (bytes < 1024) {
        snprintf(text, UNITS_TEXT_BYTES, "%" PRIu64 " B", bytes);
        return text;
    }
    int step = bytes < UINT64_C(1) << 20 ? 0 : bytes < UINT64_C(1) << 30 ? 1 : 2;
    uint64_t unit = UINT64_C(1) << (10 * (step + 1));
    if (bytes % unit == 0) {
        snprintf(text, UNITS_TEXT_BYTES, "%" PRIu64 " %s", bytes / unit, names[step]);
        return text;
    }
    return format_scaled(text, (double)bytes / (double)unit, names[step]);
}

char *
units_format_time(char *text, uint64_t ns)
{
    if (ns == MISSING)
        snprintf(text, UNITS_TEXT_BYTES, "-");
    else if (ns < NS_PER_US)
        snprintf(text, UNITS_TEXT_BYTES, "%" PRIu64 " ns", ns);
    else if (ns < NS_PER_MS)
        format_scaled(text, (double)ns / (double)NS_PER_US, "us");
    else if (ns < NS_PER_S)
        format_scaled(text, (double)ns / (double)NS_PER_MS, "ms");
    else
        format_scaled(text, (double)ns / (double)NS_PER_S, "s");
    return text;
}

char *
units_format_rate(char *text, double bytes_per_s)
{
    if (bytes_per_s >= 1e9)
        return format_scaled(text, bytes_per_s / 1e9, "GB/s");
    if (bytes_per_s >= 1e6)
        return format_scaled(text, bytes_per_s / 1e6, "MB/s");
    if (bytes_per_s >= 1e3)
        return format_scaled(text, bytes_per_s / 1e3, "kB/s");
    return format_scaled(text, bytes_per_s, "B/s");
}
