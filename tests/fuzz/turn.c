/* turn.c: a message between a comparison and its arms. */
#include "turn.h"

#include <string.h>

#include "fuzz.h"

#define FRAME_BYTES (24 + ERR_TEXT_BYTES)

int
fuzz_one(const uint8_t *bytes, size_t length)
{
    unsigned char frame[FRAME_BYTES] = {'T', 'G', 'T', 'U', 'R', 'N', 0, TURN_VERSION};
    struct turn turn;

    if (turn_decode(bytes, length, &turn) == 0)
        MUST(length == sizeof frame && memchr(turn.text, '\0', sizeof turn.text) != NULL);
    memcpy(frame + 8, bytes, length < sizeof frame - 8 ? length : sizeof frame - 8);
    MUST(turn_decode(frame, sizeof frame, &turn) == 0);
    MUST(memchr(turn.text, '\0', sizeof turn.text) != NULL);
    MUST(turn_decode(frame, sizeof frame - 1, &turn) != 0);
    return 0;
}
