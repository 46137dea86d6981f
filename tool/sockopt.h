/*
 * sockopt.h: ONE table of socket options, and the only setsockopt() and getsockopt() calls of the program.
 *
 * A row says everything about an option: name on the command line and in the result, level, kernel name, unit,
 * which end it belongs to, when it must be applied, range, how a read-back value proves that it took effect,
 * and a sentence of documentation. The parser, --help, the man page, `tinygram options`, apply, read-back, the
 * wire and the JSON all walk this table. Adding an option is adding one row (and its member of enum sockopt).
 */
#ifndef TINYGRAM_SOCKOPT_H
#define TINYGRAM_SOCKOPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Order of the table; also the order on the wire, so new members go to the end and WIRE_VERSION rises. */
enum sockopt {
    SOCKOPT_NODELAY,
    SOCKOPT_CORK,
    SOCKOPT_QUICKACK,
    SOCKOPT_SNDBUF,
    SOCKOPT_RCVBUF,
    SOCKOPT_MSS,
    SOCKOPT_CONGESTION,
    SOCKOPT_NOTSENT_LOWAT,
    SOCKOPT_KEEPALIVE,
    SOCKOPT_KEEPALIVE_IDLE,
    SOCKOPT_KEEPALIVE_INTERVAL,
    SOCKOPT_KEEPALIVE_COUNT,
    SOCKOPT_TOS,
    SOCKOPT_REUSEADDR,
    SOCKOPT_BUSY_POLL,
    SOCKOPT_USER_TIMEOUT,
    SOCKOPT_MAX_PACING_RATE,
    SOCKOPT_COUNT
};

/* Which end `--NAME` means; `--send-NAME` and `--recv-NAME` always name one. */
enum sockopt_end { SOCKOPT_SENDER, SOCKOPT_RECEIVER };

/* How a value is written, read and printed. */
enum sockopt_kind { SOCKOPT_BOOLEAN, SOCKOPT_NUMBER, SOCKOPT_SIZE, SOCKOPT_TEXT };

/* When an option acts: before connect()/listen(), or on a connected socket. */
enum sockopt_when { SOCKOPT_BEFORE, SOCKOPT_CONNECTED };

#define SOCKOPT_TEXT_BYTES 16

/* One value; `known` is false for "auto" (not requested) and for what could not be read. */
struct sockopt_value {
    bool known;
    uint64_t number;
    char text[SOCKOPT_TEXT_BYTES]; /* SOCKOPT_TEXT only; zero-terminated */
};

/* Every option of one socket, requested or effective. */
struct sockopt_values {
    struct sockopt_value of[SOCKOPT_COUNT];
};

struct sockopt_row {
    const char *name;
    const char *kernel_name; /* as the man pages spell it */
    enum sockopt_kind kind;
    const char *unit; /* "bytes", "s", "ms", "us", "bytes/s", "" */
    enum sockopt_end end;
    enum sockopt_when when;
    bool tcp_only; /* an AF_UNIX socket does not have it */
    uint64_t smallest;
    uint64_t largest;
    const char *doc;
};

/* The row of `option`; never NULL. */
const struct sockopt_row *sockopt_row(enum sockopt option);

/* Parses `text` ("auto", or a value of the row's kind) into *value. Returns 0, or -1 with STATUS_USAGE. */
int sockopt_parse(enum sockopt option, const char *text, struct sockopt_value *value);

/* Checks that `family` (AF_*) has every requested option. Returns 0, or -1 with STATUS_USAGE. */
int sockopt_check_family(const struct sockopt_values *requested, int family);

/* Sets every requested option of phase `when` on `fd`. `end` ("sender", "receiver") stands in the error.
 * Returns 0, or -1 with STATUS_REFUSED and the cause (for congestion control: what is available). */
int sockopt_apply(int fd, const struct sockopt_values *requested, enum sockopt_when when, const char *end);

/* Reads every option of `fd` back; one that the socket does not have is left unknown. Never fails. */
void sockopt_read(int fd, struct sockopt_values *effective);

/* Compares what was requested with what is in effect. Returns 0 when every requested option took effect,
 * or -1 with STATUS_REFUSED and a sentence that names the option, both values and the cause. */
int sockopt_verify(const struct sockopt_values *requested, const struct sockopt_values *effective, const char *end);

/* Level and name of an option, as setsockopt(2) takes them, of a socket of family inet. */
void sockopt_numbers(enum sockopt option, int *level, int *optname);

/* setsockopt(2) and getsockopt(2) as they are, for options that are tried and not used. Return errno values, 0: done.
 */
int sockopt_set_raw(int fd, int level, int optname, const void *value, size_t len);
int sockopt_get_raw(int fd, int level, int optname, void *value, size_t len);

/* Lets blocking reads and writes of `fd` return EAGAIN after `limit_ns` without progress. Returns 0 or -1. */
int sockopt_limit_wait(int fd, uint64_t limit_ns);

/* Switches kernel timestamps on (SO_TIMESTAMPING with the given SOF_TIMESTAMPING_* flags) and reads them back.
 * Returns 0, or -1 with STATUS_REFUSED. */
int sockopt_enable_stamps(int fd, unsigned flags);

/* How many bytes of kernel memory wait to be read from `fd` (data and error queue), and how many may. Returns false
 * when the kernel does not tell. */
bool sockopt_waiting(int fd, uint64_t *waiting_bytes, uint64_t *room_bytes);

/* Sets or clears TCP_CORK in the middle of a pattern. Returns 0, or -1 with an error. */
int sockopt_cork(int fd, bool on);

/* Lets everything leave that Nagle's algorithm or a cork still holds, as the end of the stream would: TCP_NODELAY is
 * set for a moment and then set to `nodelay`, as it was. Returns 0, or -1 with an error. */
int sockopt_push(int fd, bool nodelay);

/* Re-arms TCP_QUICKACK. Returns 0, or -1 with an error. */
int sockopt_quickack(int fd);

/* Announces MSG_ZEROCOPY on `fd` (SO_ZEROCOPY). Returns 0, or -1 where the kernel or the family has none. */
int sockopt_enable_zerocopy(int fd);

/* The pending error of `fd` (SO_ERROR), which reading clears. */
int sockopt_pending_error(int fd);

#endif
