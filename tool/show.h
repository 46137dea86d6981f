/* show.h: a result as a short table for a person. */
#ifndef TINYGRAM_SHOW_H
#define TINYGRAM_SHOW_H

#include <stdio.h>

#include "result.h"
#include "trial.h"

/* Prints the table; what is not known is a dash. */
void show_result(FILE *stream, const struct trial *trial, const struct result *result);

/* Prints a line for a receiver that serves many: who, how much, how fast, verified or why not. */
void show_session(FILE *stream, const struct trial *trial, const struct result *result, const char *peer);

#endif
