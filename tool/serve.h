/*
 * serve.h: the three ways of a receiver to serve many senders at once: a process for each (fork), one process for
 * all (poll), a thread for each (thread).
 */
#ifndef TINYGRAM_SERVE_H
#define TINYGRAM_SERVE_H

#include "config.h"
#include "err.h"
#include "session.h"

/* Most sessions at once; further senders wait in the listener's queue. */
#define SESSIONS_MAX 1024

/* What a server is made of: its listener, and what to do with a session that has ended (called in the process or
 * thread that ran it; returns its exit status). */
struct server {
    const struct config *config;
    int listener;
    enum status (*ended)(struct session *session);
    int leash;   /* ends when nobody will come any more (pair), or -1 */
    int spare;   /* serve()'s own: a descriptor to give up when there is no other, so that a sender can be told */
    int wake[2]; /* a socket pair: who ends writes to [1], who serves polls [0]; signals shut it down */
};

/* Serves until a signal comes or the leash ends, or with --once until one session that was no stranger's has ended.
 * Returns the exit status: that session's, or STATUS_INTERRUPTED; or STATUS_REFUSED with an error. Every child is
 * reaped and every thread joined. */
enum status serve(struct server *server);

/* The three ways; serve() chooses. */
enum status serve_fork(struct server *server);
enum status serve_poll(struct server *server);
enum status serve_thread(struct server *server);

/* Accepts one sender; NULL when there is none after all, or when the system refuses: the sender was told why then. */
struct session *serve_accept(struct server *server);

/* Tells the sender at `control` with the kept error why it is not served. In a pair it is the one who prints it. */
void serve_turn_away(const struct server *server, int control);

/* Waits for a sender (until the leash ends) and turns it away: nobody can be served. */
void serve_nobody(struct server *server);

/* Empties the wake channel. */
void serve_wake_clear(const struct server *server);

#endif
