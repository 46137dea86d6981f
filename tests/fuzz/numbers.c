/* numbers.c: a count, a size and a time. What is taken reads back the same when it is written without its suffix. */
#include <inttypes.h>
#include <string.h>

#include "clock.h"
#include "fuzz.h"
#include "units.h"

static void
read_back(const char *text, int (*parse)(const char *, uint64_t *), const char *unit)
{
    char plain[UNITS_TEXT_BYTES];
    uint64_t value = 0, again = 0;

    if (parse(text, &value) != 0) {
        MUST_REFUSE(STATUS_USAGE);
        return;
    }
    MUST(value != MISSING);
    snprintf(plain, sizeof plain, "%" PRIu64 "%s", value, unit);
    MUST(parse(plain, &again) == 0 && again == value);
    MUST(strlen(units_format_size(plain, value)) > 0 && strlen(units_format_time(plain, value)) > 0);
    MUST(strlen(units_format_rate(plain, (double)value)) > 0);
}

int
fuzz_one(const uint8_t *bytes, size_t length)
{
    char *text = malloc(length + 1);

    if (text == NULL)
        return 0;
    memcpy(text, bytes, length);
    text[length] = '\0';
    read_back(text, units_parse_count, "");
    read_back(text, units_parse_size, "");
    read_back(text, units_parse_time, "ns");
    free(text);
    return 0;
}
