/*
 * turn.h: how the arms of a comparison take turns: messages of one fixed size between `tinygram slices` and each of
 * its two arms, over the arm's standard input and output.
 *
 *   slices                arm
 *                    <-   READY (connected, options in effect), or FAILED
 *   RUN (units)      ->
 *                    <-   DONE (time of the slice), or FAILED
 *   ...
 *   FINISH           ->
 *                    <-   the arm's result document, to the end of its output
 *
 * A message is a magic number with the version, a kind, one number (64 bits each, network order) and a zero-padded
 * sentence. It changes seldom and is not tied to the version of the control connection: a comparison of two builds
 * needs both to speak it.
 */
#ifndef TINYGRAM_TURN_H
#define TINYGRAM_TURN_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"

/* Rises with every change of a message; `tinygram version --json` tells it. */
#define TURN_VERSION 1

enum turn_kind { TURN_READY = 1, TURN_RUN, TURN_DONE, TURN_FINISH, TURN_FAILED };

struct turn {
    uint64_t kind;
    uint64_t number; /* READY: 1; RUN: units; DONE: the slice's time in ns; FAILED: the exit status */
    char text[ERR_TEXT_BYTES];
};

/* Sends one message to `fd`. Returns 0, or -1 with STATUS_FAILED. */
int turn_send(int fd, enum turn_kind kind, uint64_t number, const char *text);

/* Receives one message from `fd`, waiting at most until `deadline_ns`. Returns 0, or -1 with STATUS_FAILED: it ended,
 * it hangs, or what came is no message. */
int turn_receive(int fd, struct turn *turn, uint64_t deadline_ns);

/* Decodes one message of `length` bytes. Returns 0, or -1 when it is none. */
int turn_decode(const void *bytes, size_t length, struct turn *turn);

#endif
