/*
 * config.h: everything that a command line asks for, as plain data. args.c fills it in; nobody changes it later.
 */
#ifndef TINYGRAM_CONFIG_H
#define TINYGRAM_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "cpu.h"
#include "sockopt.h"

enum send_with { SEND_WRITE, SEND_WRITEV, SEND_SENDMSG, SEND_SENDFILE, SEND_SPLICE, SEND_ZEROCOPY };
enum wait { WAIT_BLOCK, WAIT_SPIN };
enum concurrency { CONCURRENCY_FORK, CONCURRENCY_POLL, CONCURRENCY_THREAD };

/* How the content is checked; VERIFY_AUTO is resolved before the receiver hears of it. */
enum verify { VERIFY_AUTO, VERIFY_FULL, VERIFY_SAMPLED, VERIFY_OFF };

/* Bounds that the receiver holds every sender to. */
#define CONNECTIONS_MAX UINT64_C(1024)
#define READ_SIZE_MAX (UINT64_C(64) << 20)
#define EVENTS_MAX_MAX (UINT64_C(1) << 24)
#define TIMEOUT_MAX_NS (UINT64_C(86400) * UINT64_C(1000000000))

/* Up to this size --verify auto checks every byte: the kept bytes stay in the cache. */
#define VERIFY_AUTO_FULL_BYTES (UINT64_C(1) << 20)

/* Up to this size a transfer whose length is known is kept in memory and hashed after its last read. */
#define VERIFY_KEEP_BYTES (UINT64_C(64) << 20)

struct config {
    /* workload */
    const char *file;     /* --file, or NULL */
    uint64_t bytes;       /* --bytes, or MISSING */
    uint64_t repeat;      /* times the file or memory is sent */
    uint64_t duration_ns; /* or MISSING: as long as it takes */
    uint64_t write_size;
    uint64_t read_size;
    int send_with;
    uint64_t connections;

    /* setting */
    struct sockopt_values sender;
    struct sockopt_values receiver;
    int family; /* AF_INET, AF_INET6, AF_UNIX */
    struct cpus cpus;
    const char *cpus_text;
    int wait;
    int sched; /* enum sched */
    int concurrency;
    int verify;
    bool log;
    uint64_t events_max;
    uint64_t sample_every_ns; /* or MISSING */
    uint64_t timeout_ns;
    uint64_t seed;

    /* output */
    const char *events_path;
    const char *json_path;
    bool json; /* a subcommand that prints a table prints JSON instead */

    /* receiver */
    const char *listen;
    uint64_t port;
    bool once;
    const char *output;

    /* operands of `send` */
    const char *host;

    /* the command line, for the result */
    int argc;
    char **argv;
};

#endif
