/* stall_test.c: what stood still until a timer is a stall, and is given to the right mechanism, with stamps and
 * without; what was busy, or paused on purpose, is none. */
#include "stall.h"

#include "check.h"
#include "clock.h"
#include "config.h"
#include "workload.h"

#define ROOM 64
#define AHEAD UINT64_C(1700000000000000000)
#define MS NS_PER_MS

static struct config config;
static struct end sender, receiver;
static struct write_event writes[ROOM], exchanges[ROOM];
static struct read_event reads[ROOM], replies[ROOM];
static struct stamp stamps[3 * ROOM];
static struct stalls stalls;
static bool same_clock;

static void
set_info(struct end *end, const char *name, uint64_t value)
{
    for (int i = 0; i < tcpinfo_count(); i++)
        if (strcmp(tcpinfo_name(i), name) == 0)
            end->half.info.field[i] = value;
}

static void
set_option(struct end *end, enum sockopt option, uint64_t number)
{
    end->half.start.of[option] = (struct sockopt_value){.known = true, .number = number};
}

/* A trial of `pattern` (NULL: a transfer) in which nothing has happened, with Nagle on at both ends. */
static void
begin(const char *pattern)
{
    config = (struct config){.workload = WORKLOAD_TRANSFER, .log = true, .connections = 1};
    if (pattern != NULL) {
        config.workload = WORKLOAD_EXCHANGE;
        REQUIRE(pattern_parse(pattern, &config.pattern) == 0);
    }
    sender = receiver = (struct end){.known = true, .half = half_empty()};
    for (int side = 0; side < 2; side++) {
        struct end *end = side == 0 ? &sender : &receiver;
        end->half.info.known = true;
        for (int i = 0; i < TCPINFO_FIELDS_MAX; i++)
            end->half.info.field[i] = 0;
        set_info(end, "ato_us", 40000);
        set_option(end, SOCKOPT_NODELAY, 0);
    }
    sender.events = (struct event_log){.capacity = ROOM, .stride = 1, .entry = writes};
    sender.exchanges = (struct event_log){.capacity = ROOM, .stride = 1, .entry = exchanges};
    sender.stamps = (struct event_log){.capacity = (size_t)3 * ROOM, .stride = 1, .entry = stamps};
    sender.replies = (struct event_log){.capacity = ROOM, .stride = 1, .entry = replies};
    receiver.events = (struct event_log){.capacity = ROOM, .stride = 1, .entry = reads};
    same_clock = true;
}

static void
add_exchange(uint64_t from_ns, uint64_t to_ns)
{
    exchanges[sender.exchanges.count] = (struct write_event){sender.exchanges.count + 1, from_ns, to_ns};
    sender.exchanges.count++;
}

static void
add_write(uint64_t offset, uint64_t before_ns, uint64_t after_ns)
{
    writes[sender.events.count++] = (struct write_event){offset, before_ns, after_ns};
}

static void
add_read(uint64_t offset, uint64_t kernel_ns, uint64_t after_ns)
{
    reads[receiver.events.count++] = (struct read_event){offset, after_ns, AHEAD + kernel_ns};
}

static void
add_segment(uint64_t offset, uint64_t sched_ns, uint64_t device_ns)
{
    stamps[sender.stamps.count++] = (struct stamp){STAMP_SCHED, offset, AHEAD + sched_ns};
    stamps[sender.stamps.count++] = (struct stamp){STAMP_DEVICE, offset, AHEAD + device_ns};
}

static void
classify(void)
{
    struct trial trial = {.config = &config,
                          .same_clock = same_clock,
                          .connections = 1,
                          .sender = &sender,
                          .receiver = &receiver,
                          .bridge = {{.ahead_ns = AHEAD}, {.ahead_ns = AHEAD}}};
    stalls_of(&trial, &stalls);
}

/* There are `count` stalls, all by `mechanism`, of `time_ns` in all. */
static void
are(uint64_t count, enum stall_mechanism mechanism, uint64_t time_ns)
{
    classify();
    CHECK_NUMBER(stalls.count, count);
    CHECK_NUMBER(stalls.time_ns, time_ns);
    if (!CHECK_NUMBER(stalls.by_mechanism[mechanism], count))
        fprintf(stderr, "wanted: %s; chief: %s\n", stall_name(mechanism), stall_name(stalls_chief(&stalls)));
    if (count > 0)
        CHECK(stalls_chief(&stalls) == mechanism);
}

static void
none(void)
{
    are(0, STALL_UNKNOWN, 0);
    CHECK(stalls_chief(&stalls) == STALL_UNKNOWN);
}

/* One fast exchange and one of 44 ms in which the receiver read the first part at once. */
static void
two_exchanges(void)
{
    add_exchange(0, MS);
    add_read(500, 500000, 600000);
    add_exchange(2 * MS, 46 * MS);
    add_read(600, 2 * MS + 10000, 2 * MS + 20000);
    add_read(1000, 45 * MS + 900000, 45 * MS + 950000);
}

/* The same of `pattern`, but the whole request of the second had been read when the connection began to stand still. */
static void
late_reply(const char *pattern)
{
    begin(pattern);
    uint64_t bytes = pattern_sum(&config.pattern).request_bytes;
    add_exchange(0, MS);
    add_read(bytes, 500000, 600000);
    add_exchange(2 * MS, 46 * MS);
    add_read(2 * bytes, 2 * MS + 10000, 2 * MS + 20000);
}

static void
exchanges_without_stamps(void)
{
    begin("w100,w400,r1");
    two_exchanges();
    are(1, STALL_NAGLE, 44 * MS);
    set_option(&sender, SOCKOPT_NODELAY, 1);
    are(1, STALL_UNKNOWN, 44 * MS);
    set_info(&sender, "total_retrans", 1);
    are(1, STALL_RETRANSMISSION, 44 * MS);
    add_exchange(50 * MS, 94 * MS); /* one retransmission explains one stall */
    classify();
    CHECK(stalls.count == 2 && stalls.by_mechanism[STALL_RETRANSMISSION] == 1 &&
          stalls.by_mechanism[STALL_UNKNOWN] == 1);
    begin("w100,w400,r1");
    two_exchanges();
    set_option(&sender, SOCKOPT_MAX_PACING_RATE, 1000);
    are(1, STALL_UNKNOWN, 44 * MS);
    begin("w500,r1"); /* one write alone is nobody's Nagle */
    two_exchanges();
    are(1, STALL_UNKNOWN, 44 * MS);
}

static void
corks(void)
{
    static const char *const corked[] = {"c,w100,w400,r1", "w100,m400,r1", "w100,w400,r1,c", "m100,m400,r1,u",
                                         "w100,c,w400,r1,u,r1"};
    static const char *const pulled[] = {"c,w100,w400,u,r1", "m100,w400,r1", "m100,c,v300+100,u,r1,c,u", "m500,u,r1"};

    for (size_t i = 0; i < sizeof corked / sizeof corked[0]; i++) {
        begin(corked[i]);
        two_exchanges();
        are(1, STALL_CORKED, 44 * MS);
    }
    for (size_t i = 0; i < sizeof pulled / sizeof pulled[0]; i++) {
        begin(pulled[i]);
        two_exchanges();
        set_option(&sender, SOCKOPT_NODELAY, 1);
        are(1, STALL_UNKNOWN, 44 * MS);
    }
    begin("w100,w400,r1"); /* --cork on */
    two_exchanges();
    set_option(&sender, SOCKOPT_CORK, 1);
    are(1, STALL_CORKED, 44 * MS);
}

/* The request had arrived: whatever was set, it is the reply that is late. */
static void
late_replies(void)
{
    static const char *const patterns[] = {"w100,r1,r1", "w100,r1", "k4(w100,r1)", "k4(w100,w400,r1)"};

    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        for (uint64_t nodelay = 0; nodelay < 2; nodelay++) {
            late_reply(patterns[i]);
            set_option(&sender, SOCKOPT_NODELAY, nodelay);
            are(1, STALL_REPLY, 44 * MS);
            set_info(&sender, "total_retrans", 5); /* not those of the replies */
            are(1, STALL_REPLY, 44 * MS);
        }
    }
    late_reply("w100,r1"); /* the receiver sent one again, but that takes longer than this */
    set_info(&receiver, "total_retrans", 1);
    are(1, STALL_REPLY, 44 * MS);
    add_exchange(50 * MS, 260 * MS);
    add_read(300, 50 * MS + 10000, 50 * MS + 20000);
    classify();
    CHECK(stalls.count == 2 && stalls.by_mechanism[STALL_REPLY] == 1 && stalls.by_mechanism[STALL_RETRANSMISSION] == 1);
    set_info(&receiver, "rto_us", 40000);
    set_info(&receiver, "total_retrans", 2);
    are(2, STALL_RETRANSMISSION, 254 * MS);

    begin("w100,r1,w50,w50,r1"); /* the first of two replies, and the second request */
    add_exchange(0, 45 * MS);
    add_read(100, 10000, 20000);
    add_read(200, 44 * MS, 44 * MS + 10000);
    are(1, STALL_REPLY, 45 * MS);
    reads[0].offset = 150;
    are(1, STALL_NAGLE, 45 * MS);

    begin("k4(w100,r1)"); /* of two exchanges that stand still together, one was read and one was not */
    add_exchange(0, 44 * MS);
    add_exchange(1000, 45 * MS);
    add_read(100, 10000, 20000);
    add_read(200, 44 * MS, 44 * MS + 10000);
    classify();
    CHECK(stalls.count == 2 && stalls.by_mechanism[STALL_REPLY] == 1 && stalls.by_mechanism[STALL_NAGLE] == 1);
}

/* Where the reads were not recorded, or on another clock, the setting has to tell. */
static void
without_reads(void)
{
    begin("w100,w400,r1");
    add_exchange(0, 44 * MS);
    are(1, STALL_NAGLE, 44 * MS);
    begin("k4(w100,r1)");
    add_exchange(0, 44 * MS);
    are(1, STALL_NAGLE, 44 * MS);
    set_option(&sender, SOCKOPT_NODELAY, 1);
    are(1, STALL_REPLY, 44 * MS);
    set_option(&receiver, SOCKOPT_NODELAY, 1);
    are(1, STALL_UNKNOWN, 44 * MS);
    set_option(&receiver, SOCKOPT_CORK, 1);
    are(1, STALL_REPLY, 44 * MS);
    begin("w100,r1");
    add_exchange(0, 44 * MS);
    are(1, STALL_UNKNOWN, 44 * MS);
    set_info(&receiver, "total_retrans", 1);
    are(1, STALL_RETRANSMISSION, 44 * MS);
    set_option(&sender, SOCKOPT_MAX_PACING_RATE, 1000);
    are(1, STALL_UNKNOWN, 44 * MS);
}

/* Each connection is judged by what was counted on it. */
static void
several_connections(void)
{
    begin("w100,w400,r1");
    two_exchanges();
    set_option(&sender, SOCKOPT_NODELAY, 1);
    struct end senders[2] = {sender, sender}, receivers[2] = {receiver, receiver};
    struct trial trial = {
        .config = &config, .same_clock = true, .connections = 2, .sender = senders, .receiver = receivers};
    for (int lossy = 0; lossy < 2; lossy++) {
        set_info(&senders[lossy], "total_retrans", 1);
        set_info(&senders[1 - lossy], "total_retrans", 0);
        stalls_of(&trial, &stalls);
        CHECK(stalls.count == 2 && stalls.by_mechanism[STALL_RETRANSMISSION] == 1 &&
              stalls.by_mechanism[STALL_UNKNOWN] == 1);
    }
}

/* A long reply is long, and no stall: its parts were read all the time. */
static void
long_replies(void)
{
    begin("w1,r64M");
    add_exchange(0, 100 * MS);
    add_read(1, 10000, 20000);
    for (uint64_t i = 1; i <= 4; i++)
        replies[sender.replies.count++] = (struct read_event){i << 24, 24 * i * MS, 0};
    none();
    same_clock = false; /* the sender's clock is enough for that */
    none();
    same_clock = true;
    sender.replies.count = 1; /* and one that stood still is one */
    are(1, STALL_REPLY, 100 * MS);
    sender.replies.dropped = 1; /* nobody knows */
    classify();
    CHECK_NUMBER(stalls.count, MISSING);

    begin("w64M,r1"); /* a long request, seen on another clock: it moved for 90 of 100 ms */
    same_clock = false;
    add_exchange(0, 100 * MS);
    for (uint64_t i = 1; i <= 10; i++)
        add_read(i << 20, 0, 10 * i * MS + NS_PER_S);
    none();
    reads[9].after_ns += 40 * MS;
    exchanges[0].after_ns += 40 * MS;
    are(1, STALL_UNKNOWN, 140 * MS);
    receiver.half.events_dropped = 1;
    classify();
    CHECK_NUMBER(stalls.count, MISSING);
}

static void
what_is_none(void)
{
    begin("w100,w400,r1"); /* just below the threshold */
    add_exchange(0, 30 * MS - 1);
    none();
    CHECK_NUMBER(stalls.threshold_ns, 30 * MS);
    add_exchange(40 * MS, 70 * MS);
    are(1, STALL_NAGLE, 30 * MS);

    begin("w100,p60ms,w400,r1"); /* a pause on purpose */
    two_exchanges();
    none();
    add_exchange(100 * MS, 210 * MS); /* and one that took longer than the pause */
    are(1, STALL_NAGLE, 50 * MS);

    begin("w1G,r1"); /* long because much was to be done: bytes arrived all the time */
    add_exchange(0, 100 * MS);
    for (uint64_t i = 1; i <= 10; i++)
        add_read(i << 20, 10 * i * MS - 1000, 10 * i * MS);
    none();

    begin("w100,w400,r1"); /* where reads are missing the duration has to do */
    add_exchange(0, 44 * MS);
    are(1, STALL_NAGLE, 44 * MS);
    for (uint64_t i = 1; i <= 10; i++)
        add_read(i, 4 * i * MS - 1000, 4 * i * MS);
    none();
    receiver.half.events_dropped = 1;
    are(1, STALL_NAGLE, 44 * MS);
    receiver.half.events_dropped = 0;
    same_clock = false; /* bytes moved on the other clock, too */
    none();
    receiver.events.count = 0;
    are(1, STALL_NAGLE, 44 * MS);
}

/* What cannot be told is not told. */
static void
unknown_is_missing(void)
{
    begin("w100,w400,r1");
    two_exchanges();
    config.log = false;
    classify();
    CHECK_NUMBER(stalls.count, MISSING);
    begin("w100,w400,r1");
    receiver.known = false;
    classify();
    CHECK_NUMBER(stalls.count, MISSING);
    begin(NULL); /* a transfer between two clocks */
    same_clock = false;
    classify();
    CHECK_NUMBER(stalls.count, MISSING);
    struct trial received = {.config = &config, .connections = 1, .receiver = &receiver};
    stalls_of(&received, &stalls);
    CHECK_NUMBER(stalls.count, MISSING);
}

/* One exchange of 44 ms whose second write has these borders. */
static void
explained_by(const char *pattern, const uint64_t border[6], enum stall_mechanism mechanism)
{
    begin(pattern);
    add_exchange(0, 45 * MS);
    add_write(100, 0, 1000);
    add_segment(100, 500, 600);
    add_read(100, 700, 5000);
    add_write(500, border[0], border[1]);
    add_segment(500, border[2], border[3]);
    add_read(500, border[4], border[5]);
    are(1, mechanism, 45 * MS);
}

static void
exchanges_with_stamps(void)
{
    const uint64_t held[] = {2000, 3000, 44 * MS, 44 * MS + 100, 44 * MS + 200, 44 * MS + 500};
    const uint64_t in_write[] = {2000, 43 * MS, 44 * MS, 44 * MS + 100, 44 * MS + 200, 44 * MS + 500};
    const uint64_t read_late[] = {2000, 3000, 2500, 2600, 2700, 44 * MS};
    const uint64_t on_the_wire[] = {2000, 3000, 2500, 2600, 44 * MS, 44 * MS + 10};
    const uint64_t on_time[] = {2000, 3000, 2500, 2600, 2700, 9000};

    explained_by("w100,w400,r1", held, STALL_NAGLE);
    explained_by("w100,m400,r1", held, STALL_CORKED);
    explained_by("w100,w400,r1", in_write, STALL_SEND_BUFFER);
    explained_by("w100,w400,r1", read_late, STALL_READER);
    explained_by("w100,w400,r1", on_the_wire, STALL_UNKNOWN); /* nothing was sent again */
    set_info(&sender, "total_retrans", 1);
    are(1, STALL_RETRANSMISSION, 45 * MS);
    set_info(&sender, "total_retrans", MISSING);
    are(1, STALL_RETRANSMISSION, 45 * MS);
    explained_by("w100,w400,r1,r1", on_time, STALL_REPLY);
    explained_by("w100,w400,r1", on_time, STALL_REPLY);

    begin("w100,w400,r1"); /* held, and the window was closed meanwhile */
    add_exchange(0, 45 * MS);
    add_write(500, 0, 1000);
    add_segment(500, 44 * MS, 44 * MS + 1);
    add_read(500, 44 * MS + 2, 44 * MS + 3);
    set_info(&sender, "rwnd_limited_us", 40000);
    are(1, STALL_WINDOW, 45 * MS);
    set_info(&sender, "rwnd_limited_us", 1000);
    are(1, STALL_NAGLE, 45 * MS);
}

static void
chunks(void)
{
    begin(NULL); /* sent at once, arrived at once; blocked in the call; held after it */
    sender.stamps.capacity = 0;
    add_write(1000, 0, 1000);
    add_read(1000, 0, 5000);
    add_write(2000, 2000, 43 * MS);
    add_read(2000, 0, 44 * MS);
    are(1, STALL_SEND_BUFFER, 44 * MS - 2000);
    add_write(3000, 50 * MS, 50 * MS + 1000);
    add_read(3000, 0, 94 * MS);
    classify();
    CHECK(stalls.count == 2 && stalls.by_mechanism[STALL_SEND_BUFFER] == 1 && stalls.by_mechanism[STALL_NAGLE] == 1);
    set_option(&sender, SOCKOPT_NODELAY, 1);
    classify();
    CHECK(stalls.count == 2 && stalls.by_mechanism[STALL_UNKNOWN] == 1);

    begin(NULL); /* a long queue that moves is no stall */
    sender.stamps.capacity = 0;
    for (uint64_t i = 1; i <= 20; i++)
        add_write(1000 * i, 1000 * i, 1000 * i + 500);
    for (uint64_t i = 1; i <= 20; i++)
        add_read(1000 * i, 0, 10 * MS * i);
    none();

    begin(NULL); /* the same chunks, standing still: each is one */
    sender.stamps.capacity = 0;
    for (uint64_t i = 1; i <= 3; i++)
        add_write(1000 * i, 1000 * i, 1000 * i + 500);
    add_read(3000, 0, 41 * MS);
    are(3, STALL_NAGLE, (size_t)3 * 41 * MS - 6000);

    begin(NULL); /* with stamps: two merged into a held segment */
    add_write(1000, 0, 500);
    add_write(2000, 1000, 1500);
    add_segment(2000, 41 * MS, 41 * MS + 100);
    add_read(2000, 41 * MS + 200, 41 * MS + 300);
    are(2, STALL_NAGLE, 82 * MS - 1000 + 600);
}

static void
every_mechanism_has_a_name(void)
{
    for (int i = 0; i < STALL_MECHANISMS; i++)
        CHECK(stall_name((enum stall_mechanism)i) != NULL && strlen(stall_words((enum stall_mechanism)i)) > 0);
}

int
main(void)
{
    exchanges_without_stamps();
    corks();
    late_replies();
    without_reads();
    several_connections();
    long_replies();
    what_is_none();
    unknown_is_missing();
    exchanges_with_stamps();
    chunks();
    every_mechanism_has_a_name();
    return check_end();
}
