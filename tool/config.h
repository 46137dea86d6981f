/*
 * config.h: everything that a command line asks for, as plain data. args.c fills it in; nobody changes it later.
 */
#ifndef TINYGRAM_CONFIG_H
#define TINYGRAM_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpu.h"
#include "pattern.h"
#include "sockopt.h"

enum send_with { SEND_WRITE, SEND_WRITEV, SEND_SENDMSG, SEND_SENDFILE, SEND_SPLICE, SEND_ZEROCOPY };
enum wait { WAIT_BLOCK, WAIT_SPIN };
enum concurrency { CONCURRENCY_FORK, CONCURRENCY_POLL, CONCURRENCY_THREAD };

/* How the content is checked; VERIFY_AUTO is resolved before the receiver hears of it. */
enum verify { VERIFY_AUTO, VERIFY_FULL, VERIFY_SAMPLED, VERIFY_OFF };

/* Bounds that the receiver holds every sender to. */
#define CONNECTIONS_MAX UINT64_C(1024)
#define READ_SIZE_MAX (UINT64_C(64) << 20)
/* Read buffers of all connections of one session together. */
#define SESSION_MEMORY_MAX (UINT64_C(256) << 20)
#define EVENTS_MAX_MAX (UINT64_C(1) << 24)
#define LAB_NAMES_MAX 256
#define TIMEOUT_MAX_NS (UINT64_C(86400) * UINT64_C(1000000000))

/* Up to this size a transfer whose length is known is kept in memory and hashed after its last read. */
#define VERIFY_KEEP_BYTES (UINT64_C(64) << 20)

/* An exchange, a stream: how it is paced. */
struct pacing {
    uint64_t count;        /* exchanges or messages; MISSING: --duration decides */
    double rate;           /* a second; 0: a closed loop */
    double stream_rate;    /* the one of --stream, until it is known that no --rate was given beside it */
    uint64_t think_min_ns; /* between two exchanges: a random time between these */
    uint64_t think_max_ns;
    int schedule; /* enum schedule_kind */
    uint64_t burst;
};

/* Bounds that end with status 5 when they are passed; MISSING: none. */
struct limits {
    uint64_t max_stalls;
    uint64_t max_p50_ns;
    uint64_t max_p99_ns;
    uint64_t min_goodput;
    double max_segments_per_message; /* 0: none */
};

/* What `tinygram cliff` varies. */
enum factor { FACTOR_NONE, FACTOR_SNDBUF, FACTOR_RCVBUF, FACTOR_WRITE_SIZE, FACTOR_RATE };

struct cliff_plan {
    int factor;
    uint64_t from; /* or MISSING */
    uint64_t to;
    uint64_t trials;
    uint64_t budget_ns; /* or MISSING */
};

/* A comparison in slices: the two arms, and how they take turns. */
enum side { SIDE_BASE, SIDE_NEW, SIDES };

struct arm_plan {
    const char *setting; /* "NAME=VALUE ...", or NULL: as on the command line */
    const char *program; /* NULL: this one */
    const char *prefix;  /* "COMMAND ARGUMENT ...", or NULL */
};

struct slice_plan {
    struct arm_plan arm[SIDES];
    uint64_t count;    /* pairs of slices */
    uint64_t slice_ns; /* that one should last about */
    uint64_t units;    /* exchanges or chunks a slice; MISSING: as many as fit */
    uint64_t connect;  /* port of a foreign server on loopback; 0: a receiver of our own */
};

struct config {
    /* workload */
    int workload;             /* enum workload_kind, from --file/--bytes, --pattern or --stream */
    const char *pattern_text; /* --pattern, or NULL */
    struct pattern pattern;
    const char *stream_text; /* --stream, or NULL */
    uint64_t message_size;   /* of a stream */
    struct pacing pacing;
    struct limits limits;
    bool stamps;
    bool rearm_quickack;
    bool rcvbuf_late;
    struct cliff_plan cliff;
    struct slice_plan slices;
    uint64_t inject_permille;
    const char *hgrm_path;
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

    /* lab */
    const char *names[LAB_NAMES_MAX]; /* operands: the entries to try; none: all */
    size_t name_count;
    uint64_t attempts; /* at each entry; 0: its own number */
    bool list;
    bool thorough;
    bool twist;

    /* operands of `send` */
    const char *host;

    /* the command line, for the result */
    int argc;
    char **argv;
};

#endif
