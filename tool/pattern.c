/* pattern.c: see pattern.h. */
#include "pattern.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "err.h"
#include "units.h"

/* A text that is being parsed. */
struct cursor {
    const char *text;
    size_t at;
    size_t place[PATTERN_ITEMS_MAX]; /* where each item begins */
};

/* An error that shows the place. */
static int
refuse_at(const char *text, size_t at, const char *what)
{
    if (text[at] == '\0')
        return err_set(STATUS_USAGE, "pattern '%.100s', at character %zu (its end): %s", text, at + 1, what);
    return err_set(STATUS_USAGE, "pattern '%.100s', at character %zu ('%.12s'): %s", text, at + 1, text + at, what);
}

static int
refuse(const struct cursor *cursor, size_t at, const char *what)
{
    return refuse_at(cursor->text, at, what);
}

/* Reads the letters and digits of a value at the cursor with one of the parsers of units.h. */
static int
take_value(struct cursor *cursor, int (*parse)(const char *, uint64_t *), uint64_t *value)
{
    char word[32];
    size_t length = strspn(cursor->text + cursor->at, "0123456789KMGnusm");

    if (length == 0)
        return refuse(cursor, cursor->at, "a number is missing");
    if (length >= sizeof word)
        return refuse(cursor, cursor->at, "the number is too long");
    memcpy(word, cursor->text + cursor->at, length);
    word[length] = '\0';
    if (parse(word, value) != 0) {
        char why[ERR_TEXT_BYTES];
        snprintf(why, sizeof why, "%s", err_text());
        return refuse(cursor, cursor->at, why);
    }
    if (*value == 0)
        return refuse(cursor, cursor->at, "the number must not be 0");
    cursor->at += length;
    return 0;
}

static int
add(const struct cursor *cursor, size_t at, struct pattern *pattern, struct pattern_item item)
{
    if (pattern->count == PATTERN_ITEMS_MAX)
        return refuse(cursor, at, "a pattern has at most 64 items");
    pattern->item[pattern->count++] = item;
    return 0;
}

static int
take_bytes(struct cursor *cursor, struct pattern *pattern, enum pattern_kind kind)
{
    size_t at = cursor->at;
    uint64_t bytes = 0;

    if (take_value(cursor, units_parse_size, &bytes) != 0)
        return -1;
    if (bytes > PATTERN_BYTES_MAX)
        return refuse(cursor, at, "one item moves at most 1 GiB");
    return add(cursor, at, pattern, (struct pattern_item){.kind = kind, .value = bytes});
}

/* v100+400: parts of one writev. */
static int
take_gather(struct cursor *cursor, struct pattern *pattern)
{
    for (;;) {
        if (take_bytes(cursor, pattern, PATTERN_GATHER) != 0)
            return -1;
        if (cursor->text[cursor->at] != '+')
            return 0;
        cursor->at++;
        pattern->item[pattern->count - 1].joined = 1;
    }
}

static int
take_item(struct cursor *cursor, struct pattern *pattern)
{
    size_t at = cursor->at;
    uint64_t ns = 0;

    switch (cursor->text[cursor->at++]) {
    case 'w':
        return take_bytes(cursor, pattern, PATTERN_WRITE);
    case 'm':
        return take_bytes(cursor, pattern, PATTERN_MORE);
    case 'r':
        return take_bytes(cursor, pattern, PATTERN_REPLY);
    case 'v':
        return take_gather(cursor, pattern);
    case 'c':
        return add(cursor, at, pattern, (struct pattern_item){.kind = PATTERN_CORK});
    case 'u':
        return add(cursor, at, pattern, (struct pattern_item){.kind = PATTERN_UNCORK});
    case 'q':
        return add(cursor, at, pattern, (struct pattern_item){.kind = PATTERN_QUICKACK});
    case 'p':
        if (take_value(cursor, units_parse_time, &ns) != 0)
            return -1;
        if (ns > 10 * NS_PER_S)
            return refuse(cursor, at, "a pause is at most 10 s");
        return add(cursor, at, pattern, (struct pattern_item){.kind = PATTERN_PAUSE, .value = ns});
    case 'k':
        return refuse(cursor, at, "k stands once, at the beginning, around everything: k8(w100,r1)");
    default:
        return refuse(cursor, at, "an item is w, m, v, c, u, q, p or r (see `tinygram help`)");
    }
}

/* k8( at the beginning. Returns 1 when it is there, 0 when not, -1 with an error. */
static int
take_outstanding(struct cursor *cursor, struct pattern *pattern)
{
    pattern->outstanding = 1;
    if (cursor->text[0] != 'k')
        return 0;
    cursor->at = 1;
    if (take_value(cursor, units_parse_count, &pattern->outstanding) != 0)
        return -1;
    if (pattern->outstanding > PATTERN_OUTSTANDING_MAX)
        return refuse(cursor, 1, "at most 4096 exchanges may be outstanding");
    if (cursor->text[cursor->at] != '(')
        return refuse(cursor, cursor->at, "an opening parenthesis is missing: k8(w100,r1)");
    cursor->at++;
    return 1;
}

static int
take_items(struct cursor *cursor, struct pattern *pattern)
{
    for (;;) {
        if (cursor->text[cursor->at] == '\0' || cursor->text[cursor->at] == ',' || cursor->text[cursor->at] == ')')
            return refuse(cursor, cursor->at, "an item is missing");
        size_t at = cursor->at;
        uint64_t first = pattern->count;
        if (take_item(cursor, pattern) != 0)
            return -1;
        for (uint64_t i = first; i < pattern->count; i++)
            cursor->place[i] = at;
        if (cursor->text[cursor->at] != ',')
            return 0;
        cursor->at++;
    }
}

/* The first item that is no reply and stands behind one; pattern->count when there is none. */
static uint64_t
behind_reply(const struct pattern *pattern)
{
    bool replied = false;

    for (uint64_t i = 0; i < pattern->count; i++) {
        if (pattern->item[i].kind == PATTERN_REPLY)
            replied = true;
        else if (replied)
            return i;
    }
    return pattern->count;
}

/* The first item with which more is moved, one way, than an exchange may; pattern->count when there is none. */
static uint64_t
beyond_bytes(const struct pattern *pattern)
{
    struct pattern part = *pattern;

    for (part.count = 1; part.count <= pattern->count; part.count++) {
        struct pattern_sum sum = pattern_sum(&part);
        if (sum.request_bytes > PATTERN_BYTES_MAX || sum.reply_bytes > PATTERN_BYTES_MAX)
            return part.count - 1;
    }
    return pattern->count;
}

int
pattern_parse(const char *text, struct pattern *pattern)
{
    struct cursor cursor = {.text = text};

    *pattern = (struct pattern){.outstanding = 1};
    int nested = take_outstanding(&cursor, pattern);
    if (nested < 0 || take_items(&cursor, pattern) != 0)
        return -1;
    if (nested && text[cursor.at] != ')')
        return refuse(&cursor, cursor.at, "the closing parenthesis is missing");
    if (nested)
        cursor.at++;
    if (nested && text[cursor.at] != '\0' && text[cursor.at] != ')')
        return refuse(&cursor, cursor.at, "nothing may follow the closing parenthesis: k stands around everything");
    if (text[cursor.at] != '\0')
        return refuse(&cursor, cursor.at,
                      text[cursor.at] == ')' ? "there is no opening parenthesis for this"
                                             : "a comma was expected between two items");
    struct pattern_sum sum = pattern_sum(pattern);
    size_t end = nested ? cursor.at - 1 : cursor.at;
    if (sum.replies == 0)
        return refuse(&cursor, end, "it has no read: without a reply (such as r1) an exchange never ends");
    if (sum.writes == 0)
        return refuse(&cursor, end, "it has no write: without a request (such as w100) nothing is exchanged");
    uint64_t beyond = beyond_bytes(pattern);
    if (beyond < pattern->count)
        return refuse(&cursor, cursor.place[beyond], "with this it moves more than 1 GiB in one exchange");
    uint64_t behind = behind_reply(pattern);
    if (pattern->outstanding > 1 && behind < pattern->count)
        return refuse(&cursor, cursor.place[behind],
                      "with several exchanges outstanding, all writes of one come before its first read: "
                      "k8(w100,w400,r1)");
    return 0;
}

bool
pattern_is_sound(const struct pattern *pattern)
{
    if (pattern->count == 0 || pattern->count > PATTERN_ITEMS_MAX || pattern->outstanding == 0 ||
        pattern->outstanding > PATTERN_OUTSTANDING_MAX)
        return false;
    for (uint64_t i = 0; i < pattern->count; i++) {
        const struct pattern_item *item = &pattern->item[i];
        bool last = i + 1 == pattern->count;
        if (item->kind >= PATTERN_KINDS || item->value > 16 * PATTERN_BYTES_MAX)
            return false;
        if (item->joined != 0 && (last || pattern->item[i + 1].kind != PATTERN_GATHER))
            return false;
    }
    struct pattern_sum sum = pattern_sum(pattern);
    return sum.request_bytes > 0 && sum.request_bytes <= PATTERN_BYTES_MAX && sum.reply_bytes > 0 &&
           sum.reply_bytes <= PATTERN_BYTES_MAX;
}

bool
pattern_rests_between(const struct pattern *pattern)
{
    bool requested = false, replied_last = false;

    for (uint64_t i = 0; i < pattern->count; i++) {
        uint64_t kind = pattern->item[i].kind;
        bool writes = kind == PATTERN_WRITE || kind == PATTERN_MORE || kind == PATTERN_GATHER;
        if (kind == PATTERN_REPLY && !requested)
            return false;
        requested |= writes;
        if (writes || kind == PATTERN_REPLY)
            replied_last = !writes;
    }
    return replied_last;
}

struct pattern_sum
pattern_sum(const struct pattern *pattern)
{
    struct pattern_sum sum = {.request_bytes = 0};

    for (uint64_t i = 0; i < pattern->count; i++) {
        const struct pattern_item *item = &pattern->item[i];
        switch (item->kind) {
        case PATTERN_MORE:
            sum.corks = sum.tcp_only = true;
            sum.request_bytes += item->value;
            sum.writes++;
            break;
        case PATTERN_WRITE:
            sum.request_bytes += item->value;
            sum.writes++;
            break;
        case PATTERN_GATHER:
            sum.request_bytes += item->value;
            sum.writes += item->joined == 0;
            break;
        case PATTERN_CORK:
            sum.corks = sum.tcp_only = true;
            break;
        case PATTERN_UNCORK:
        case PATTERN_QUICKACK:
            sum.tcp_only = true;
            break;
        case PATTERN_PAUSE:
            sum.pause_ns += item->value;
            break;
        case PATTERN_REPLY:
            sum.reply_bytes += item->value;
            sum.replies++;
            break;
        default:
            break;
        }
    }
    return sum;
}

int
pattern_check_deadlock(const struct pattern *pattern, const char *text, uint64_t reply_room_bytes)
{
    struct pattern_sum sum = pattern_sum(pattern);
    char what[ERR_TEXT_BYTES];

    if (pattern->outstanding == 1 || pattern->outstanding * sum.reply_bytes <= reply_room_bytes)
        return 0;
    snprintf(what, sizeof what,
             "so many can deadlock: %" PRIu64 " outstanding replies of %" PRIu64 " bytes do not fit into the %" PRIu64
             " bytes that lie between the receiver's write and the sender's read, so the receiver may wait for the "
             "sender to read while the sender waits for the receiver to read; ask for fewer outstanding exchanges, "
             "shorter replies or larger --recv-sndbuf and --send-rcvbuf",
             pattern->outstanding, sum.reply_bytes, reply_room_bytes);
    return refuse_at(text, strcspn(text, "0123456789"), what);
}
