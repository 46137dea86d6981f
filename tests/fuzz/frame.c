/*
 * frame.c: what an enemy writes to a control connection. The first byte chooses: as it comes, or as the body of a frame
 * of a known type, so that the decoders behind the header are reached. A frame that was taken and is encoded and taken
 * again is the same; no text of it is without an end; a pattern that is called sound can be summed up.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../c/message.h"
#include "fuzz.h"

static void
look_into(enum wire_type type, const union message *message)
{
    if (type == WIRE_HELLO && pattern_is_sound(&message->hello.pattern))
        MUST(pattern_sum(&message->hello.pattern).request_bytes <= PATTERN_BYTES_MAX);
    if (type == WIRE_WELCOME || type == WIRE_READY || type == WIRE_DONE)
        MUST(memchr(message->reply.text, '\0', sizeof message->reply.text) != NULL);
}

/* Takes a complete frame, and once more from what it is encoded to. */
static void
take(struct wire_in *in)
{
    static union message first, second;
    static unsigned char frame[WIRE_FRAME_MAX], again[WIRE_FRAME_MAX];
    enum wire_type type = wire_type_of(in);

    memset(&first, 0, sizeof first);
    memset(&second, 0, sizeof second);
    MUST(wire_take(in, type, &first) == 0 && in->have == 0);
    look_into(type, &first);
    size_t length = wire_encode(type, &first, frame);
    MUST(length <= sizeof frame);
    memcpy(in->frame, frame, length);
    in->have = length;
    MUST(wire_take(in, type, &second) == 0);
    MUST(wire_encode(type, &second, again) == length && memcmp(frame, again, length) == 0);
}

/* Makes frame[] what is sent. Returns its length. */
static size_t
compose(const uint8_t *bytes, size_t length, unsigned char *frame)
{
    static const union message nothing;
    unsigned choice = bytes[0] % (2 * WIRE_TYPES);
    size_t room = WIRE_FRAME_MAX;
    unsigned char *at = frame;

    if (choice > 0 && choice < WIRE_TYPES) {
        room = wire_encode((enum wire_type)choice, &nothing, frame);
        at += 16; /* the header */
        room -= 16;
    }
    size_t part = length - 1 < room ? length - 1 : room;
    memcpy(at, bytes + 1, part);
    return at == frame ? part : 16 + room;
}

int
fuzz_one(const uint8_t *bytes, size_t length)
{
    static unsigned char frame[WIRE_FRAME_MAX];
    static struct wire_in in;
    int ends[2], came;

    if (length < 1 || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        return 0;
    size_t composed = compose(bytes, length, frame);
    MUST(composed == 0 || send(ends[0], frame, composed, MSG_DONTWAIT) == (ssize_t)composed);
    shutdown(ends[0], SHUT_WR);
    in.have = 0;
    while ((came = wire_receive(ends[1], &in)) == 1)
        take(&in);
    MUST(came == -1); /* the end of what was sent, at the latest */
    MUST_REFUSE(STATUS_FAILED);
    close(ends[0]);
    close(ends[1]);
    return 0;
}
