/*
 * rival.h: one arm as whoever compares sees it: a process that takes turns, its command line and its last words.
 */
#ifndef TINYGRAM_RIVAL_H
#define TINYGRAM_RIVAL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "config.h"

/* Most words of an arm's command line. */
#define RIVAL_WORDS 512

struct rival {
    const char *name; /* "base" or "new" */
    char program[4096];
    char *word[RIVAL_WORDS + 1]; /* its command line, closed by NULL */
    int words;
    char *text; /* what the words made of settings and prefix lie in */
    size_t text_bytes;
    pid_t process;
    int outcome;    /* of that process, as waitpid tells it */
    int channel;    /* its standard input and output */
    char *document; /* its result, as it wrote it; NULL: none */
    size_t document_bytes;
};

/* Makes the command line of arm `side` from the one of `config`, and checks the options in it as far as this build
 * knows them. Returns 0, or -1 with an error that names the arm. */
int rival_prepare(struct rival *rival, const struct config *config, enum side side);

/* Starts the process and waits until it is connected and prepared. Returns 0, or -1 with an error. */
int rival_start(struct rival *rival, uint64_t deadline_ns);

/* Gives it a turn of `units`. Returns the time that it took in ns, never 0; or 0 with an error. */
uint64_t rival_work(struct rival *rival, uint64_t units, uint64_t deadline_ns);

/* Lets it finish, and keeps its document. Returns 0, or -1 with an error, also where it ends with a status not 0. */
int rival_finish(struct rival *rival, uint64_t deadline_ns);

/* Ends the process if it has not ended, and frees everything. */
void rival_close(struct rival *rival);

#endif
