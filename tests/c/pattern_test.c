/* pattern_test.c: a pattern is taken as it is written or refused at the character that is wrong; its sums are those of
 * its items; what would block both ends is known before anything runs. */
#include "pattern.h"

#include "check.h"
#include "clock.h"

static struct pattern pattern;

struct wanted {
    uint64_t kind, value, joined;
};

static void
is_made_of(const char *text, uint64_t outstanding, const struct wanted *items, uint64_t count)
{
    if (pattern_parse(text, &pattern) != 0) {
        CHECK_TEXT(err_text(), text);
        err_clear();
        return;
    }
    CHECK_NUMBER(pattern.outstanding, outstanding);
    CHECK_NUMBER(pattern.count, count);
    for (uint64_t i = 0; i < count && i < pattern.count; i++) {
        if (!CHECK(pattern.item[i].kind == items[i].kind && pattern.item[i].value == items[i].value &&
                   pattern.item[i].joined == items[i].joined))
            fprintf(stderr, "item %" PRIu64 " of '%s'\n", i, text);
    }
    CHECK(pattern_is_sound(&pattern));
}

static void
every_item(void)
{
    static const struct wanted textbook[] = {{PATTERN_WRITE, 100, 0}, {PATTERN_WRITE, 400, 0}, {PATTERN_REPLY, 1, 0}};
    static const struct wanted all[] = {
        {PATTERN_CORK, 0, 0},      {PATTERN_WRITE, 1, 0},         {PATTERN_MORE, 2048, 0},     {PATTERN_GATHER, 100, 1},
        {PATTERN_GATHER, 400, 1},  {PATTERN_GATHER, 1U << 20, 0}, {PATTERN_PAUSE, 5000000, 0}, {PATTERN_UNCORK, 0, 0},
        {PATTERN_QUICKACK, 0, 0},  {PATTERN_REPLY, 65536, 0},     {PATTERN_WRITE, 7, 0},       {PATTERN_REPLY, 8, 0},
        {PATTERN_PAUSE, 10000, 0}, {PATTERN_PAUSE, 3, 0},
    };
    static const struct wanted two_gathers[] = {
        {PATTERN_GATHER, 1, 1}, {PATTERN_GATHER, 2, 0}, {PATTERN_GATHER, 3, 0}, {PATTERN_REPLY, 1, 0}};
    static const struct wanted reply_first[] = {{PATTERN_REPLY, 1, 0}, {PATTERN_WRITE, 2, 0}};

    is_made_of("w100,w400,r1", 1, textbook, 3);
    is_made_of("k1(w100,w400,r1)", 1, textbook, 3);
    is_made_of("k8(w100,w400,r1)", 8, textbook, 3);
    is_made_of("k4096(w100,w400,r1)", 4096, textbook, 3);
    is_made_of("c,w1,m2K,v100+400+1M,p5ms,u,q,r64K,w7,r8,p10us,p3ns", 1, all, 14);
    is_made_of("v1+2,v3,r1", 1, two_gathers, 4);
    is_made_of("r1,w2", 1, reply_first, 2);
}

/* Every wrong text: which character is named, and why. */
static void
refused_at_its_place(void)
{
    static const struct {
        const char *text;
        const char *words;
    } cases[] = {
        {"", "at character 1 (its end): an item is missing"},
        {",w1,r1", "at character 1 (',w1,r1'): an item is missing"},
        {"w1,,r1", "at character 4 (',r1'): an item is missing"},
        {"w1,r1,", "at character 7 (its end): an item is missing"},
        {"w1 ,r1", "at character 3 (' ,r1'): a comma was expected"},
        {"w1r1", "at character 3 ('r1'): a comma was expected"},
        {"w1;r1", "at character 3 (';r1'): a comma was expected"},
        {"x1,r1", "at character 1 ('x1,r1'): an item is w, m, v, c, u, q, p or r"},
        {"W1,r1", "at character 1 ('W1,r1'): an item is"},
        {"w1,-5,r1", "at character 4 ('-5,r1'): an item is"},
        {"w,r1", "at character 2 (',r1'): a number is missing"},
        {"w-1,r1", "at character 2 ('-1,r1'): a number is missing"},
        {"w1,r", "at character 5 (its end): a number is missing"},
        {"w0,r1", "at character 2 ('0,r1'): the number must not be 0"},
        {"w1,r0", "at character 5 ('0'): the number must not be 0"},
        {"m0,r1", "at character 2 ('0,r1'): the number must not be 0"},
        {"v0+1,r1", "at character 2 ('0+1,r1'): the number must not be 0"},
        {"v1+0,r1", "at character 4 ('0,r1'): the number must not be 0"},
        {"w1,p0ms,r1", "at character 5 ('0ms,r1'): the number must not be 0"},
        {"v1+,r1", "at character 4 (',r1'): a number is missing"},
        {"v+1,r1", "at character 2 ('+1,r1'): a number is missing"},
        {"w1+2,r1", "at character 3 ('+2,r1'): a comma was expected"},
        {"w1,p5,r1", "at character 5 ('5,r1')"},
        {"w1,p5min,r1", "at character 5 ('5min,r1')"},
        {"w1,p11s,r1", "a pause is at most 10 s"},
        {"w1ms,r1", "at character 2 ('1ms,r1')"},
        {"w1KK,r1", "at character 2 ('1KK,r1')"},
        {"w99999999999999999999,r1", "at character 2 ('999999999999')"},
        {"w999999999999999999999999999999999999,r1", "the number is too long"},
        {"w2G,r1", "at character 2 ('2G,r1'): one item moves at most 1 GiB"},
        {"w1,r2G", "at character 5 ('2G'): one item moves at most 1 GiB"},
        {"w1G,w1,r1", "moves more than 1 GiB in one exchange"},
        {"w1,r1G,r1", "at character 8 ('r1'): with this it moves more than 1 GiB in one exchange"},
        {"w1", "at character 3 (its end): it has no read"},
        {"w100,w400,p5ms", "has no read"},
        {"k8(w1)", "at character 6 (')'): it has no read"},
        {"r1", "has no write"},
        {"c,u,r1", "has no write"},
        {"(w1,r1)", "at character 1 ('(w1,r1)'): an item is"},
        {"w1,r1)", "at character 6 (')'): there is no opening parenthesis for this"},
        {"k8(w1,r1", "at character 9 (its end): the closing parenthesis is missing"},
        {"k8w1,r1)", "at character 3 ('w1,r1)'): an opening parenthesis is missing"},
        {"k8,w1,r1", "at character 3 (',w1,r1'): an opening parenthesis is missing"},
        {"k8()", "at character 4 (')'): an item is missing"},
        {"k8(w1,)", "at character 7 (')'): an item is missing"},
        {"k8(w1,r1))", "at character 10 (')'): there is no opening parenthesis for this"},
        {"k8(w1,r1),w1", "at character 10 (',w1'): nothing may follow the closing parenthesis"},
        {"k8((w1,r1))", "at character 4 ('(w1,r1))'): an item is"},
        {"k(w1,r1)", "at character 2 ('(w1,r1)'): a number is missing"},
        {"k0(w1,r1)", "at character 2 ('0(w1,r1)'): the number must not be 0"},
        {"k4097(w1,r1)", "at character 2 ('4097(w1,r1)'): at most 4096 exchanges may be outstanding"},
        {"k1000000000(w1,r1)", "at character 2 ('1000000000(w'): at most 4096 exchanges may be outstanding"},
        {"k8K(w1,r1)", "at character 2 ('8K(w1,r1)')"},
        {"w1,k8(w1,r1)", "at character 4 ('k8(w1,r1)'): k stands once, at the beginning"},
        {"k2(k2(w1,r1))", "at character 4 ('k2(w1,r1))'): k stands once"},
        {"k2(w1,r1,w1,r1)", "all writes of one come before its first read"},
        {"k2(w1,r1,p5ms)",
         "at character 10 ('p5ms)'): with several exchanges outstanding, all writes of one come before its first read"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (!CHECK(pattern_parse(cases[i].text, &pattern) == -1) || !CHECK_ERROR(STATUS_USAGE, cases[i].words))
            fprintf(stderr, "pattern '%s'\n", cases[i].text);
    }
}

static void
at_most_64_items(void)
{
    char text[512];
    size_t used = (size_t)snprintf(text, sizeof text, "w1");

    for (int i = 1; i < PATTERN_ITEMS_MAX - 1; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, ",w1");
    used += (size_t)snprintf(text + used, sizeof text - used, ",r1");
    CHECK(pattern_parse(text, &pattern) == 0);
    CHECK_NUMBER(pattern.count, PATTERN_ITEMS_MAX);
    snprintf(text + used, sizeof text - used, ",r1");
    CHECK(pattern_parse(text, &pattern) == -1);
    CHECK_ERROR(STATUS_USAGE, "at most 64 items");
    used = (size_t)snprintf(text, sizeof text, "r1,v1"); /* the parts of a writev count as well */
    for (int i = 1; i < PATTERN_ITEMS_MAX; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "+1");
    CHECK(pattern_parse(text, &pattern) == -1);
    CHECK_ERROR(STATUS_USAGE, "at most 64 items");
}

static void
sums(void)
{
    REQUIRE(pattern_parse("c,w1,m20,v300+4000,p5ms,u,q,r5,w60000,r6", &pattern) == 0);
    struct pattern_sum sum = pattern_sum(&pattern);
    CHECK_NUMBER(sum.request_bytes, 64321);
    CHECK_NUMBER(sum.reply_bytes, 11);
    CHECK_NUMBER(sum.writes, 4); /* a writev is one call */
    CHECK_NUMBER(sum.replies, 2);
    CHECK_NUMBER(sum.pause_ns, 5 * NS_PER_MS);
    CHECK(sum.corks && sum.tcp_only);

    static const struct {
        const char *text;
        bool corks, tcp_only;
    } cases[] = {{"w1,p5ms,v1+2,r1", false, false},
                 {"m1,w1,r1", true, true},
                 {"c,w1,r1", true, true},
                 {"w1,u,r1", false, true},
                 {"w1,q,r1", false, true}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        REQUIRE(pattern_parse(cases[i].text, &pattern) == 0);
        sum = pattern_sum(&pattern);
        CHECK(sum.corks == cases[i].corks && sum.tcp_only == cases[i].tcp_only);
    }
    pattern = (struct pattern){.count = 0}; /* no pattern: of another workload */
    sum = pattern_sum(&pattern);
    CHECK(sum.request_bytes == 0 && sum.reply_bytes == 0 && !sum.tcp_only);
}

/* What comes over the network need not have been parsed. */
static void
unsound_ones_are_seen(void)
{
    struct pattern good;

    REQUIRE(pattern_parse("v1+2,w3,r4", &good) == 0);
    CHECK(pattern_is_sound(&good));
    static const struct {
        size_t item;
        struct pattern_item by;
    } cases[] = {
        {0, {PATTERN_KINDS, 1, 0}},
        {0, {UINT64_MAX, 1, 0}},
        {2, {PATTERN_WRITE, PATTERN_BYTES_MAX, 0}}, /* with the others more than the bound */
        {2, {PATTERN_WRITE, UINT64_MAX, 0}},
        {2, {PATTERN_PAUSE, UINT64_MAX, 0}},
        {3, {PATTERN_REPLY, PATTERN_BYTES_MAX + 1, 0}},
        {3, {PATTERN_REPLY, 0, 0}},  /* nothing to read */
        {3, {PATTERN_WRITE, 1, 0}},  /* the same */
        {3, {PATTERN_REPLY, 4, 1}},  /* joined to what follows: nothing does */
        {1, {PATTERN_GATHER, 2, 1}}, /* joined to a write */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pattern = good;
        pattern.item[cases[i].item] = cases[i].by;
        if (!CHECK(!pattern_is_sound(&pattern)))
            fprintf(stderr, "case %zu\n", i);
    }
    static const uint64_t counts[] = {0, PATTERN_ITEMS_MAX + 1, UINT64_MAX};
    for (size_t i = 0; i < 3; i++) {
        pattern = good;
        pattern.count = counts[i];
        CHECK(!pattern_is_sound(&pattern));
    }
    static const uint64_t outstanding[] = {0, PATTERN_OUTSTANDING_MAX + 1, UINT64_MAX};
    for (size_t i = 0; i < 3; i++) {
        pattern = good;
        pattern.outstanding = outstanding[i];
        CHECK(!pattern_is_sound(&pattern));
    }
}

static void
deadlocks(void)
{
    const char *text = "w1,r1G";
    REQUIRE(pattern_parse(text, &pattern) == 0); /* the sender reads when it has written */
    CHECK(pattern_check_deadlock(&pattern, text, 0) == 0);
    text = "k8(w1,r1000)";
    REQUIRE(pattern_parse(text, &pattern) == 0);
    CHECK(pattern_check_deadlock(&pattern, text, 8000) == 0);
    CHECK(pattern_check_deadlock(&pattern, text, 7999) == -1);
    CHECK_ERROR(STATUS_USAGE, "8 outstanding replies of 1000 bytes do not fit into the 7999 bytes");
    CHECK(pattern_check_deadlock(&pattern, text, 0) == -1);
    CHECK_ERROR(STATUS_USAGE, "pattern 'k8(w1,r1000)', at character 2 ('8(w1,r1000)'): so many can deadlock");
    text = "k4096(w1,r512M,r512M)";
    REQUIRE(pattern_parse(text, &pattern) == 0); /* the largest: no overflow */
    CHECK(pattern_check_deadlock(&pattern, text, UINT64_C(1) << 41) == -1);
    CHECK_ERROR(STATUS_USAGE, "4096 outstanding replies of 1073741824 bytes");
    CHECK(pattern_check_deadlock(&pattern, text, UINT64_C(1) << 42) == 0);
}

int
main(void)
{
    every_item();
    refused_at_its_place();
    at_most_64_items();
    sums();
    unsound_ones_are_seen();
    deadlocks();
    return check_end();
}
