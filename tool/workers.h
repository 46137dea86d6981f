/*
 * workers.h: blocking readers of a session's data connections: forked processes or threads, one a connection.
 *
 * A session with one connection reads it itself: its own process or thread is the worker.
 */
#ifndef TINYGRAM_WORKERS_H
#define TINYGRAM_WORKERS_H

struct session;

/* Starts the workers and waits until each has prepared its memory, so that none allocates once data flows. With
 * one connection it prepares that one. Returns 0, or -1 with an error. */
int workers_start(struct session *session);

/* Reads every connection to its end. The outcomes stand in the session's records. */
void workers_finish(struct session *session);

#endif
