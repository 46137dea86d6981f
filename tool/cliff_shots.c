/* cliff_shots.c: see cliff_shots.h. */
#include "cliff_shots.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "interrupt.h"
#include "pair.h"
#include "send.h"

/* No further trial of a setting begins when this was spent on it, once it has ENOUGH. */
#define SETTING_NS NS_PER_S
#define ENOUGH 2

/* How often a trial that did not end in time is followed by one that is half as long. */
#define SHORTENED 2

/* What a trial's outcome is kept in while it runs. */
struct watch {
    struct ends *ends;
    struct evidence evidence;
};

static void
look(const struct trial *trial, const struct result *result, void *watch_pointer)
{
    struct watch *watch = watch_pointer;

    evidence_of(trial, result, &watch->evidence);
    if (!watch->ends->known && trial->status == STATUS_DONE && trial->sender[0].known && trial->receiver[0].known) {
        watch->ends->known = true;
        watch->ends->sender = trial->sender[0].half;
        watch->ends->receiver = trial->receiver[0].half;
    }
}

/* A place for one more trial. Returns NULL with an error when there is no memory. */
static struct shot *
add_shot(struct shots *shots)
{
    if (shots->count == shots->room) {
        size_t room = 2 * shots->room + 8;
        struct shot *larger = realloc(shots->shot, room * sizeof *larger);
        if (larger == NULL) {
            err_set(STATUS_REFUSED, "no memory for the trials");
            return NULL;
        }
        shots->shot = larger;
        shots->room = room;
    }
    return memset(&shots->shot[shots->count++], 0, sizeof *shots->shot);
}

static int
find_modes(struct shots *shots)
{
    double *speed = malloc((shots->judged + 1) * sizeof *speed);
    size_t count = 0;

    if (speed == NULL)
        return err_set(STATUS_REFUSED, "no memory for the trials");
    for (size_t i = 0; i < shots->count; i++)
        if (!shots->shot[i].probe && shots->shot[i].status == STATUS_DONE)
            speed[count++] = shots->shot[i].evidence.speed;
    shots->modes = modes_of(speed, count);
    free(speed);
    return 0;
}

int
shots_take(struct shots *shots, const struct config *base, struct ends *ends)
{
    static struct outcome outcome; /* too large for a stack */
    struct watch watch = {.ends = ends};
    struct config config = *base;
    uint64_t began_ns = clock_now_ns();

    if (interrupt_seen())
        return err_set(STATUS_INTERRUPTED, "interrupted by a signal; the result is partial");
    if (!shots->begun)
        shots->length = length_begin(base);
    shots->begun = true;
    length_apply(&shots->length, &config);
    outcome.look = look;
    outcome.looker = &watch;
    pair_measure(&config, &outcome);
    shots->spent_ns += clock_now_ns() - began_ns;
    err_clear();
    if (interrupt_seen())
        return err_set(STATUS_INTERRUPTED, "interrupted by a signal; the result is partial");
    struct shot *shot = add_shot(shots);
    if (shot == NULL)
        return -1;
    shot->probe = !shots->length.settled;
    shot->status = outcome.status;
    shot->evidence = watch.evidence;
    memcpy(shot->error, outcome.error, sizeof shot->error);
    if (shot->status == STATUS_DONE && !(isfinite(shot->evidence.speed) && shot->evidence.speed > 0)) {
        shot->status = STATUS_FAILED;
        snprintf(shot->error, sizeof shot->error,
                 "a trial of %" PRIu64 " bytes has no speed; use a longer --duration or a larger --count",
                 outcome.result.whole.bytes);
    }
    if (shot->status != STATUS_DONE) {
        shots->failed =
            shot->status != STATUS_FAILED || shots->shortened++ == SHORTENED || !length_shorten(&shots->length);
        return 0;
    }
    shots->judged += !shot->probe;
    length_learn(&shots->length, shot->evidence.bytes, shot->evidence.elapsed_ns);
    return find_modes(shots);
}

/* Whether a setting needs another trial to have `wanted`. */
static bool
wants_more(const struct shots *shots, size_t wanted)
{
    if (shots->failed || shots->judged >= wanted)
        return false;
    return shots->judged < ENOUGH || shots->spent_ns < SETTING_NS;
}

int
shots_take_turns(const struct setting *setting, size_t count, struct ends *ends)
{
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < count; i++) {
            if (!wants_more(setting[i].shots, setting[i].wanted))
                continue;
            if (shots_take(setting[i].shots, &setting[i].config, ends) != 0)
                return -1;
            more = true;
        }
    }
    return 0;
}

const struct evidence *
shots_nearest(const struct shots *shots, double speed)
{
    const struct evidence *found = NULL;

    for (size_t i = 0; i < shots->count; i++) {
        const struct evidence *evidence = &shots->shot[i].evidence;
        if (shots->shot[i].status != STATUS_DONE || shots->shot[i].probe)
            continue;
        if (found == NULL || fabs(log(evidence->speed / speed)) < fabs(log(found->speed / speed)))
            found = evidence;
    }
    return found;
}

void
shots_free(struct shots *shots)
{
    free(shots->shot);
    *shots = (struct shots){.shot = NULL};
}
