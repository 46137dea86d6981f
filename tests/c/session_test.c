/* session_test.c: the receiver's side of one trial, with senders that behave, strangers, dribblers and liars. The
 * session runs in a thread, its sender is this test. Works in the current directory. */
#include "session.h"

#include <dirent.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "sockets.h"

#define STREAM_BYTES ((size_t)200000)

static const int ways[] = {CONCURRENCY_FORK, CONCURRENCY_POLL, CONCURRENCY_THREAD};
static unsigned char stream[STREAM_BYTES];
static struct config config;

/* One session under test and its sender's end. */
struct play {
    struct session *session;
    pthread_t thread;
    int control;
    int data[4];
    struct wire_in in;
    struct endpoint address;
    uint64_t ended_ns; /* when the session was over */
};

/* What a polling receiver does for each of its sessions. */
static void
drive(struct session *session)
{
    while (session->state != SESSION_DONE) {
        struct pollfd wait[8];
        REQUIRE(session_interest_max(session) <= 8);
        size_t count = session_interest(session, wait);
        poll(wait, (nfds_t)count, clock_poll_ms(session->deadline_ns));
        session_continue(session, wait, count);
    }
}

static void *
run(void *argument)
{
    struct play *play = argument;

    if (play->session->config->concurrency == CONCURRENCY_POLL)
        drive(play->session);
    else
        session_run(play->session);
    play->ended_ns = clock_now_ns();
    return NULL;
}

static void
begin(struct play *play, int family, uint64_t hello_limit_ns)
{
    struct endpoint peer = {.len = 0};
    int ends[2];

    memset(play, 0, sizeof *play);
    REQUIRE(connect_pair(family, NULL, NULL, ends) == 0);
    play->control = ends[0];
    for (int i = 0; i < 4; i++)
        play->data[i] = -1;
    REQUIRE((play->session = session_new(&config, ends[1], &peer)) != NULL);
    if (hello_limit_ns != 0)
        play->session->deadline_ns = clock_deadline_ns(hello_limit_ns);
    REQUIRE(pthread_create(&play->thread, NULL, run, play) == 0);
}

/* Waits for the session's end and checks it. Frees everything. */
static void
end(struct play *play, bool greeted, int status, const char *words)
{
    if (play->ended_ns == 0)
        pthread_join(play->thread, NULL);
    const struct session *session = play->session;
    CHECK(session->state == SESSION_DONE);
    CHECK(session->greeted == greeted);
    if (!CHECK(session->status == status && strstr(session->text, words) != NULL))
        fprintf(stderr, "way %d ended with %d \"%s\"; wanted %d \"%s\"\n", config.concurrency, session->status,
                session->text, status, words);
    session_free(play->session);
    if (play->control >= 0)
        close(play->control);
    for (int i = 0; i < 4; i++)
        if (play->data[i] >= 0)
            close(play->data[i]);
    err_clear();
}

static struct wire_hello
hello_of(uint64_t connections)
{
    return (struct wire_hello){.stream_bytes = STREAM_BYTES,
                               .read_size = 16384,
                               .connections = connections,
                               .verify = VERIFY_FULL,
                               .log = 1,
                               .events_max = 1000,
                               .sample_every_ns = MISSING,
                               .timeout_ns = 20 * NS_PER_S,
                               .cpu = MISSING};
}

static uint64_t
soon(void)
{
    return clock_deadline_ns(10 * NS_PER_S);
}

/* HELLO and WELCOME. Returns the status that the receiver answered. */
static uint64_t
greet(struct play *play, const struct wire_hello *hello, const char *words)
{
    struct wire_reply reply;

    REQUIRE(control_send(play->control, WIRE_HELLO, hello, soon()) == 0);
    REQUIRE(control_receive(play->control, &play->in, WIRE_WELCOME, &reply, soon()) == 0);
    CHECK(strstr(reply.text, words) != NULL);
    play->address = reply.data;
    return reply.status;
}

/* Makes the data connections and announces them. */
static void
open_data(struct play *play, uint64_t connections)
{
    for (uint64_t i = 0; i < connections; i++) {
        struct wire_open message = {.index = i};
        REQUIRE((play->data[i] = net_connect(&play->address, NULL, soon())) >= 0);
        REQUIRE(net_local(play->data[i], &message.sender) == 0);
        REQUIRE(control_send(play->control, WIRE_OPEN, &message, soon()) == 0);
    }
}

static uint64_t
await_ready(struct play *play, const char *words)
{
    struct wire_reply reply;

    REQUIRE(control_receive(play->control, &play->in, WIRE_READY, &reply, soon()) == 0);
    CHECK(strstr(reply.text, words) != NULL);
    return reply.status;
}

/* Sends stream[len] on data connection `index`. */
static void
send_data(const struct play *play, uint64_t index, size_t len)
{
    for (size_t sent = 0; sent < len;) {
        ssize_t part = send(play->data[index], stream + sent, len - sent, MSG_NOSIGNAL);
        REQUIRE(part > 0);
        sent += (size_t)part;
    }
    shutdown(play->data[index], SHUT_WR);
}

static struct wire_finish
finish_of(uint64_t index, size_t len)
{
    struct digest *digest = digest_new(false);
    struct digest_value value;

    REQUIRE(digest != NULL);
    digest_add(digest, stream, len);
    value = digest_value(digest);
    digest_free(digest);
    return (struct wire_finish){index, len, value.high, value.low, value.checked_bytes, 0};
}

/* HALF, READS and DONE of every connection; returns the verdict's status. */
static uint64_t
take_report(struct play *play, uint64_t connections, uint64_t bytes, const char *words)
{
    struct wire_half half;
    struct wire_reads reads;
    struct wire_reply done;

    for (uint64_t i = 0; i < connections; i++) {
        REQUIRE(control_receive(play->control, &play->in, WIRE_HALF, &half, soon()) == 0);
        CHECK_NUMBER(half.index, i);
        CHECK_NUMBER(half.half.bytes, bytes);
        uint64_t offset = 0;
        for (uint64_t seen = 0; seen < half.half.events_recorded; seen += reads.count) {
            REQUIRE(control_receive(play->control, &play->in, WIRE_READS, &reads, soon()) == 0);
            REQUIRE(reads.count >= 1 && reads.count <= WIRE_READS_EACH);
            for (uint64_t r = 0; r < reads.count; r++) {
                CHECK(reads.read[r].offset > offset);
                offset = reads.read[r].offset;
            }
        }
        CHECK_NUMBER(half.half.events_recorded, half.half.calls);
        CHECK_NUMBER(offset, bytes);
    }
    REQUIRE(control_receive(play->control, &play->in, WIRE_DONE, &done, soon()) == 0);
    if (!CHECK(strstr(done.text, words) != NULL))
        fprintf(stderr, "the verdict was %" PRIu64 " \"%s\"\n", done.status, done.text);
    return done.status;
}

/* Files in the output directory, the hidden ones included. */
static size_t
files_stored(void)
{
    size_t count = 0;
    DIR *directory = opendir("session");

    REQUIRE(directory != NULL);
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            char path[300];
            count++;
            snprintf(path, sizeof path, "session/%s", entry->d_name);
            unlink(path);
        }
    closedir(directory);
    return count;
}

static void
a_good_sender(int family, uint64_t connections)
{
    struct wire_hello hello = hello_of(connections);
    struct play play;

    begin(&play, family, 0);
    CHECK_NUMBER(greet(&play, &hello, ""), 0);
    open_data(&play, connections);
    CHECK_NUMBER(await_ready(&play, ""), 0);
    for (uint64_t i = 0; i < connections; i++)
        send_data(&play, i, STREAM_BYTES);
    for (uint64_t i = 0; i < connections; i++) {
        struct wire_finish finish = finish_of(i, STREAM_BYTES);
        REQUIRE(control_send(play.control, WIRE_FINISH, &finish, soon()) == 0);
    }
    CHECK_NUMBER(take_report(&play, connections, STREAM_BYTES, ""), 0);
    end(&play, true, STATUS_DONE, "");
    CHECK_NUMBER(files_stored(), connections);
}

/* A sender whose account (of bytes or content) differs from what arrived. */
static void
a_liar(const struct wire_finish *finish, size_t sent, const char *words)
{
    struct wire_hello hello = hello_of(1);
    struct play play;

    begin(&play, AF_INET, 0);
    CHECK_NUMBER(greet(&play, &hello, ""), 0);
    open_data(&play, 1);
    CHECK_NUMBER(await_ready(&play, ""), 0);
    send_data(&play, 0, sent);
    REQUIRE(control_send(play.control, WIRE_FINISH, finish, soon()) == 0);
    CHECK_NUMBER(take_report(&play, 1, sent, words), STATUS_FAILED);
    end(&play, true, STATUS_FAILED, words);
    CHECK_NUMBER(files_stored(), 0); /* what differs is not kept */
}

static void
liars(void)
{
    struct wire_finish finish = finish_of(0, STREAM_BYTES);

    finish.digest_low ^= 1;
    a_liar(&finish, STREAM_BYTES, "the content of connection 0 differs");
    finish = finish_of(0, STREAM_BYTES);
    finish.checked_bytes = MISSING;
    a_liar(&finish, STREAM_BYTES, "the content of connection 0 differs");
    finish = finish_of(0, STREAM_BYTES);
    a_liar(&finish, STREAM_BYTES - 1, "200000 bytes were sent on connection 0 and 199999 arrived");
}

static void
a_stranger(const void *bytes, size_t len, const char *words)
{
    struct wire_reply reply;
    struct play play;

    begin(&play, AF_INET, 0);
    REQUIRE(write(play.control, bytes, len) == (ssize_t)len);
    if (control_receive(play.control, &play.in, WIRE_WELCOME, &reply, soon()) ==
        0) { /* it is told why, if it listens */
        CHECK_NUMBER(reply.status, STATUS_FAILED);
        CHECK(strstr(reply.text, words) != NULL);
    }
    err_clear();
    end(&play, false, STATUS_FAILED, words);
}

static void
strangers(void)
{
    unsigned char frame[WIRE_FRAME_MAX];
    struct wire_hello hello = hello_of(1);
    struct wire_finish finish = {.index = 0};
    struct play play;

    a_stranger("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27, "is not tinygram");
    a_stranger("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16, "is not tinygram");
    size_t length = wire_encode(WIRE_HELLO, &hello, frame);
    frame[7] = WIRE_VERSION + 1;
    a_stranger(frame, length, "wire version 2");
    a_stranger(frame, wire_encode(WIRE_FINISH, &finish, frame), "sent message 5 where 1 was due");
    wire_encode(WIRE_HELLO, &hello, frame);
    frame[12] = 0xff; /* a length of 4 GB: nothing is allocated or waited for */
    a_stranger(frame, 16, "does not know");

    begin(&play, AF_INET, 0); /* closes at once */
    close(play.control);
    play.control = -1;
    end(&play, false, STATUS_FAILED, "closed the control connection");

    begin(&play, AF_INET, 50 * NS_PER_MS); /* says nothing */
    end(&play, false, STATUS_FAILED, "said nothing that tinygram says");
}

/* The deadline is absolute: who sends a byte now and then is cut off all the same. */
static void
a_dribbler(void)
{
    unsigned char frame[WIRE_FRAME_MAX];
    struct wire_hello hello = hello_of(1);
    struct play play;
    size_t sent = 0;

    size_t length = wire_encode(WIRE_HELLO, &hello, frame);
    begin(&play, AF_INET, 100 * NS_PER_MS);
    for (; sent < 300 && sent < length; sent++) {
        REQUIRE(send(play.control, frame + sent, 1, MSG_NOSIGNAL) == 1);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    uint64_t last_byte_ns = clock_now_ns();
    pthread_join(play.thread, NULL);
    CHECK(play.ended_ns < last_byte_ns);
    end(&play, false, STATUS_FAILED, "said nothing that tinygram says");
}

static void
a_hello_out_of_bounds(void)
{
    const struct wire_hello good = hello_of(1);
    struct wire_hello bad[16];
    size_t count = 0;

#define BAD(member, value) (bad[count] = good, bad[count++].member = (value))
    BAD(connections, 0);
    BAD(connections, CONNECTIONS_MAX + 1);
    BAD(connections, UINT64_MAX);
    BAD(read_size, 0);
    BAD(read_size, READ_SIZE_MAX + 1);
    BAD(events_max, 0);
    BAD(events_max, EVENTS_MAX_MAX + 1);
    BAD(timeout_ns, TIMEOUT_MAX_NS + 1);
    BAD(wait, 2);
    BAD(verify, VERIFY_AUTO);
    BAD(verify, 99);
    BAD(log, 2);
    BAD(cpu, 65536);
    bad[count] = good;
    bad[count].connections = CONNECTIONS_MAX;
    bad[count++].events_max = EVENTS_MAX_MAX;
    for (size_t i = 0; i < count; i++) {
        struct play play;
        begin(&play, AF_INET, 0);
        CHECK_NUMBER(greet(&play, &bad[i], "outside its bounds"), STATUS_FAILED);
        end(&play, false, STATUS_FAILED, "outside its bounds");
    }
}

static void
what_the_system_refuses_is_told(void)
{
    struct wire_hello hello = hello_of(1);
    struct play play;

    hello.receiver.of[SOCKOPT_CONGESTION] = (struct sockopt_value){.known = true, .text = "nosuch"};
    begin(&play, AF_INET, 0);
    CHECK_NUMBER(greet(&play, &hello, "available: "), STATUS_REFUSED);
    end(&play, true, STATUS_REFUSED, "nosuch");

    hello = hello_of(1); /* found only when it is read back on the accepted socket */
    hello.receiver.of[SOCKOPT_TOS] = (struct sockopt_value){.known = true, .number = 3};
    begin(&play, AF_INET, 0);
    CHECK_NUMBER(greet(&play, &hello, ""), 0);
    open_data(&play, 1);
    CHECK_NUMBER(await_ready(&play, "IP_TOS"), STATUS_REFUSED);
    end(&play, true, STATUS_REFUSED, "IP_TOS");

    hello = hello_of(1);
    hello.cpu = 65535;
    begin(&play, AF_INET, 0);
    CHECK_NUMBER(greet(&play, &hello, "CPU"), STATUS_REFUSED);
    end(&play, true, STATUS_REFUSED, "CPU");

    config.output = "session/no";
    hello = hello_of(1);
    begin(&play, AF_INET, 0);
    CHECK_NUMBER(greet(&play, &hello, ""), 0);
    open_data(&play, 1);
    CHECK_NUMBER(await_ready(&play, "--output session/no"), STATUS_REFUSED);
    end(&play, true, STATUS_REFUSED, "--output session/no");
    config.output = "session";
    CHECK_NUMBER(files_stored(), 0);
}

/* Somebody else connects to the data port: he is shown out, and the announced connection is served. */
static void
a_stranger_at_the_data_port(void)
{
    struct wire_hello hello = hello_of(1);
    struct wire_finish finish = finish_of(0, STREAM_BYTES);
    struct play play;
    char byte;

    begin(&play, AF_INET, 0);
    CHECK_NUMBER(greet(&play, &hello, ""), 0);
    int stranger = net_connect(&play.address, NULL, soon());
    REQUIRE(stranger >= 0);
    REQUIRE(send(stranger, "noise", 5, MSG_NOSIGNAL) == 5);
    open_data(&play, 1);
    CHECK_NUMBER(await_ready(&play, ""), 0);
    CHECK(recv(stranger, &byte, 1, 0) <= 0);
    close(stranger);
    send_data(&play, 0, STREAM_BYTES);
    REQUIRE(control_send(play.control, WIRE_FINISH, &finish, soon()) == 0);
    CHECK_NUMBER(take_report(&play, 1, STREAM_BYTES, ""), 0);
    end(&play, true, STATUS_DONE, "");
    CHECK_NUMBER(files_stored(), 1);
}

static void
out_of_order(void)
{
    struct wire_hello hello = hello_of(2);
    struct wire_open open = {.index = 1};
    struct wire_finish finish = finish_of(5, STREAM_BYTES);
    struct play play;

    begin(&play, AF_INET, 0);
    CHECK_NUMBER(greet(&play, &hello, ""), 0);
    REQUIRE(control_send(play.control, WIRE_OPEN, &open, soon()) == 0);
    end(&play, true, STATUS_FAILED, "announced its connections out of order");

    hello = hello_of(1);
    begin(&play, AF_INET, 0);
    CHECK_NUMBER(greet(&play, &hello, ""), 0);
    open_data(&play, 1);
    CHECK_NUMBER(await_ready(&play, ""), 0);
    send_data(&play, 0, STREAM_BYTES);
    REQUIRE(control_send(play.control, WIRE_FINISH, &finish, soon()) == 0);
    end(&play, true, STATUS_FAILED, "finished its connections out of order");
    CHECK_NUMBER(files_stored(), 0);
}

/* More bytes than were announced. */
static void
too_much(void)
{
    struct wire_hello hello = hello_of(1);
    struct wire_finish finish = finish_of(0, STREAM_BYTES);
    struct play play;

    hello.stream_bytes = STREAM_BYTES - 10;
    begin(&play, AF_INET, 0);
    CHECK_NUMBER(greet(&play, &hello, ""), 0);
    open_data(&play, 1);
    CHECK_NUMBER(await_ready(&play, ""), 0);
    send_data(&play, 0, STREAM_BYTES);
    REQUIRE(control_send(play.control, WIRE_FINISH, &finish, soon()) == 0);
    end(&play, true, STATUS_FAILED, "more than the 199990 bytes that it announced");
    CHECK_NUMBER(files_stored(), 0);
}

/* Ends every connection of the sender. Forked workers of the session have copies of its descriptors in this test, so
 * that close() alone would not do. */
static void
disappear(struct play *play)
{
    shutdown(play->control, SHUT_RDWR);
    for (int i = 0; i < 4; i++)
        if (play->data[i] >= 0)
            shutdown(play->data[i], SHUT_RDWR);
}

/* The sender disappears after `phase` steps. */
static void
a_sender_that_disappears(int phase, const char *words)
{
    struct wire_hello hello = hello_of(2);
    struct wire_finish finish = finish_of(0, STREAM_BYTES);
    struct play play;

    begin(&play, AF_INET, 0);
    CHECK_NUMBER(greet(&play, &hello, ""), 0);
    if (phase >= 1)
        open_data(&play, phase == 1 ? 1 : 2);
    if (phase >= 2)
        CHECK_NUMBER(await_ready(&play, ""), 0);
    if (phase >= 3)
        send_data(&play, 0, STREAM_BYTES / 2);
    if (phase >= 4) {
        send_data(&play, 1, STREAM_BYTES);
        REQUIRE(control_send(play.control, WIRE_FINISH, &finish, soon()) == 0);
    }
    disappear(&play);
    end(&play, true, STATUS_FAILED, words);
    CHECK_NUMBER(files_stored(), 0);
}

int
main(void)
{
    REQUIRE(mkdir("session", 0755) == 0);
    for (size_t i = 0; i < STREAM_BYTES; i++)
        stream[i] = (unsigned char)(i * 31 % 251);
    for (size_t way = 0; way < sizeof ways / sizeof ways[0]; way++) {
        config = (struct config){.concurrency = ways[way], .once = true, .output = "session"};
        a_good_sender(AF_INET, 1);
        a_good_sender(AF_INET6, 1);
        a_good_sender(AF_UNIX, 3);
        a_good_sender(AF_INET, 4);
        liars();
        strangers();
        a_dribbler();
        a_hello_out_of_bounds();
        what_the_system_refuses_is_told();
        a_stranger_at_the_data_port();
        out_of_order();
        too_much();
        a_sender_that_disappears(0, "closed the control connection");
        a_sender_that_disappears(1, "closed the control connection");
        a_sender_that_disappears(2, "");
        a_sender_that_disappears(3, "");
        a_sender_that_disappears(4, "");
    }
    rmdir("session");
    return check_end();
}
