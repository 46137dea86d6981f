/* pattern.c: the text of --pattern. What is taken keeps every bound that the other end checks, and moves something. */
#include "pattern.h"

#include <string.h>

#include "fuzz.h"

int
fuzz_one(const uint8_t *bytes, size_t length)
{
    struct pattern pattern;
    char *text = malloc(length + 1);

    if (text == NULL)
        return 0;
    memcpy(text, bytes, length);
    text[length] = '\0';
    if (pattern_parse(text, &pattern) != 0) {
        MUST_REFUSE(STATUS_USAGE);
    } else {
        struct pattern_sum sum = pattern_sum(&pattern);
        MUST(pattern_is_sound(&pattern));
        MUST(pattern.count > 0 && sum.replies > 0 && sum.reply_bytes > 0);
        MUST(sum.request_bytes <= PATTERN_BYTES_MAX && sum.reply_bytes <= PATTERN_BYTES_MAX);
        if (pattern_check_deadlock(&pattern, text, length * 1000) != 0)
            MUST_REFUSE(STATUS_USAGE);
    }
    free(text);
    return 0;
}
