/*
 * json.h: writes one JSON document (RFC 8259) to a stream, value by value, in the order of the calls.
 *
 * Commas and indentation are kept here. A `name` is the key inside an object, NULL inside an array. Numbers that
 * are MISSING or not finite are written as null. Text is taken as bytes; what is not UTF-8 becomes U+FFFD.
 */
#ifndef TINYGRAM_JSON_H
#define TINYGRAM_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct json {
    FILE *stream;
    int depth;
    bool first;   /* nothing was written yet at this depth */
    bool compact; /* all on one line */
};

/* `compact`: the whole document on one line. */
struct json json_begin(FILE *stream, bool compact);
void json_end(struct json *json); /* the closing newline */

void json_open_object(struct json *json, const char *name);
void json_close_object(struct json *json);
void json_open_array(struct json *json, const char *name);
void json_close_array(struct json *json);

void json_count(struct json *json, const char *name, uint64_t value);
void json_real(struct json *json, const char *name, double value);
void json_boolean(struct json *json, const char *name, bool value);
void json_text(struct json *json, const char *name, const char *value); /* NULL: null */
void json_null(struct json *json, const char *name);

/* A value that is JSON already, in `length` bytes; it is not looked into. */
void json_raw(struct json *json, const char *name, const char *value, size_t length);

#endif
