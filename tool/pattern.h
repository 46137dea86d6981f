/*
 * pattern.h: what one exchange is made of: `--pattern w100,w400,r1`.
 *
 *   wN       write N bytes                      mN   send N bytes with MSG_MORE
 *   vN+N...  one writev of the given parts      c, u set, clear TCP_CORK
 *   pT       pause for T                        rN   the reply: the receiver writes N bytes, the sender reads them
 *   q        the receiver re-arms TCP_QUICKACK before it reads what follows
 *   kN(...)  up to N exchanges of the pattern in the parentheses are outstanding at once
 *
 * Both ends follow the same items, each its own part: what the sender writes the receiver reads, and at every rN
 * the receiver makes one write of N bytes. A pattern is parsed by the sender alone; it travels as numbers.
 */
#ifndef TINYGRAM_PATTERN_H
#define TINYGRAM_PATTERN_H

#include <stdbool.h>
#include <stdint.h>

#define PATTERN_ITEMS_MAX 64
#define PATTERN_BYTES_MAX (UINT64_C(1) << 30) /* of one exchange, each way */
#define PATTERN_OUTSTANDING_MAX UINT64_C(4096)

enum pattern_kind {
    PATTERN_WRITE,  /* bytes */
    PATTERN_MORE,   /* bytes */
    PATTERN_GATHER, /* bytes: a part of a writev; `joined` is false on its last part */
    PATTERN_CORK,
    PATTERN_UNCORK,
    PATTERN_QUICKACK,
    PATTERN_PAUSE, /* ns */
    PATTERN_REPLY, /* bytes */
    PATTERN_KINDS
};

struct pattern_item {
    uint64_t kind;
    uint64_t value;  /* bytes or ns */
    uint64_t joined; /* 1: the next part belongs to the same writev */
};

struct pattern {
    uint64_t count;
    uint64_t outstanding; /* at least 1 */
    struct pattern_item item[PATTERN_ITEMS_MAX];
};

/* What one exchange moves. */
struct pattern_sum {
    uint64_t request_bytes;
    uint64_t reply_bytes;
    uint64_t writes;  /* sending calls of the sender */
    uint64_t replies; /* writes of the receiver */
    uint64_t pause_ns;
    bool corks;    /* c or mN: something is held back on purpose */
    bool tcp_only; /* c, u, mN or q: a unix socket has none of them */
};

/* Parses `text`. Returns 0, or -1 with STATUS_USAGE and a sentence that quotes the place. */
int pattern_parse(const char *text, struct pattern *pattern);

/* Whether `pattern`, which came over the network, keeps all bounds. */
bool pattern_is_sound(const struct pattern *pattern);

/* Whether an exchange begins with the request and ends with a reply, so that nothing moves between two exchanges. */
bool pattern_rests_between(const struct pattern *pattern);

struct pattern_sum pattern_sum(const struct pattern *pattern);

/* Looks for a deadlock: with several exchanges outstanding the sender does not read while it writes, so the replies
 * must fit into the buffers between the receiver's write and the sender's read, of which `reply_room_bytes` are sure.
 * `text` is what the pattern was parsed from. Returns 0, or -1 with STATUS_USAGE and the explanation. */
int pattern_check_deadlock(const struct pattern *pattern, const char *text, uint64_t reply_room_bytes);

#endif
