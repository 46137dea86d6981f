/*
 * send.h: `tinygram send`, and the sending end of `tinygram pair`: runs one trial against a receiver.
 */
#ifndef TINYGRAM_SEND_H
#define TINYGRAM_SEND_H

#include "config.h"
#include "err.h"
#include "net.h"
#include "result.h"

/* A trial whose result is wanted in memory: nothing is written or printed. */
struct outcome {
    enum status status;
    char error[ERR_TEXT_BYTES];
    struct result result;
    /* Called with the trial, unless NULL, while its logs are still there. */
    void (*look)(const struct trial *trial, const struct result *result, void *looker);
    void *looker;
};

/* Runs the trial that `config` describes against the receiver at `control`, writes --json, --events or a short
 * table, and returns the exit status. `role` is pair or send. With control = NULL the kept error is all there is to
 * write. An error is kept for err_print(). */
enum status send_trial(const struct config *config, const char *role, const struct endpoint *control);

/* As send_trial(), with the outcome in *outcome. */
void send_measure(const struct config *config, const struct endpoint *control, struct outcome *outcome);

/* The subcommand `send`. */
enum status send_main(const struct config *config);

#endif
