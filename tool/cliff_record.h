/*
 * cliff_record.h: the only writer of what a search found: the document tinygram-cliff/1.
 */
#ifndef TINYGRAM_CLIFF_RECORD_H
#define TINYGRAM_CLIFF_RECORD_H

#include <stdio.h>

#include "cliff_findings.h"
#include "err.h"
#include "search.h"

/* Writes the document, also of a search that failed or was interrupted; `error` is NULL unless `status` says so. The
 * JSON Schema of tinygram-cliff/1 says what each member means. */
void cliff_record(FILE *stream, const struct search *search, const struct findings *findings, enum status status,
                  const char *error);

#endif
