/* turn_test.c: a turn arrives as it was sent, however it is cut; what is no turn, comes from another version, ends
 * early or does not come at all is told apart. */
#include "turn.h"

#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"

#define FRAME_BYTES (24 + ERR_TEXT_BYTES)

static void
make_pair(int ends[2])
{
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
}

static uint64_t
soon(void)
{
    return clock_deadline_ns(2 * NS_PER_S);
}

/* The bytes of one turn. */
static void
encode(enum turn_kind kind, uint64_t number, const char *text, unsigned char *frame)
{
    int ends[2];

    make_pair(ends);
    REQUIRE(turn_send(ends[0], kind, number, text) == 0);
    REQUIRE(read(ends[1], frame, FRAME_BYTES) == FRAME_BYTES);
    close(ends[0]);
    CHECK(read(ends[1], frame, 0) == 0);
    close(ends[1]);
}

static void
test_round_trip(void)
{
    const uint64_t numbers[] = {0, 1, 255, 256, UINT64_C(0x0123456789abcdef), UINT64_MAX};
    char longest[ERR_TEXT_BYTES + 10];
    struct turn turn;
    int ends[2];

    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    make_pair(ends);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        CHECK(turn_send(ends[0], TURN_DONE, numbers[i], "") == 0);
        CHECK(turn_receive(ends[1], &turn, soon()) == 0);
        CHECK_NUMBER(turn.kind, TURN_DONE);
        CHECK_NUMBER(turn.number, numbers[i]);
    }
    CHECK(turn_send(ends[0], TURN_FAILED, 3, longest) == 0);
    CHECK(turn_receive(ends[1], &turn, soon()) == 0);
    CHECK_NUMBER(strlen(turn.text), ERR_TEXT_BYTES - 1);
    close(ends[0]);
    close(ends[1]);
}

/* A turn in two parts is one turn; one that never becomes whole is an end. */
static void
test_cuts(void)
{
    unsigned char frame[FRAME_BYTES];
    struct turn turn;

    encode(TURN_RUN, 42, "", frame);
    for (size_t cut = 1; cut < sizeof frame; cut += 37) {
        int ends[2];
        make_pair(ends);
        REQUIRE(write(ends[0], frame, cut) == (ssize_t)cut);
        CHECK(turn_receive(ends[1], &turn, clock_deadline_ns(NS_PER_MS)) != 0);
        CHECK(strstr(err_text(), "in time") != NULL);
        close(ends[0]);
        close(ends[1]);
        make_pair(ends);
        REQUIRE(write(ends[0], frame, cut) == (ssize_t)cut);
        close(ends[0]);
        CHECK(turn_receive(ends[1], &turn, soon()) != 0);
        CHECK(strstr(err_text(), "middle") != NULL);
        close(ends[1]);
    }
    CHECK(turn_decode(frame, sizeof frame, &turn) == 0);
    CHECK_NUMBER(turn.number, 42);
    CHECK(turn_decode(frame, sizeof frame - 1, &turn) != 0);
}

static void
expect(const unsigned char *bytes, size_t length, const char *word)
{
    struct turn turn;
    int ends[2];

    make_pair(ends);
    REQUIRE(write(ends[0], bytes, length) == (ssize_t)length);
    close(ends[0]);
    CHECK(turn_receive(ends[1], &turn, soon()) != 0);
    CHECK_NUMBER(err_status(), STATUS_FAILED);
    if (!CHECK(strstr(err_text(), word) != NULL))
        fprintf(stderr, "  it said: %s\n", err_text());
    close(ends[1]);
}

static void
test_strangers(void)
{
    unsigned char frame[FRAME_BYTES];

    expect((const unsigned char *)"", 0, "it ended");
    expect((const unsigned char *)"arm --pattern w64,r64\n", 22, "no turn");
    encode(TURN_RUN, 1, "", frame);
    frame[7]++;
    expect(frame, sizeof frame, "another version");
    frame[0]++;
    expect(frame, sizeof frame, "no turn");
}

int
main(void)
{
    test_round_trip();
    test_cuts();
    test_strangers();
    return check_end();
}
