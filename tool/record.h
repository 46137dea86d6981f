/*
 * record.h: the only writer of results: the document tinygram/1 and the events file.
 */
#ifndef TINYGRAM_RECORD_H
#define TINYGRAM_RECORD_H

#include <stdbool.h>
#include <stdio.h>

#include "result.h"
#include "trial.h"

/* Writes the result document; the JSON Schema of tinygram/1 says what each member means. */
void record_write(FILE *stream, const struct trial *trial, const struct result *result, bool compact);

/* Writes every event as tab-separated values: the ends and connections one after the other, times relative to the
 * first write. */
void record_write_events(FILE *stream, const struct trial *trial);

/* Writes the latency distribution in the text format of HdrHistogram's percentile plots; values in us. */
void record_write_hgrm(FILE *stream, const struct result *result);

/* Members that other documents have too: "schema" (with that value), "version" and "build"; "command"; "started_at". */
struct json;
void record_write_head(struct json *json, const char *schema);
void record_write_build(struct json *json); /* schema "tinygram/1" */
void record_write_command(struct json *json, const struct config *config);
void record_write_started(struct json *json, const struct timespec *started);

/* Parts of the result document. A span without a name is written into the object that is open. */
void record_write_result(struct json *json, const struct trial *trial, const struct result *result);
void record_write_span(struct json *json, const char *name, const struct span *span);
void record_write_workload(struct json *json, const struct trial *trial);
void record_write_setting(struct json *json, const struct trial *trial);

#endif
