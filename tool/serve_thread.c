/*
 * serve_thread.c: a thread for each session. A thread that has ended says so on the wake channel and is joined at
 * once, so that neither threads nor their stacks pile up.
 */
#include "serve.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "interrupt.h"

struct slot {
    const struct server *server;
    struct session *session;
    pthread_t thread;
    bool used;
    atomic_bool over;
    bool stranger;
    enum status status;
};

static void *
run_thread(void *argument)
{
    struct slot *slot = argument;

    session_run(slot->session);
    slot->stranger = !slot->session->greeted;
    slot->status = slot->server->ended(slot->session);
    session_free(slot->session);
    atomic_store(&slot->over, true);
    while (send(slot->server->wake[1], "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == EINTR)
        ;
    return NULL;
}

static void
start_thread(struct server *server, struct slot *slots)
{
    struct slot *slot = slots;
    struct session *session = serve_accept(server);

    if (session == NULL)
        return;
    while (slot->used)
        slot++;
    *slot = (struct slot){.server = server, .session = session, .used = true};
    int code = pthread_create(&slot->thread, NULL, run_thread, slot);
    if (code == 0)
        return;
    err_system(code, "cannot start a thread for a sender");
    serve_turn_away(server, session->control);
    session_free(session);
    slot->used = false;
}

/* Joins every thread that is over, or all. Returns how many are left; notes a session that counts. */
static size_t
join(struct slot *slots, bool all, bool *ended, enum status *status)
{
    size_t left = 0;

    for (size_t i = 0; i < SESSIONS_MAX; i++) {
        if (!slots[i].used)
            continue;
        if (!all && !atomic_load(&slots[i].over)) {
            left++;
            continue;
        }
        pthread_join(slots[i].thread, NULL);
        slots[i].used = false;
        if (slots[i].stranger)
            continue;
        *ended = true;
        *status = slots[i].status;
    }
    return left;
}

enum status
serve_thread(struct server *server)
{
    static struct slot slots[SESSIONS_MAX];
    bool ended = false;
    enum status status = STATUS_DONE;
    size_t running = 0;

    memset(slots, 0, sizeof slots);
    while (!interrupt_seen() && !(server->config->once && ended)) {
        struct pollfd wait[] = {{.fd = server->wake[0], .events = POLLIN},
                                {.fd = running < SESSIONS_MAX ? server->listener : -1, .events = POLLIN},
                                {.fd = server->leash, .events = POLLIN}};
        if (poll(wait, 3, -1) < 0)
            continue;
        if (wait[2].revents != 0)
            break;
        if (wait[0].revents != 0)
            serve_wake_clear(server);
        if (wait[1].revents != 0)
            start_thread(server, slots);
        running = join(slots, false, &ended, &status);
    }
    enum status first = status;
    join(slots, true, &ended, &status);
    return interrupt_seen() ? STATUS_INTERRUPTED : first;
}
