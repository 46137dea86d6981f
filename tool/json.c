/* json.c: see json.h. Arrays stay on one line, objects get a line a member up to the third level. */
#include "json.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "clock.h"

#define LINES_TO_DEPTH 3

struct json
json_begin(FILE *stream, bool compact)
{
    return (struct json){.stream = stream, .depth = 0, .first = true, .compact = compact};
}

void
json_end(struct json *json)
{
    fputc('\n', json->stream);
}

static void
break_line(const struct json *json)
{
    if (json->compact || json->depth > LINES_TO_DEPTH)
        return;
    fputc('\n', json->stream);
    for (int i = 0; i < json->depth; i++)
        fputs("  ", json->stream);
}

/* Length of the UTF-8 sequence at `text`, or 0 when it is not one (RFC 3629). */
static int
sequence_length(const unsigned char *text)
{
    int length = text[0] < 0x80                      ? 1
                 : text[0] >= 0xc2 && text[0] < 0xe0 ? 2
                 : text[0] >= 0xe0 && text[0] < 0xf0 ? 3
                 : text[0] >= 0xf0 && text[0] < 0xf5 ? 4
                                                     : 0;
    for (int i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    if (length == 3 && ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] >= 0xa0)))
        return 0; /* overlong, or a surrogate */
    if (length == 4 && ((text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] >= 0x90)))
        return 0; /* overlong, or beyond U+10FFFF */
    return length;
}

static void
write_text(FILE *stream, const char *value)
{
    const unsigned char *next = (const unsigned char *)value;

    fputc('"', stream);
    while (*next != '\0') {
        int length = sequence_length(next);
        if (length == 0) {
            fputs("\\ufffd", stream);
            next++;
            continue;
        }
        if (*next == '"' || *next == '\\')
            fprintf(stream, "\\%c", *next);
        else if (*next < 0x20 || *next == 0x7f)
            fprintf(stream, "\\u%04x", *next);
        else
            fwrite(next, 1, (size_t)length, stream);
        next += length;
    }
    fputc('"', stream);
}

/* Comma, line and key in front of a value. */
static void
start_value(struct json *json, const char *name)
{
    if (!json->first)
        fputs(json->compact || json->depth > LINES_TO_DEPTH || name == NULL ? ", " : ",", json->stream);
    if (json->depth > 0 && name != NULL)
        break_line(json);
    json->first = false;
    if (name != NULL) {
        write_text(json->stream, name);
        fputs(": ", json->stream);
    }
}

static void
open_level(struct json *json, const char *name, char bracket)
{
    start_value(json, name);
    fputc(bracket, json->stream);
    json->depth++;
    json->first = true;
}

void
json_open_object(struct json *json, const char *name)
{
    open_level(json, name, '{');
}

void
json_close_object(struct json *json)
{
    bool empty = json->first;
    json->depth--;
    if (!empty && json->depth < LINES_TO_DEPTH)
        break_line(json);
    fputc('}', json->stream);
    json->first = false;
}

void
json_open_array(struct json *json, const char *name)
{
    open_level(json, name, '[');
}

void
json_close_array(struct json *json)
{
    json->depth--;
    fputc(']', json->stream);
    json->first = false;
}

void
json_count(struct json *json, const char *name, uint64_t value)
{
    if (value == MISSING) {
        json_null(json, name);
        return;
    }
    start_value(json, name);
    fprintf(json->stream, "%" PRIu64, value);
}

void
json_real(struct json *json, const char *name, double value)
{
    if (!isfinite(value)) {
        json_null(json, name);
        return;
    }
    start_value(json, name);
    fprintf(json->stream, "%.9g", value);
}

void
json_boolean(struct json *json, const char *name, bool value)
{
    start_value(json, name);
    fputs(value ? "true" : "false", json->stream);
}

void
json_text(struct json *json, const char *name, const char *value)
{
    if (value == NULL) {
        json_null(json, name);
        return;
    }
    start_value(json, name);
    write_text(json->stream, value);
}

void
json_null(struct json *json, const char *name)
{
    start_value(json, name);
    fputs("null", json->stream);
}

void
json_raw(struct json *json, const char *name, const char *value, size_t length)
{
    start_value(json, name);
    fwrite(value, 1, length, json->stream);
}
