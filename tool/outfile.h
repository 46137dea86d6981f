/*
 * outfile.h: a file that is written whole or not at all.
 *
 * It is opened before the trial, so that a path that cannot be written costs no measurement. A regular file is
 * written under a temporary name beside it and renamed when it is complete; "-" is standard output; a device or a
 * FIFO is written directly.
 */
#ifndef TINYGRAM_OUTFILE_H
#define TINYGRAM_OUTFILE_H

#include <stdio.h>

#define OUTFILE_PATH_BYTES 1024

struct outfile {
    FILE *stream; /* NULL: nothing is open */
    const char *path;
    char part_path[OUTFILE_PATH_BYTES]; /* "" when written directly */
};

/* Opens `path` for writing. Returns 0, or -1 with STATUS_REFUSED. */
int outfile_open(struct outfile *file, const char *path);

/* Flushes, proves that everything was written and gives the file its name. Returns 0, or -1 with STATUS_REFUSED. */
int outfile_commit(struct outfile *file);

/* Closes; what was not committed is removed. */
void outfile_discard(struct outfile *file);

/* Flushes standard output and proves that it took everything. Returns 0, or -1 with STATUS_REFUSED. */
int outfile_flush_stdout(void);

#endif
