/*
 * serving.c: what it costs to serve many clients by a process for each, by a thread for each, or all in one poll().
 *
 * A client, one process, keeps a number of connections open at once. Short ones are connected, carry one exchange of
 * 100 bytes there and 100 back, and are closed, and the next one takes their place: a time counts from before socket()
 * until after the read that completed the reply, so connecting, accepting and starting what serves are in it. Long ones
 * are all connected, and have had one exchange each, before the clock starts: a time is that of one exchange. The
 * client resets each connection at its end (SO_LINGER 0), so that thousands of them leave nothing in TIME_WAIT.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab/kit.h"
#include "lab/topics.h"
#include "system.h"
#include "units.h"

#define REQUEST_BYTES 100
#define AT_ONCE_MAX 1000
#define TIMES_MAX 32000
#define STACK_BYTES ((size_t)64 * 1024)
#define SPARE_DESCRIPTORS 32

enum way { BY_FORK, BY_THREAD, BY_POLL, WAYS };

static const char *const way_names[WAYS] = {"fork", "thread", "poll"};

/* One load. */
struct load {
    int at_once;     /* connections */
    int connections; /* in all; 0: long ones, the first ones stay */
    int exchanges;   /* of each; of long ones: of all */
};

/* What it came to, of connections or (long ones) of exchanges. */
struct found {
    uint64_t median_ns, late_ns; /* the median, and what 99 of 100 stay below */
    uint64_t per_s;
};

/* show process-for-each */
/* Answers one request. Returns whether there was one. */
static bool
answer(int fd)
{
    char bytes[REQUEST_BYTES];

    return recv(fd, bytes, sizeof bytes, MSG_WAITALL) == (ssize_t)sizeof bytes &&
           send(fd, bytes, sizeof bytes, MSG_NOSIGNAL) == (ssize_t)sizeof bytes;
}

static void *
answer_all(void *argument)
{
    int fd = (int)(intptr_t)argument;

    while (answer(fd))
        ;
    close(fd);
    return NULL;
}

/* A process for each connection. */
static void
serve_by_fork(int listener)
{
    int fd;

    signal(SIGCHLD, SIG_IGN); /* no zombies */
    while ((fd = accept(listener, NULL, NULL)) >= 0) {
        pid_t child = fork();
        if (child == 0) {
            close(listener);
            answer_all((void *)(intptr_t)fd);
            _exit(0);
        }
        close(fd);
        if (child < 0)
            return;
    }
}

/* A thread for each connection. */
static void
serve_by_thread(int listener)
{
    pthread_attr_t plan;
    pthread_t thread;
    int fd;

    pthread_attr_init(&plan);
    pthread_attr_setdetachstate(&plan, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&plan, STACK_BYTES);
    while ((fd = accept(listener, NULL, NULL)) >= 0)
        if (pthread_create(&thread, &plan, answer_all, (void *)(intptr_t)fd) != 0)
            return;
}

/* All connections in one poll(). */
static void
serve_by_poll(int listener)
{
    static struct pollfd wait[AT_ONCE_MAX + 1];
    nfds_t count = 1;

    wait[0] = (struct pollfd){.fd = listener, .events = POLLIN};
    while (poll(wait, count, -1) > 0) {
        for (nfds_t i = count; i-- > 1;) /* backwards: the last one takes the place of one that ends */
            if (wait[i].revents != 0 && !answer(wait[i].fd)) {
                close(wait[i].fd);
                wait[i] = wait[--count];
            }
        if (wait[0].revents == 0)
            continue;
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            return;
        wait[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
        wait[0].events = count <= AT_ONCE_MAX ? POLLIN : 0;
    }
}
/* shown */

/* The client's side of one connection. */
struct client {
    int fd;
    int left; /* exchanges */
    uint64_t begin_ns;
};

/* The client. */
struct crowd {
    struct lab_case *lab;
    const struct load *load;
    struct endpoint server;
    int epoll;
    int ready; /* events */
    struct epoll_event event[AT_ONCE_MAX];
    struct client client[AT_ONCE_MAX];
    uint64_t took_ns[TIMES_MAX];
};

static void
request(const struct crowd *crowd, const struct client *client)
{
    static const char bytes[REQUEST_BYTES];

    if (send(client->fd, bytes, sizeof bytes, MSG_NOSIGNAL) != (ssize_t)sizeof bytes)
        lab_give_up_system(crowd->lab, errno, "a client could not send its request");
}

static void
begin(const struct crowd *crowd, struct client *client)
{
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = client}};
    const struct linger reset = {.l_onoff = 1};

    client->begin_ns = clock_now_ns();
    client->left = crowd->load->exchanges;
    client->fd = lab_socket(crowd->lab, AF_INET, SOCK_STREAM);
    setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    if (connect(client->fd, (const struct sockaddr *)&crowd->server.address, crowd->server.len) != 0)
        lab_give_up_system(crowd->lab, errno, "a client could not connect");
    request(crowd, client);
    if (epoll_ctl(crowd->epoll, EPOLL_CTL_ADD, client->fd, &event) != 0)
        lab_give_up_system(crowd->lab, errno, "epoll_ctl() failed");
}

/* The next client whose reply has come, which is read. */
static struct client *
await_reply(struct crowd *crowd)
{
    char bytes[REQUEST_BYTES];

    if (crowd->ready == 0)
        crowd->ready = epoll_wait(crowd->epoll, crowd->event, AT_ONCE_MAX, (int)(LAB_SOON_NS / NS_PER_MS));
    if (crowd->ready <= 0)
        lab_give_up(crowd->lab, "the server did not answer");
    struct client *client = crowd->event[--crowd->ready].data.ptr;
    if (recv(client->fd, bytes, sizeof bytes, MSG_WAITALL) != (ssize_t)sizeof bytes)
        lab_give_up(crowd->lab, "the server did not answer a request");
    return client;
}

static int
by_size(const void *one, const void *other)
{
    uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;
    return (a > b) - (a < b);
}

static struct found
found_of(struct crowd *crowd, int count, uint64_t start_ns)
{
    uint64_t elapsed_ns = clock_now_ns() - start_ns;

    qsort(crowd->took_ns, (size_t)count, sizeof crowd->took_ns[0], by_size);
    return (struct found){.median_ns = crowd->took_ns[count / 2],
                          .late_ns = crowd->took_ns[count * 99 / 100],
                          .per_s = (uint64_t)count * NS_PER_S / (elapsed_ns > 0 ? elapsed_ns : 1)};
}

/* Connections that end: as many at once as the load says, until all were served. */
static struct found
run_short(struct crowd *crowd)
{
    const struct load *load = crowd->load;
    uint64_t start_ns = clock_now_ns();
    int begun = 0, ended = 0;

    while (begun < load->at_once)
        begin(crowd, &crowd->client[begun++]);
    while (ended < load->connections) {
        struct client *client = await_reply(crowd);
        if (--client->left > 0) {
            request(crowd, client);
            continue;
        }
        crowd->took_ns[ended++] = clock_now_ns() - client->begin_ns;
        close(client->fd);
        if (begun < load->connections) {
            begin(crowd, client);
            begun++;
        }
    }
    return found_of(crowd, ended, start_ns);
}

/* Connections that stay. */
static struct found
run_long(struct crowd *crowd)
{
    const struct load *load = crowd->load;
    int done = 0;

    for (int i = 0; i < load->at_once; i++)
        begin(crowd, &crowd->client[i]);
    for (int i = 0; i < load->at_once; i++) /* each is served by now */
        await_reply(crowd);
    uint64_t start_ns = clock_now_ns();
    for (int i = 0; i < load->at_once; i++) {
        crowd->client[i].begin_ns = clock_now_ns();
        request(crowd, &crowd->client[i]);
    }
    while (done < load->exchanges) {
        struct client *client = await_reply(crowd);
        uint64_t now_ns = clock_now_ns();
        crowd->took_ns[done++] = now_ns - client->begin_ns;
        client->begin_ns = now_ns;
        request(crowd, client);
    }
    struct found found = found_of(crowd, done, start_ns);
    for (int i = 0; i < load->at_once; i++)
        close(crowd->client[i].fd);
    return found;
}

/* Serves a load in one way, by a process that ends with it. */
static struct found
measure(struct lab_case *lab, enum way way, const struct load *load)
{
    static void (*const serve[WAYS])(int) = {serve_by_fork, serve_by_thread, serve_by_poll};
    static struct crowd crowd;
    struct endpoint at;
    int listener = lab_listen(lab, AF_INET, AT_ONCE_MAX, &at);
    pid_t server = lab_fork(lab);

    if (server == 0) {
        serve[way](listener);
        _exit(1);
    }
    close(listener);
    crowd = (struct crowd){.lab = lab, .load = load, .server = at, .epoll = epoll_create1(EPOLL_CLOEXEC)};
    if (crowd.epoll < 0)
        lab_give_up_system(lab, errno, "epoll_create1() failed");
    struct found found = load->connections > 0 ? run_short(&crowd) : run_long(&crowd);
    close(crowd.epoll);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    return found;
}

/* Whether so many connections can be open at once: descriptors, and places in the queue of the listener. */
static bool
may_open(int at_once)
{
    struct rlimit limit;
    char text[32] = "";
    uint64_t queue;
    bool queued = system_read_text("/proc/sys/net/core/somaxconn", text, sizeof text) != 0 ||
                  units_parse_count(text, &queue) != 0 || queue >= (uint64_t)at_once;
    rlim_t needed = (rlim_t)at_once + SPARE_DESCRIPTORS;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return false;
    if (limit.rlim_cur < needed && limit.rlim_max >= needed) {
        limit.rlim_cur = needed;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    return queued && limit.rlim_cur >= needed;
}

/* All three ways, the first of which changes from attempt to attempt. */
static void
measure_all(struct lab_case *lab, const struct load *load, struct found found[WAYS])
{
    for (int i = 0; i < WAYS; i++) {
        enum way way = (enum way)((getpid() + i) % WAYS);
        found[way] = measure(lab, way, load);
    }
}

static void
note(struct lab_case *lab, const struct load *load, const struct found found[WAYS])
{
    const char *kind = load->connections > 0 ? "short" : "long";
    char name[64];

    for (int way = 0; way < WAYS; way++) {
        snprintf(name, sizeof name, "%s, %d %s: median", way_names[way], load->at_once, kind);
        lab_number(lab, name, found[way].median_ns / NS_PER_US, "us");
        snprintf(name, sizeof name, "%s, %d %s: 99 %%", way_names[way], load->at_once, kind);
        lab_number(lab, name, found[way].late_ns / NS_PER_US, "us");
        snprintf(name, sizeof name, "%s, %d %s: rate", way_names[way], load->at_once, kind);
        lab_number(lab, name, found[way].per_s, "/s");
    }
}

/* What one connection at a time costs by a process for each, in parts of what it costs by poll(). */
static double
price(const struct found found[WAYS])
{
    uint64_t cheap_ns = found[BY_POLL].median_ns;
    return (double)found[BY_FORK].median_ns / (double)(cheap_ns > 0 ? cheap_ns : 1);
}

/* A fork() costs some times what connecting and one exchange cost, and a small part of a hundred of them. */
#define DEARER 2.0

/* With --thorough: 1000 at once, and long connections. */
static void
measure_more(struct lab_case *lab)
{
    static const struct load loads[] = {
        {1000, 2000, 1}, {1, 0, 3000}, {10, 0, 6000}, {100, 0, 12000}, {1000, 0, 24000}};
    struct found found[WAYS];

    for (size_t i = 0; i < sizeof loads / sizeof loads[0]; i++) {
        if (!may_open(loads[i].at_once)) {
            lab_skip(lab,
                     "1000 connections at once: they need 1032 descriptors (ulimit -n) and net.core.somaxconn 1000");
            continue;
        }
        measure_all(lab, &loads[i], found);
        note(lab, &loads[i], found);
    }
}

void
lab_process_for_each(struct lab_case *lab)
{
    static const struct load loads[] = {{1, 60, 1}, {10, 150, 1}, {100, 400, 1}};
    static const struct load kept = {1, 12, 100};
    struct found one[WAYS], found[WAYS], control[WAYS];

    lab_step(lab, "connect, send 100 bytes, read 100, close: 60 times one after the other, served by a process for "
                  "each connection, by a thread for each, and by one poll()");
    lab_step(lab, "the same with 10 and with 100 connections at once");
    if (!may_open(loads[2].at_once)) {
        lab_advise(lab, "raise `ulimit -n` to 132 and net.core.somaxconn to 100");
        lab_give_up(lab, "it needs 100 connections at once, more than are allowed here");
    }
    measure_all(lab, lab->twist ? &kept : &loads[0], one);
    note(lab, &loads[0], one);
    for (size_t i = 1; i < sizeof loads / sizeof loads[0]; i++) {
        measure_all(lab, &loads[i], found);
        note(lab, &loads[i], found);
    }
    if (lab->thorough)
        measure_more(lab);
    else
        lab_skip(lab, "1000 connections at once, and long connections");
    measure_all(lab, &kept, control);
    lab_control(lab, price(control) < DEARER, "each connection carries 100 exchanges", "%.2f times what poll() takes",
                price(control));
    if (price(one) >= DEARER)
        lab_decide(lab, LAB_HOLDS, "one at a time: %" PRIu64 " us by a process for each, %" PRIu64 " us by poll()",
                   one[BY_FORK].median_ns / NS_PER_US, one[BY_POLL].median_ns / NS_PER_US);
    else
        lab_decide(lab, LAB_FAILS, "a process for each took %.2f times what poll() took", price(one));
    lab_why(lab,
            "fork() copies the tables of a process's memory, and each page that one of the two writes to afterwards; "
            "a thread shares them; poll() starts nothing. Over a hundred exchanges the beginning is spread, and "
            "what is left is who runs on which CPU.");
}
