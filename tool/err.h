/*
 * err.h: one error a thread: the exit status it leads to and the sentence that a person reads.
 *
 * The function that detects an error writes the sentence (what was wrong, where, what to do) and returns -1;
 * its callers only pass the -1 on, or put the context in front that they alone know. Nothing is printed here
 * but in err_print(), which main() calls last.
 */
#ifndef TINYGRAM_ERR_H
#define TINYGRAM_ERR_H

#include <stddef.h>

/* Exit statuses; scripts rely on them. */
enum status {
    STATUS_DONE = 0,
    STATUS_USAGE = 2,        /* an argument is wrong */
    STATUS_REFUSED = 3,      /* the system refused: an option without effect, no permission, no space, ... */
    STATUS_FAILED = 4,       /* the transfer failed, or its content differs */
    STATUS_LIMIT = 5,        /* a limit given on the command line was passed */
    STATUS_INTERRUPTED = 130 /* SIGINT or SIGTERM; the result is partial and marked so */
};

/* Longest sentence, its closing zero included; also the length of the text field on the wire. */
#define ERR_TEXT_BYTES 512

/* Keeps `status` and the formatted sentence as this thread's error. Returns -1, so that callers may write
 * `return err_set(...)`. An error that is already kept is replaced. */
int err_set(enum status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* As err_set(), with ": " and the system's words for errno `code` at the end. */
int err_system(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts the formatted context and ": " in front of the kept sentence. Returns -1. */
int err_context(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The kept status (STATUS_DONE when there is no error) and sentence ("" when there is none). */
enum status err_status(void);
const char *err_text(void);

/* Forgets the kept error. */
void err_clear(void);

/* Prints "tinygram: sentence" to standard error when an error is kept. */
void err_print(void);

#endif
