/*
 * bare_exchange.c: what an exchange costs when nobody measures anything else: write() and read() on one end, read() and
 * write() on the other.
 *
 *   bare_exchange COUNT BYTES SENDER_CPU RECEIVER_CPU block|spin CONGESTION
 *
 * The tool's exchanges are held against this program. Both ends are pinned; with `spin` their sockets do not block and
 * are tried again at once. An exchange is timed from before its write to after the read of the last byte of its reply,
 * which is as long as the request; nothing else happens between two of them. Prints `P50_NS MEAN_NS` of all exchanges
 * but the first sixteen. Every failure ends it with the call's name and status 1: there is nothing to repair here.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define APART 16

struct task {
    size_t count;
    size_t bytes;
    int cpu[2]; /* sender, receiver */
    int spin;
    const char *congestion;
};

/* Ends the program when a call failed. */
static long
must(long result, const char *call)
{
    if (result < 0) {
        perror(call);
        exit(1);
    }
    return result;
}

static size_t
number(const char *text)
{
    char *end = NULL;
    uintmax_t value = strtoumax(text, &end, 10);
    if (end == text || *end != '\0' || value > SIZE_MAX) {
        fprintf(stderr, "bare_exchange: '%s' is not a number\n", text);
        exit(2);
    }
    return (size_t)value;
}

static uint64_t
now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static void
pin(int cpu)
{
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET((size_t)cpu, &cpus);
    must(sched_setaffinity(0, sizeof cpus, &cpus), "sched_setaffinity");
}

static void
prepare(const struct task *task, int fd)
{
    must(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, task->congestion, (socklen_t)strlen(task->congestion)),
         "TCP_CONGESTION");
}

static void
begin(const struct task *task, int fd)
{
    if (task->spin)
        must(fcntl(fd, F_SETFL, O_NONBLOCK), "fcntl");
}

/* Moves exactly `len` bytes; returns 0 at the end of the stream. */
static int
move(int fd, char *buffer, size_t len, int writes)
{
    for (size_t done = 0; done < len;) {
        ssize_t part = writes ? write(fd, buffer + done, len - done) : read(fd, buffer + done, len - done);
        if (part == 0)
            return 0;
        if (part > 0)
            done += (size_t)part;
        else if (errno != EAGAIN)
            must(-1, writes ? "write" : "read");
    }
    return 1;
}

static int
compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

int
main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int status = 0;

    if (argc != 7) {
        fprintf(stderr, "usage: bare_exchange COUNT BYTES SENDER_CPU RECEIVER_CPU block|spin CONGESTION\n");
        return 2;
    }
    struct task task = {.count = number(argv[1]) + APART,
                        .bytes = number(argv[2]),
                        .cpu = {(int)number(argv[3]), (int)number(argv[4])},
                        .spin = strcmp(argv[5], "spin") == 0,
                        .congestion = argv[6]};
    char *buffer = calloc(1, task.bytes);
    uint64_t *took = calloc(task.count, sizeof *took);
    if (buffer == NULL || took == NULL) {
        fprintf(stderr, "bare_exchange: no memory\n");
        exit(1);
    }
    memset(took, 1, task.count * sizeof *took); /* the pages are there before the clock runs */
    signal(SIGPIPE, SIG_IGN);

    int listener = (int)must(socket(AF_INET, SOCK_STREAM, 0), "socket");
    prepare(&task, listener);
    must(bind(listener, (struct sockaddr *)&address, len), "bind");
    must(listen(listener, 1), "listen");
    must(getsockname(listener, (struct sockaddr *)&address, &len), "getsockname");
    pid_t receiver = (pid_t)must(fork(), "fork");
    if (receiver == 0) {
        pin(task.cpu[1]);
        int fd = (int)must(accept(listener, NULL, NULL), "accept");
        begin(&task, fd);
        while (move(fd, buffer, task.bytes, 0))
            move(fd, buffer, task.bytes, 1);
        _exit(0);
    }
    pin(task.cpu[0]);
    int fd = (int)must(socket(AF_INET, SOCK_STREAM, 0), "socket");
    prepare(&task, fd);
    must(connect(fd, (struct sockaddr *)&address, len), "connect");
    begin(&task, fd);
    uint64_t first_ns = 0, end_ns = 0;
    for (size_t i = 0; i < task.count; i++) {
        uint64_t begin_ns = now_ns();
        move(fd, buffer, task.bytes, 1);
        if (!move(fd, buffer, task.bytes, 0))
            _exit(1);
        end_ns = now_ns();
        took[i] = end_ns - begin_ns;
        if (i == APART)
            first_ns = begin_ns;
    }
    must(shutdown(fd, SHUT_WR), "shutdown");
    must(waitpid(receiver, &status, 0), "waitpid");
    qsort(took + APART, task.count - APART, sizeof *took, compare);
    printf("%" PRIu64 " %" PRIu64 "\n", took[APART + (task.count - APART - 1) / 2],
           (end_ns - first_ns) / (task.count - APART));
    free(took);
    free(buffer);
    return status != 0;
}
