/*
 * session_parts.h: what the files of a session know of each other: session.c moves it from state to state,
 * session_terms.c takes what the sender asks for, session_report.c hands back what was found.
 */
#ifndef TINYGRAM_SESSION_PARTS_H
#define TINYGRAM_SESSION_PARTS_H

#include "session.h"

/* Notes the outcome; the first one counts. */
void session_settle(struct session *session, int status, const char *text);

/* The session's outcome as a reply. */
struct wire_reply session_reply(const struct session *session);

/* Puts one message in line to be sent; the one before must have left. */
void session_queue(struct session *session, enum wire_type type, const void *message);

/* Checks the HELLO, and prepares for what it asks: placement, memory, a listener for the data. Fills in the WELCOME.
 * Returns 0, or -1 with an error. */
int session_take_terms(struct session *session, struct wire_reply *welcome);

/* Both accounts are complete: judges them, stores the files, and begins to report. */
void session_begin_report(struct session *session);

/* Puts the next message of the report in line, if there is one. Returns whether there was. */
bool session_queue_report(struct session *session);

#endif
