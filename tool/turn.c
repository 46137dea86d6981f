/* turn.c: see turn.h. */
#include "turn.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "interrupt.h"

/* "TGTURN" and the version. */
#define TURN_MAGIC (UINT64_C(0x54475455524e) << 16 | TURN_VERSION)

/* As it travels: three numbers, then the text. */
#define NUMBER_BYTES ((size_t)8)
#define TEXT_AT (3 * NUMBER_BYTES)
#define FRAME_BYTES (TEXT_AT + ERR_TEXT_BYTES)

static void
put_number(unsigned char *frame, size_t index, uint64_t number)
{
    for (size_t i = NUMBER_BYTES; i > 0; i--, number >>= 8)
        frame[index * NUMBER_BYTES + i - 1] = (unsigned char)number;
}

static uint64_t
get_number(const unsigned char *frame, size_t index)
{
    uint64_t number = 0;

    for (size_t i = 0; i < NUMBER_BYTES; i++)
        number = number << 8 | frame[index * NUMBER_BYTES + i];
    return number;
}

int
turn_send(int fd, enum turn_kind kind, uint64_t number, const char *text)
{
    unsigned char frame[FRAME_BYTES] = {0};

    put_number(frame, 0, TURN_MAGIC);
    put_number(frame, 1, (uint64_t)kind);
    put_number(frame, 2, number);
    memcpy(frame + TEXT_AT, text, strnlen(text, ERR_TEXT_BYTES - 1));
    for (size_t sent = 0; sent < sizeof frame;) {
        ssize_t part = write(fd, frame + sent, sizeof frame - sent);
        if (part < 0 && errno == EINTR && !interrupt_seen())
            continue;
        if (part < 0)
            return err_set(STATUS_FAILED, "it ended");
        sent += (size_t)part;
    }
    return 0;
}

int
turn_decode(const void *bytes, size_t length, struct turn *turn)
{
    const unsigned char *frame = bytes;

    if (length != FRAME_BYTES || get_number(frame, 0) != TURN_MAGIC)
        return -1;
    turn->kind = get_number(frame, 1);
    turn->number = get_number(frame, 2);
    memcpy(turn->text, frame + TEXT_AT, sizeof turn->text);
    turn->text[sizeof turn->text - 1] = '\0';
    return 0;
}

int
turn_receive(int fd, struct turn *turn, uint64_t deadline_ns)
{
    unsigned char frame[FRAME_BYTES];
    struct pollfd wait = {.fd = fd, .events = POLLIN};

    for (size_t have = 0; have < sizeof frame;) {
        int ready = poll(&wait, 1, clock_poll_ms(deadline_ns));
        if (interrupt_seen())
            return err_set(STATUS_INTERRUPTED, "interrupted by a signal");
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready == 0 && clock_now_ns() >= deadline_ns)
            return err_set(STATUS_FAILED, "it did not answer in time");
        ssize_t part = read(fd, frame + have, sizeof frame - have);
        if (part < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (part <= 0)
            return err_set(STATUS_FAILED, have == 0 ? "it ended" : "it ended in the middle of a message");
        have += (size_t)part;
        if (have >= NUMBER_BYTES && get_number(frame, 0) != TURN_MAGIC)
            return err_set(STATUS_FAILED, get_number(frame, 0) >> 16 == TURN_MAGIC >> 16
                                              ? "it takes turns by the rules of another version"
                                              : "it printed something that is no turn");
    }
    return turn_decode(frame, sizeof frame, turn);
}
