/*
 * session.h: the receiver's side of one trial: one control connection and its data connections, as a state machine.
 *
 * Nothing in here blocks on the network, so that one process can serve many sessions by polling (serve_poll.c);
 * with a process or a thread for each session the same machine is driven by session_run(), and only the reading
 * of the data is left to blocking workers. A stranger that says nothing, rubbish or half a message is cut off at
 * the deadline of its state and is no business of anybody else.
 */
#ifndef TINYGRAM_SESSION_H
#define TINYGRAM_SESSION_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "control.h"
#include "receiving.h"

/* Time for the whole HELLO, for all data connections to be there, and for the result to be taken. */
#define HELLO_LIMIT_NS (UINT64_C(2) * UINT64_C(1000000000))
#define OPEN_LIMIT_NS (UINT64_C(5) * UINT64_C(1000000000))
#define REPORT_LIMIT_NS (UINT64_C(30) * UINT64_C(1000000000))

/* Time for the other end's account once a signal has come. */
#define INTERRUPTED_LIMIT_NS (UINT64_C(1) * UINT64_C(1000000000))

enum session_state {
    SESSION_HELLO,  /* the first message is due */
    SESSION_OPEN,   /* data connections are being made */
    SESSION_DATA,   /* data flows */
    SESSION_FINISH, /* all data connections ended; the sender's account is due */
    SESSION_REPORT, /* our half of the result is on its way */
    SESSION_DONE
};

struct worker;

/* How far the report has got. */
struct report_cursor {
    uint64_t connection;
    bool half_sent;
    uint64_t reads_sent;
    uint64_t samples_sent;
};

struct session {
    const struct config *config; /* of `recv`: --output, --concurrency, --once */
    enum session_state state;
    uint64_t deadline_ns; /* of the state */
    int control;
    int data_listener; /* -1 when there is none */
    struct endpoint peer;

    struct wire_in in;
    unsigned char out[WIRE_FRAME_MAX];
    size_t out_length;
    size_t out_sent;

    struct wire_hello hello;
    bool greeted; /* the HELLO was valid: this is no stranger */
    struct receive_plan plan;
    struct receiving *receiving; /* [hello.connections], in shared memory */
    struct worker *workers;      /* [hello.connections] while several workers read, else NULL */
    struct wire_finish *finish;  /* [hello.connections] */
    struct endpoint *expected;   /* [hello.connections] addresses that OPEN announced */
    bool *open;                  /* [hello.connections] accepted */
    bool *ended;                 /* [hello.connections] read to the end (polling) */
    uint64_t announced, accepted, ended_count, finished;
    struct report_cursor cursor;

    int status; /* the outcome, an exit status */
    bool interrupted;
    bool reported; /* DONE left in full */
    char text[ERR_TEXT_BYTES];
};

/* Makes a session for an accepted control connection, which it owns from now on. NULL with an error when memory is
 * short (the descriptor is closed). */
struct session *session_new(const struct config *config, int control, const struct endpoint *peer);

/* Most descriptors that session_interest() may fill in at present. */
size_t session_interest_max(const struct session *session);

/* Fills in what the session waits for; returns how many. The deadline is session->deadline_ns. */
size_t session_interest(const struct session *session, struct pollfd *wait);

/* Goes on after poll(): `wait` as session_interest() filled it in, with the answers. Also looks at the deadline.
 * Data is read here only by a polling receiver. */
void session_continue(struct session *session, const struct pollfd *wait, size_t count);

/* Drives the session to its end on the calling process or thread, with blocking workers. */
void session_run(struct session *session);

/* Ends the session from outside: its sockets are closed. */
void session_abort(struct session *session, const char *text);

void session_free(struct session *session);

#endif
