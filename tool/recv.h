/*
 * recv.h: `tinygram recv`, and the receiving end of `tinygram pair`.
 */
#ifndef TINYGRAM_RECV_H
#define TINYGRAM_RECV_H

#include "config.h"
#include "err.h"
#include "net.h"

/* Listens as `config` says. Returns the descriptor and the address, or -1 with an error. */
int recv_listen(const struct config *config, struct endpoint *bound);

/* Serves senders at `listener`, quietly, until it may end (--once), a signal comes or the descriptor `leash` (-1: none)
 * ends; returns the exit status. */
enum status recv_serve(const struct config *config, int listener, int leash);

/* The subcommand `recv`: listens, says where, serves, writes a result or a line a session. */
enum status recv_main(const struct config *config);

#endif
