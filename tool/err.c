/* err.c: see err.h. The state is thread-local: receivers serve many senders in threads. */
#include "err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local enum status kept_status = STATUS_DONE;
static _Thread_local char kept_text[ERR_TEXT_BYTES];

int
err_set(enum status status, const char *format, ...)
{
    va_list arguments;
    char text[ERR_TEXT_BYTES]; /* an argument may point into the kept text */

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    memcpy(kept_text, text, sizeof text);
    kept_status = status;
    return -1;
}

int
err_system(int code, const char *format, ...)
{
    va_list arguments;
    char text[ERR_TEXT_BYTES / 2];
    char words[128];

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (strerror_r(code, words, sizeof words) != 0)
        snprintf(words, sizeof words, "error %d", code);
    if (code == EMFILE || code == ENFILE)
        return err_set(STATUS_REFUSED, "%s: %s; raise the limit of open files (ulimit -n)", text, words);
    return err_set(STATUS_REFUSED, "%s: %s", text, words);
}

int
err_context(const char *format, ...)
{
    va_list arguments;
    char context[ERR_TEXT_BYTES / 4];
    char text[ERR_TEXT_BYTES];

    va_start(arguments, format);
    vsnprintf(context, sizeof context, format, arguments);
    va_end(arguments);
    memcpy(text, kept_text, sizeof text);
    size_t used = strnlen(context, sizeof context);
    memcpy(kept_text, context, used);
    snprintf(kept_text + used, sizeof kept_text - used, ": %s", text);
    return -1;
}

enum status
err_status(void)
{
    return kept_status;
}

const char *
err_text(void)
{
    return kept_text;
}

void
err_clear(void)
{
    kept_status = STATUS_DONE;
    kept_text[0] = '\0';
}

void
err_print(void)
{
    if (kept_status != STATUS_DONE && kept_text[0] != '\0')
        fprintf(stderr, "tinygram: %s\n", kept_text);
}
