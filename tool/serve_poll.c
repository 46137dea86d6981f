/*
 * serve_poll.c: one process and one thread for all sessions: everything waits in one poll().
 */
#include "serve.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "interrupt.h"

/* The sessions and the vector that poll() takes. */
struct table {
    struct session *session[SESSIONS_MAX];
    size_t first[SESSIONS_MAX]; /* where in `wait` a session's descriptors begin */
    size_t used[SESSIONS_MAX];  /* how many it has there */
    size_t count;
    struct pollfd *wait;
    size_t room;
};

/* Fills the vector: the wake channel, the listener, the leash, then every session's descriptors. Returns how many, or 0
 * with an error when memory is short. */
static size_t
fill(struct table *table, const struct server *server, uint64_t *deadline_ns)
{
    size_t needed = 3;

    for (size_t i = 0; i < table->count; i++)
        needed += session_interest_max(table->session[i]);
    if (needed > table->room) {
        struct pollfd *wait = realloc(table->wait, needed * sizeof *wait);
        if (wait == NULL) {
            err_set(STATUS_REFUSED, "no memory to wait for %zu descriptors", needed);
            return 0;
        }
        table->wait = wait;
        table->room = needed;
    }
    table->wait[0] = (struct pollfd){.fd = server->wake[0], .events = POLLIN};
    table->wait[1] = (struct pollfd){.fd = table->count < SESSIONS_MAX ? server->listener : -1, .events = POLLIN};
    table->wait[2] = (struct pollfd){.fd = server->leash, .events = POLLIN};
    size_t at = 3;
    *deadline_ns = UINT64_MAX;
    for (size_t i = 0; i < table->count; i++) {
        table->first[i] = at;
        table->used[i] = session_interest(table->session[i], table->wait + at);
        at += table->used[i];
        *deadline_ns = clock_earlier_ns(*deadline_ns, table->session[i]->deadline_ns);
    }
    return at;
}

/* Ends session `i`; returns whether it counts, and then its status. */
static bool
end_session(struct table *table, size_t i, const struct server *server, enum status *status)
{
    struct session *session = table->session[i];
    bool counts = session->greeted;
    enum status outcome = server->ended(session);

    if (counts)
        *status = outcome;
    session_free(session);
    err_clear(); /* what it was is the session's affair, and told */
    table->count--;
    table->session[i] = table->session[table->count];
    table->first[i] = table->first[table->count];
    table->used[i] = table->used[table->count];
    return counts;
}

enum status
serve_poll(struct server *server)
{
    static struct table table;
    enum status status = STATUS_DONE;
    bool ended = false;

    memset(&table, 0, sizeof table);
    while (!interrupt_seen() && !(server->config->once && ended)) {
        uint64_t deadline_ns;
        size_t count = fill(&table, server, &deadline_ns);
        if (count == 0) {
            status = err_status();
            break;
        }
        if (poll(table.wait, (nfds_t)count, deadline_ns == UINT64_MAX ? -1 : clock_poll_ms(deadline_ns)) < 0)
            continue;
        if (table.wait[2].revents != 0)
            break;
        for (size_t i = table.count; i-- > 0;) { /* backwards: the last one takes the place of one that ends */
            session_continue(table.session[i], table.wait + table.first[i], table.used[i]);
            if (table.session[i]->state == SESSION_DONE && end_session(&table, i, server, &status))
                ended = true;
        }
        if (table.wait[1].revents != 0) {
            struct session *session = serve_accept(server);
            if (session != NULL)
                table.session[table.count++] = session;
        }
    }
    /* A signal shut the data connections' reading sides: what arrived is theirs, the rest is not waited for. */
    while (table.count > 0) {
        enum status ignored;
        session_abort(table.session[table.count - 1], "interrupted");
        end_session(&table, table.count - 1, server, &ignored);
    }
    free(table.wait);
    table.wait = NULL;
    return interrupt_seen() ? STATUS_INTERRUPTED : status;
}
