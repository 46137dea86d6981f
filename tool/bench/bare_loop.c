/*
 * bare_loop.c: what a transfer costs when nobody measures anything: write() on one end, read() on the other.
 *
 *   bare_loop BYTES WRITE_BYTES READ_BYTES CPU CONGESTION [FILE]
 *
 * The tool is held against this program, so it has no table, no log, no digest and no control connection. Both ends
 * are pinned to CPU, as `--cpus same` does. It sends one buffer by write(2) again and again; with FILE it sends that by
 * sendfile(2), from its first byte again when it ends. The clock runs from before the first write to after the last
 * read. Prints `BYTES ELAPSED_NS`. Every failure ends it with the call's name and status 1: there is nothing to repair
 * here.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
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
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct task {
    uint64_t bytes;
    size_t write_bytes;
    size_t read_bytes;
    int cpu;
    const char *congestion;
    const char *file; /* NULL: write a buffer */
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

static uint64_t
number(const char *text)
{
    char *end = NULL;
    uintmax_t value = strtoumax(text, &end, 10);
    if (end == text || *end != '\0') {
        fprintf(stderr, "bare_loop: '%s' is not a number\n", text);
        exit(2);
    }
    return (uint64_t)value;
}

static uint64_t
now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* A buffer whose pages are there before the clock runs. */
static char *
buffer_of(size_t len_bytes)
{
    char *buffer = malloc(len_bytes);
    if (buffer == NULL)
        must(-1, "malloc");
    else
        memset(buffer, 'x', len_bytes);
    return buffer;
}

static int
socket_new(const struct task *task)
{
    int fd = (int)must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
    must(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, task->congestion, (socklen_t)strlen(task->congestion)),
         "TCP_CONGESTION");
    return fd;
}

/* The receiving end: reads to the end of the stream and tells the time after the last read that had bytes. */
static void
receive(const struct task *task, int listener, int report)
{
    char *buffer = buffer_of(task->read_bytes);
    uint64_t last_ns = 0;
    uint64_t received = 0;
    int fd = (int)must(accept(listener, NULL, NULL), "accept");
    for (;;) {
        ssize_t got = read(fd, buffer, task->read_bytes);
        must(got, "read");
        if (got == 0)
            break;
        received += (uint64_t)got;
        if (received == task->bytes)
            last_ns = now_ns();
    }
    must(write(report, &last_ns, sizeof last_ns), "write");
    exit(received == task->bytes ? 0 : 1);
}

static void
send_writes(const struct task *task, int fd)
{
    char *buffer = buffer_of(task->write_bytes);
    for (uint64_t left = task->bytes; left > 0;)
        left -= (uint64_t)must(write(fd, buffer, left < task->write_bytes ? left : task->write_bytes), "write");
    free(buffer);
}

static void
send_file(const struct task *task, int fd)
{
    int file = (int)must(open(task->file, O_RDONLY | O_CLOEXEC), task->file);
    struct stat status;
    must(fstat(file, &status), "fstat");
    off_t offset = 0;
    for (uint64_t left = task->bytes; left > 0;) {
        if (offset == status.st_size)
            offset = 0;
        left -= (uint64_t)must(sendfile(fd, file, &offset, left < task->write_bytes ? left : task->write_bytes),
                               "sendfile");
    }
    close(file);
}

static uint64_t
transfer(const struct task *task)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int report[2];
    int listener = socket_new(task);
    must(bind(listener, (struct sockaddr *)&address, len), "bind");
    must(listen(listener, 1), "listen");
    must(getsockname(listener, (struct sockaddr *)&address, &len), "getsockname");
    must(pipe(report), "pipe");

    pid_t receiver = (pid_t)must(fork(), "fork");
    if (receiver == 0)
        receive(task, listener, report[1]);
    int fd = socket_new(task);
    must(connect(fd, (struct sockaddr *)&address, len), "connect");

    uint64_t first_ns = now_ns();
    if (task->file != NULL)
        send_file(task, fd);
    else
        send_writes(task, fd);
    must(shutdown(fd, SHUT_WR), "shutdown");

    uint64_t last_ns = 0;
    int status = 0;
    must(read(report[0], &last_ns, sizeof last_ns), "read");
    must(waitpid(receiver, &status, 0), "waitpid");
    if (status != 0)
        exit(1);
    return last_ns - first_ns;
}

int
main(int argc, char **argv)
{
    if (argc < 6 || argc > 7) {
        fprintf(stderr, "usage: bare_loop BYTES WRITE_BYTES READ_BYTES CPU CONGESTION [FILE]\n");
        return 2;
    }
    struct task task = {.bytes = number(argv[1]),
                        .write_bytes = number(argv[2]),
                        .read_bytes = number(argv[3]),
                        .cpu = (int)number(argv[4]),
                        .congestion = argv[5],
                        .file = argc > 6 ? argv[6] : NULL};
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET((size_t)task.cpu, &cpus);
    must(sched_setaffinity(0, sizeof cpus, &cpus), "sched_setaffinity");
    signal(SIGPIPE, SIG_IGN);
    printf("%" PRIu64 " %" PRIu64 "\n", task.bytes, transfer(&task));
    return 0;
}
