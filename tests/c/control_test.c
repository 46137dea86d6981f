/* control_test.c: every message survives the wire byte for byte, however it is cut; what is not a message of this build
 * is refused at its header, and nothing that arrives can hurt. */
#include "control.h"

#include "check.h"
#include "message.h"
#include "sockets.h"

/* Lengths of the frames of wire version 1. Whoever changes one raises WIRE_VERSION. */
static const size_t frame_bytes[WIRE_TYPES] = {
    [WIRE_HELLO] = 2728, [WIRE_WELCOME] = 708, [WIRE_OPEN] = 172,   [WIRE_READY] = 708, [WIRE_FINISH] = 64,
    [WIRE_HALF] = 2776,  [WIRE_READS] = 6176,  [WIRE_SAMPLE] = 560, [WIRE_DONE] = 708,
};

/* A stream pair that belongs to the test. */
static void
make_pair(int ends[2])
{
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
}

static uint64_t
next_number(void)
{
    static uint64_t state = 88172645463325252U;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* A body of random bytes behind a right header. */
static size_t
random_frame(enum wire_type type, unsigned char *frame)
{
    union message empty;

    memset(&empty, 0, sizeof empty);
    size_t length = wire_encode(type, &empty, frame);
    for (size_t i = 16; i < length; i++)
        frame[i] = (unsigned char)next_number();
    return length;
}

static struct wire_in in;

/* Sends frame[length] in pieces and receives it again; returns what the last wire_receive() said. */
static int
through_a_socket(const unsigned char *frame, size_t length, size_t piece)
{
    int ends[2], said = 0;

    make_pair(ends);
    memset(&in, 0, sizeof in);
    for (size_t at = 0; at < length; at += piece) {
        size_t part = length - at < piece ? length - at : piece;
        REQUIRE(write(ends[0], frame + at, part) == (ssize_t)part);
        said = wire_receive(ends[1], &in);
        if (at + part < length)
            CHECK_NUMBER(said, 0);
    }
    close_pair(ends);
    return said;
}

/* Whatever is decoded is encoded to the same again: no field is lost, swapped or cut. */
static void
every_message_survives(void)
{
    static const size_t pieces[] = {1, 13, WIRE_FRAME_MAX};
    unsigned char first[WIRE_FRAME_MAX], second[WIRE_FRAME_MAX];
    union message message;

    for (enum wire_type type = WIRE_HELLO; type < WIRE_TYPES; type++) {
        for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
            size_t length = random_frame(type, first);
            CHECK_NUMBER(length, frame_bytes[type]);
            CHECK(length <= WIRE_FRAME_MAX);
            REQUIRE(through_a_socket(first, length, pieces[i]) == 1);
            CHECK(wire_type_of(&in) == type);
            memset(&message, 0, sizeof message);
            REQUIRE(wire_take(&in, type, &message) == 0);
            CHECK_NUMBER(in.have, 0);
            /* Once decoded it is in the canonical form (booleans 0 or 1, texts padded): that must survive. */
            CHECK_NUMBER(wire_encode(type, &message, first), length);
            REQUIRE(through_a_socket(first, length, pieces[i]) == 1);
            memset(&message, 0xee, sizeof message);
            REQUIRE(wire_take(&in, type, &message) == 0);
            CHECK_NUMBER(wire_encode(type, &message, second), length);
            CHECK(memcmp(first, second, length) == 0);
        }
    }
}

static void
fields_arrive_where_they_belong(void)
{
    unsigned char frame[WIRE_FRAME_MAX];
    struct wire_hello hello = {.stream_bytes = 1,
                               .read_size = 2,
                               .connections = 3,
                               .wait = 4,
                               .verify = 5,
                               .log = 6,
                               .events_max = 7,
                               .sample_every_ns = MISSING,
                               .timeout_ns = 9,
                               .cpu = 10,
                               .workload = 13,
                               .stamps = 14,
                               .rearm_quickack = 15,
                               .rcvbuf_late = 16,
                               .boot_high = 11,
                               .boot_low = 12,
                               .sched = 13};
    struct wire_half half = {.index = 5, .half = half_empty()};
    struct wire_reply reply;
    struct wire_reads reads = {.index = 1, .count = 2, .read = {{10, 11, 12}, {20, 21, 22}}};

    REQUIRE(pattern_parse("k7(w100,v200+300,p5ms,c,u,q,m400,r5)", &hello.pattern) == 0);
    struct pattern pattern = hello.pattern;
    hello.receiver.of[SOCKOPT_RCVBUF] = (struct sockopt_value){.known = true, .number = 4096};
    hello.receiver.of[SOCKOPT_CONGESTION] = (struct sockopt_value){.known = true, .text = "fifteen_letters"};
    REQUIRE(through_a_socket(frame, wire_encode(WIRE_HELLO, &hello, frame), 100) == 1);
    memset(&hello, 0, sizeof hello);
    REQUIRE(wire_take(&in, WIRE_HELLO, &hello) == 0);
    CHECK(hello.stream_bytes == 1 && hello.read_size == 2 && hello.connections == 3 && hello.wait == 4 &&
          hello.verify == 5 && hello.log == 6 && hello.events_max == 7 && hello.sample_every_ns == MISSING &&
          hello.timeout_ns == 9 && hello.cpu == 10 && hello.boot_high == 11 && hello.boot_low == 12 &&
          hello.workload == 13 && hello.stamps == 14 && hello.rearm_quickack == 15 && hello.rcvbuf_late == 16 &&
          hello.sched == 13);
    CHECK_NUMBER(hello.pattern.outstanding, 7);
    CHECK_NUMBER(hello.pattern.count, 9);
    CHECK(memcmp(&hello.pattern, &pattern, sizeof pattern) == 0);
    CHECK(hello.receiver.of[SOCKOPT_RCVBUF].known && hello.receiver.of[SOCKOPT_RCVBUF].number == 4096);
    CHECK(!hello.receiver.of[SOCKOPT_SNDBUF].known);
    CHECK_TEXT(hello.receiver.of[SOCKOPT_CONGESTION].text, "fifteen_letters");

    half.half.bytes = 77;
    half.half.reply_bytes = 78;
    half.half.reply_calls = 79;
    half.half.start.of[SOCKOPT_MSS] = (struct sockopt_value){.known = true, .number = 536};
    half.half.info.known = true;
    half.half.info.field[TCPINFO_FIELDS_MAX - 1] = 99;
    REQUIRE(through_a_socket(frame, wire_encode(WIRE_HALF, &half, frame), 100) == 1);
    memset(&half, 0, sizeof half);
    REQUIRE(wire_take(&in, WIRE_HALF, &half) == 0);
    CHECK(half.index == 5 && half.half.bytes == 77 && half.half.cpu_ns == MISSING && half.half.events_stride == 1);
    CHECK(half.half.reply_bytes == 78 && half.half.reply_calls == 79);
    CHECK(half.half.start.of[SOCKOPT_MSS].number == 536 && !half.half.end.of[SOCKOPT_MSS].known);
    CHECK(half.half.info.known && half.half.info.field[TCPINFO_FIELDS_MAX - 1] == 99);

    memset(&reply, 0, sizeof reply);
    reply.status = 3;
    memset(reply.text, 'x', sizeof reply.text); /* not terminated: cut, and terminated at the other end */
    REQUIRE(through_a_socket(frame, wire_encode(WIRE_DONE, &reply, frame), 100) == 1);
    REQUIRE(wire_take(&in, WIRE_DONE, &reply) == 0);
    CHECK(reply.status == 3 && strlen(reply.text) == ERR_TEXT_BYTES - 1);

    REQUIRE(through_a_socket(frame, wire_encode(WIRE_READS, &reads, frame), 1000) == 1);
    memset(&reads, 0, sizeof reads);
    REQUIRE(wire_take(&in, WIRE_READS, &reads) == 0);
    CHECK(reads.index == 1 && reads.count == 2 && reads.read[1].offset == 20 && reads.read[1].after_ns == 21 &&
          reads.read[0].kernel_ns == 12 && reads.read[1].kernel_ns == 22);
}

static void
addresses_survive(void)
{
    static const struct {
        int family;
        const char *host;
        uint16_t port;
    } cases[] = {{AF_INET, "127.0.0.1", 4242}, {AF_INET6, "::1", 65535}, {AF_UNIX, "/tmp/x", 0}, {AF_UNIX, "@x", 0}};
    unsigned char frame[WIRE_FRAME_MAX];

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct wire_open message = {.index = i}, back;
        REQUIRE(net_resolve(cases[i].host, cases[i].port, cases[i].family, &message.sender) == 0);
        REQUIRE(through_a_socket(frame, wire_encode(WIRE_OPEN, &message, frame), 7) == 1);
        REQUIRE(wire_take(&in, WIRE_OPEN, &back) == 0);
        CHECK_NUMBER(back.index, i);
        CHECK_NUMBER(back.sender.len, message.sender.len);
        CHECK(endpoint_equal(&back.sender, &message.sender));
    }
}

/* The bytes themselves: what another build of the same wire version must send. */
static void
golden_frames(void)
{
    static const unsigned char finish[] = {
        'T',  'G',  'R',  'M',  0,    0,    0,    1,
        0,    0,    0,    5,    0,    0,    0,    48,   /* magic, version, type, length of the body */
        0,    0,    0,    0,    0,    0,    0,    2,    /* index */
        0,    0,    0,    0,    0,    0x68, 0x3e, 0x78, /* bytes */
        0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
        0,    0,    0,    0,    0,    0,    0,    9,    /* digest */
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, /* not checked */
        0,    0,    0,    0,    0,    0,    0,    1,    /* interrupted */
    };
    static const unsigned char open[] = {
        'T', 'G', 'R', 'M', 0, 0, 0,    1,    0, 0, 0, 3, 0, 0, 0, 156, 0, 0, 0, 0, 0, 0, 0, 1, /* index */
        0,   0,   0,   0,   0, 0, 0,    4,                                                      /* IPv4 */
        0,   0,   0,   0,   0, 0, 0x10, 0x92,                                                   /* port 4242 */
        0,   0,   0,   0,   0, 0, 0,    0,                                                      /* length of the path */
        127, 0,   0,   1, /* address; the rest of its field and the path are zero */
    };
    struct wire_finish message = {2, 6831736, UINT64_C(0x0123456789abcdef), 9, MISSING, 1};
    struct wire_open announcement = {.index = 1};
    unsigned char frame[WIRE_FRAME_MAX];

    REQUIRE(sizeof finish == wire_encode(WIRE_FINISH, &message, frame));
    CHECK(memcmp(frame, finish, sizeof finish) == 0);
    REQUIRE(net_resolve("127.0.0.1", 4242, AF_INET, &announcement.sender) == 0);
    size_t length = wire_encode(WIRE_OPEN, &announcement, frame);
    CHECK(memcmp(frame, open, sizeof open) == 0);
    for (size_t i = sizeof open; i < length; i++)
        CHECK_NUMBER(frame[i], 0);
}

/* A header that is wrong in one byte is refused as soon as it is there: its body is not waited for. */
static void
a_wrong_header_is_refused(void)
{
    static const struct {
        size_t at;
        unsigned char byte;
        const char *words;
    } cases[] = {{0, 't', "is not tinygram"},     {3, 'N', "is not tinygram"},
                 {7, 3, "speaks wire version 3"}, {4, 1, "speaks wire version 16777217"},
                 {11, 0, "does not know"},        {11, WIRE_TYPES, "does not know"},
                 {8, 0xff, "does not know"},      {15, 49, "does not know"},
                 {15, 47, "does not know"},       {12, 0x7f, "does not know"}};
    unsigned char frame[WIRE_FRAME_MAX];
    struct wire_finish message = {.index = 0};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        wire_encode(WIRE_FINISH, &message, frame);
        frame[cases[i].at] = cases[i].byte;
        CHECK(through_a_socket(frame, 16, 16) == -1);
        CHECK_ERROR(STATUS_FAILED, cases[i].words);
    }
    CHECK(through_a_socket((const unsigned char *)"GET / HTTP/1.0\r\n", 16, 16) == -1);
    CHECK_ERROR(STATUS_FAILED, "is not tinygram");
}

static void
another_message_than_the_due_one_is_refused(void)
{
    unsigned char frame[WIRE_FRAME_MAX];
    struct wire_finish message = {.index = 0};
    struct wire_open open;

    REQUIRE(through_a_socket(frame, wire_encode(WIRE_FINISH, &message, frame), 64) == 1);
    CHECK(wire_take(&in, WIRE_OPEN, &open) == -1);
    CHECK_ERROR(STATUS_FAILED, "sent message 5 where 3 was due");
}

/* Two messages in one segment are two messages, and the second is not read before its time. */
static void
messages_do_not_run_together(void)
{
    unsigned char frames[2 * WIRE_FRAME_MAX];
    struct wire_finish first = {.index = 1}, second = {.index = 2}, got;
    int ends[2];

    size_t length = wire_encode(WIRE_FINISH, &first, frames);
    length += wire_encode(WIRE_FINISH, &second, frames + length);
    make_pair(ends);
    REQUIRE(write(ends[0], frames, length) == (ssize_t)length);
    memset(&in, 0, sizeof in);
    for (uint64_t index = 1; index <= 2; index++) {
        REQUIRE(wire_receive(ends[1], &in) == 1);
        CHECK(wire_receive(ends[1], &in) == 1); /* until it is taken it stays */
        REQUIRE(wire_take(&in, WIRE_FINISH, &got) == 0);
        CHECK_NUMBER(got.index, index);
    }
    CHECK(wire_receive(ends[1], &in) == 0);
    close_pair(ends);
}

static void
an_end_in_the_middle_is_told(void)
{
    unsigned char frame[WIRE_FRAME_MAX];
    struct wire_finish message = {.index = 0};
    int ends[2];

    make_pair(ends);
    memset(&in, 0, sizeof in);
    wire_encode(WIRE_FINISH, &message, frame);
    REQUIRE(write(ends[0], frame, 40) == 40);
    CHECK(wire_receive(ends[1], &in) == 0);
    close(ends[0]);
    CHECK(wire_receive(ends[1], &in) == -1);
    CHECK_ERROR(STATUS_FAILED, "closed the control connection");
    close(ends[1]);
}

static void
waiting_ends_at_its_deadline(void)
{
    struct wire_finish message = {.index = 0};
    int ends[2];

    make_pair(ends);
    memset(&in, 0, sizeof in);
    CHECK(control_receive(ends[1], &in, WIRE_FINISH, &message, clock_deadline_ns(20 * NS_PER_MS)) == -1);
    CHECK_ERROR(STATUS_FAILED, "did not answer in time");
    int sent = 0;
    while (control_send(ends[0], WIRE_READS, &(struct wire_reads){.index = 0}, clock_deadline_ns(20 * NS_PER_MS)) == 0)
        CHECK(++sent < 10000);
    CHECK_ERROR(STATUS_FAILED, "did not answer in time");
    close(ends[1]);
    CHECK(control_send(ends[0], WIRE_FINISH, &message, clock_deadline_ns(NS_PER_S)) == -1); /* and no SIGPIPE */
    CHECK_ERROR(STATUS_FAILED, "the control connection broke");
    close(ends[0]);
}

/* The messages of one trial follow each other without waiting for a delayed ACK. */
static void
nagle_is_off(void)
{
    struct sockopt_values found;
    int ends[2];

    REQUIRE(connect_pair(AF_INET, NULL, NULL, ends) == 0);
    control_prepare(ends[0]);
    sockopt_read(ends[0], &found);
    CHECK(found.of[SOCKOPT_NODELAY].number == 1);
    close_pair(ends);
    make_pair(ends);
    control_prepare(ends[0]); /* unix: there is none, and that is no error */
    CHECK(err_status() == STATUS_DONE);
    close_pair(ends);
}

/* Bodies of random bytes: what is decoded can be used without harm (the sanitizers look on). */
static void
noise_does_no_harm(void)
{
    unsigned char frame[WIRE_FRAME_MAX];
    char text[ENDPOINT_TEXT_BYTES];
    union message message;

    for (int round = 0; round < 300; round++) {
        for (enum wire_type type = WIRE_HELLO; type < WIRE_TYPES; type++) {
            size_t length = random_frame(type, frame);
            if (round % 3 == 0 && (type == WIRE_OPEN || type == WIRE_WELCOME)) {
                size_t family_at = type == WIRE_OPEN ? 24 : 32;
                memset(frame + family_at, 0, 24); /* a family that is known, with a path of any length */
                frame[family_at + 7] = (unsigned char[]){1, 4, 6}[round / 3 % 3];
                frame[family_at + 23] = (unsigned char)next_number();
            }
            REQUIRE(through_a_socket(frame, length, 4096) == 1);
            REQUIRE(wire_take(&in, type, &message) == 0);
            if (type == WIRE_OPEN)
                CHECK(strlen(endpoint_text(&message.open.sender, text)) < sizeof text);
            if (type == WIRE_WELCOME)
                CHECK(strlen(message.reply.text) < sizeof message.reply.text &&
                      strlen(endpoint_text(&message.reply.data, text)) < sizeof text);
            if (type == WIRE_HELLO)
                for (enum sockopt option = 0; option < SOCKOPT_COUNT; option++)
                    CHECK(memchr(message.hello.receiver.of[option].text, 0, SOCKOPT_TEXT_BYTES) != NULL);
        }
    }
}

int
main(void)
{
    every_message_survives();
    fields_arrive_where_they_belong();
    addresses_survive();
    golden_frames();
    a_wrong_header_is_refused();
    another_message_than_the_due_one_is_refused();
    messages_do_not_run_together();
    an_end_in_the_middle_is_told();
    waiting_ends_at_its_deadline();
    nagle_is_off();
    noise_does_no_harm();
    return check_end();
}
