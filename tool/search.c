/* search.c: see search.h. */
#include "search.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "interrupt.h"
#include "machine.h"
#include "pair.h"
#include "send.h"
#include "workload.h"

/* No further trial begins at a value on which this was spent, once it has ENOUGH. */
#define VALUE_NS NS_PER_S
#define ENOUGH 2

/* How often a trial that did not end in time is followed by one that is half as long. */
#define SHORTENED 2

/* Trials that take longer are not repeated in another round. */
#define LONG_NS (300 * NS_PER_MS)

/* The search gives up when so many values were tried and no trial has finished. */
#define GIVE_UP 4

/* The sides of a cliff are tried in so many rounds, at different times: what the kernel remembers of a connection can
 * last for a while. */
#define ROUNDS 3

/* Trials with and without remedies last so many times as long as the others: a remedy that only delays is none. */
#define REMEDY_LONGER 2

/* A trial that is examined lasts so many times as long as the others, and is tried again so often when it turns out
 * not to be slow. */
#define EXAMINED_LONGER 4
#define EXAMINED_TRIES 4

/* What a trial's outcome is kept in while it runs. */
struct watch {
    struct search *search;
    struct evidence evidence;
};

static void
look(const struct trial *trial, const struct result *result, void *watch_pointer)
{
    struct watch *watch = watch_pointer;

    evidence_of(trial, result, &watch->evidence);
    if (!watch->search->known && trial->status == STATUS_DONE && trial->sender[0].known && trial->receiver[0].known) {
        watch->search->known = true;
        watch->search->sender = trial->sender[0].half;
        watch->search->receiver = trial->receiver[0].half;
    }
}

static void
set_factor(struct config *config, uint64_t value)
{
    struct sockopt_value set = {.known = true, .number = value};

    switch (config->cliff.factor) {
    case FACTOR_SNDBUF:
        config->sender.of[SOCKOPT_SNDBUF] = set;
        break;
    case FACTOR_RCVBUF:
        config->receiver.of[SOCKOPT_RCVBUF] = set;
        break;
    case FACTOR_WRITE_SIZE:
        config->write_size = value;
        break;
    default:
        config->pacing.rate = (double)value;
        break;
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

/* Runs one trial and keeps it, also one that failed. Returns 0, or -1 when the search has to end. */
static int
shoot(struct search *search, const struct config *base, struct shots *shots)
{
    static struct outcome outcome; /* too large for a stack */
    struct watch watch = {.search = search};
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
    return shots->judged < ENOUGH || shots->spent_ns < VALUE_NS;
}

/* Probes, and then `wanted` trials, or fewer where they take long. */
static int
shoot_all(struct search *search, const struct config *config, struct shots *shots, size_t wanted)
{
    while (wants_more(shots, wanted))
        if (shoot(search, config, shots) != 0)
            return -1;
    return 0;
}

static struct config
config_at(const struct search *search, uint64_t value)
{
    struct config config = search->config;

    set_factor(&config, value);
    return config;
}

/* Tries two points once more, in turns. They may be the same. */
static int
repeat(struct search *search, struct point *a, struct point *b)
{
    struct point *point[2] = {a, b};
    size_t wanted[2], count = a == b ? 1 : 2;

    for (size_t i = 0; i < count; i++) {
        wanted[i] = point[i]->shots.judged + (size_t)search->config.cliff.trials;
        point[i]->shots.spent_ns = 0;
        point[i]->rounds++;
    }
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < count; i++) {
            struct config config = config_at(search, point[i]->value);
            if (!wants_more(&point[i]->shots, wanted[i]))
                continue;
            if (shoot(search, &config, &point[i]->shots) != 0)
                return -1;
            more = true;
        }
    }
    return 0;
}

static int
compare_value(const void *a, const void *b)
{
    const struct point *left = a, *right = b;
    return (left->value > right->value) - (left->value < right->value);
}

static int
give_up(const struct search *search)
{
    for (size_t i = 0; i < search->points; i++)
        if (search->point[i].shots.judged > 0)
            return 0;
    const struct shots *last = &search->point[search->points - 1].shots;
    const struct shot *shot = &last->shot[last->count - 1];
    return err_set(shot->status, "no trial finished at any of %zu values; at %" PRIu64 ": %s", search->points,
                   search->point[search->points - 1].value, shot->error);
}

static int
add_point(struct search *search, uint64_t value)
{
    struct config config = config_at(search, value);
    struct point *point = &search->point[search->points];

    *point = (struct point){.value = value, .rounds = 1};
    search->points++; /* also a part of it is told after an interruption */
    int result = shoot_all(search, &config, &point->shots, (size_t)config.cliff.trials);
    if (result == 0 && point->shots.modes.lone && !point->shots.failed)
        result = repeat(search, point, point);
    if (result == 0 && search->points == GIVE_UP)
        result = give_up(search);
    qsort(search->point, search->points, sizeof search->point[0], compare_value);
    return result;
}

/* The spots of the search; returns how many. */
static size_t
spots_of(const struct search *search, struct spot spot[SEARCH_POINTS_MAX])
{
    for (size_t i = 0; i < search->points; i++)
        spot[i] = (struct spot){search->point[i].value, search->point[i].shots.modes};
    return search->points;
}

/* Two values an octave. */
static int
scan(struct search *search)
{
    uint64_t to = search->to;

    for (uint64_t octave = search->from; octave < to; octave = octave <= UINT64_MAX / 2 ? 2 * octave : UINT64_MAX) {
        uint64_t between = (uint64_t)((double)octave * sqrt(2.0));
        if (add_point(search, octave) != 0 || (between > octave && between < to && add_point(search, between) != 0))
            return -1;
    }
    return add_point(search, to) != 0 ? -1 : give_up(search);
}

/* Whether a point was tried as often as it should beside a cliff. */
static bool
has_rounds(const struct point *point)
{
    bool slow = point->shots.judged > 0 && point->shots.spent_ns / point->shots.judged > LONG_NS;
    return point->rounds >= (slow ? ROUNDS - 1 : ROUNDS);
}

/* Tries the sides of each cliff once more that were not tried in all rounds. Returns 1 when there were some, 0, or -1.
 */
static int
confirm(struct search *search)
{
    struct spot spot[SEARCH_POINTS_MAX];
    struct cliff_place place[SEARCH_CLIFFS_MAX];
    size_t count = bisect_cliffs(spot, spots_of(search, spot), place, SEARCH_CLIFFS_MAX);
    int repeated = 0;

    for (size_t i = 0; i < count; i++) {
        struct point *left = &search->point[place[i].left], *right = &search->point[place[i].right];
        if (has_rounds(left) && has_rounds(right))
            continue;
        if (repeat(search, left, right) != 0)
            return -1;
        repeated = 1;
    }
    return repeated;
}

/* Whether the budget is spent; notes that something will be missing. */
static bool
is_over(struct search *search)
{
    search->truncated = search->truncated || search->points == SEARCH_POINTS_MAX || clock_now_ns() >= search->stop_ns;
    return search->truncated;
}

static int
corner(struct search *search)
{
    struct spot spot[SEARCH_POINTS_MAX];
    int repeated;

    do {
        uint64_t value;
        while ((value = bisect_next(spot, spots_of(search, spot))) != 0) {
            if (is_over(search))
                return 0;
            if (add_point(search, value) != 0)
                return -1;
        }
        repeated = is_over(search) ? 0 : confirm(search);
    } while (repeated == 1);
    return repeated;
}

/* The finished trial whose speed is nearest to `speed`; NULL when there is none. */
static const struct evidence *
nearest(const struct shots *shots, double speed)
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

/* Tries `value` with kernel timestamps until a trial is slower than `border`. */
static int
examine(struct search *search, const struct point *point, double border, struct shots *shots)
{
    struct config config = config_at(search, point->value);

    config.stamps = config.stamps || (config.log && config.family != AF_UNIX && config.send_with != SEND_ZEROCOPY);
    for (int i = 0; i < EXAMINED_TRIES && !shots->failed; i++) {
        struct length length = point->shots.length;
        if (length.bytes == MISSING && search->config.workload == WORKLOAD_TRANSFER)
            length.duration_ns *= EXAMINED_LONGER;
        shots->length = length;
        shots->length.settled = shots->begun = true;
        if (shoot(search, &config, shots) != 0)
            return -1;
        const struct shot *last = &shots->shot[shots->count - 1];
        if (last->status == STATUS_DONE && last->evidence.speed < border)
            break;
    }
    return 0;
}

/* Tries the slow side of a cliff as it is and with each remedy, in turns. */
static int
try_remedies(struct search *search, struct cliff *cliff)
{
    struct config config[REMEDIES + 1];
    struct shots *shots[REMEDIES + 1];
    size_t count = 1, wanted = (size_t)search->config.cliff.trials;

    config[0] = config_at(search, search->point[cliff->slow].value);
    shots[0] = &cliff->before;
    for (enum remedy r = 0; r < REMEDIES; r++) {
        config[count] = config[0];
        cliff->tried[r].why_not = remedy_apply(r, &config[count], &cliff->tried[r].value);
        if (cliff->tried[r].why_not == NULL)
            shots[count++] = &cliff->tried[r].after;
    }
    for (size_t i = 0; i < count; i++) { /* as much work for each, until one proves to be fast */
        shots[i]->length = search->point[cliff->slow].shots.length;
        shots[i]->length.most_bytes = shots[i]->length.bytes;
        shots[i]->length.settled = shots[i]->length.bytes == MISSING;
        if (search->config.workload == WORKLOAD_TRANSFER)
            shots[i]->length.duration_ns *= REMEDY_LONGER;
        shots[i]->begun = true;
    }
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < count; i++) {
            if (!wants_more(shots[i], wanted))
                continue;
            if (shoot(search, &config[i], shots[i]) != 0)
                return -1;
            more = true;
        }
    }
    return 0;
}

/* What the remedies did; a setting with two modes has not been removed from the slow one. */
static struct helped
judge_remedies(struct cliff *cliff, double slow, double fast)
{
    double before = cliff->before.modes.count > 0 ? cliff->before.modes.slow : slow;

    for (enum remedy r = 0; r < REMEDIES; r++) {
        struct tried *tried = &cliff->tried[r];
        bool known = tried->why_not == NULL && tried->after.modes.count > 0;
        tried->removes = known && tried->after.modes.slow * BISECT_RATIO >= fast;
        tried->helps = known && tried->after.modes.slow >= BISECT_RATIO * before;
    }
    return (struct helped){.quickack = cliff->tried[REMEDY_QUICKACK].helps,
                           .nodelay = cliff->tried[REMEDY_NODELAY].helps,
                           .early_rcvbuf = cliff->tried[REMEDY_EARLY_RCVBUF].helps};
}

static int
explain_cliff(struct search *search, struct cliff *cliff)
{
    const struct point *slow = &search->point[cliff->slow], *fast = &search->point[cliff->fast];
    double border = sqrt(slow->shots.modes.slow * fast->shots.modes.slow);

    if (try_remedies(search, cliff) != 0 || examine(search, slow, border, &cliff->examined) != 0)
        return -1;
    struct helped helped = judge_remedies(cliff, slow->shots.modes.slow, fast->shots.modes.slow);
    const struct evidence *examined = nearest(&cliff->examined, slow->shots.modes.slow);
    cliff->evidence =
        examined != NULL && examined->speed < border ? examined : nearest(&slow->shots, slow->shots.modes.slow);
    cliff->other = nearest(&fast->shots, fast->shots.modes.slow);
    cliff->mechanism = evidence_judge(cliff->evidence, &helped);
    cliff->explained = true;
    return 0;
}

/* The modes of a range: medians of all its trials on either side of each value's border. */
static int
merge_modes(const struct search *search, struct bistable *range)
{
    size_t trials = 0, count[2] = {0, 0};

    for (size_t i = range->place.first; i <= range->place.last; i++)
        trials += search->point[i].shots.judged;
    double *speed = malloc(2 * trials * sizeof *speed + 1);
    if (speed == NULL)
        return err_set(STATUS_REFUSED, "no memory for the trials");
    for (size_t i = range->place.first; i <= range->place.last; i++) {
        const struct shots *shots = &search->point[i].shots;
        for (size_t s = 0; shots->modes.count == 2 && s < shots->count; s++) {
            double found = shots->shot[s].evidence.speed;
            bool fast = found >= shots->modes.border;
            if (shots->shot[s].status == STATUS_DONE && !shots->shot[s].probe)
                speed[(fast ? trials : 0) + count[fast]++] = found;
        }
    }
    range->slow_trials = count[0];
    range->fast_trials = count[1];
    struct modes slow = modes_of(speed, count[0]), fast = modes_of(speed + trials, count[1]);
    range->slow = slow.slow;
    range->fast = fast.fast;
    free(speed);
    return 0;
}

static void
explain_bistable(const struct search *search, struct bistable *range)
{
    size_t middle = range->place.first + (range->place.last - range->place.first) / 2;
    const struct helped none = {false, false, false};

    while (search->point[middle].shots.modes.count != 2)
        middle++;
    const struct shots *shots = &search->point[middle].shots;
    range->evidence = nearest(shots, shots->modes.slow);
    range->other = nearest(shots, shots->modes.fast);
    range->mechanism = evidence_judge(range->evidence, &none);
}

/* What was found, from the points that there are. */
static int
conclude(struct search *search)
{
    struct spot spot[SEARCH_POINTS_MAX];
    struct cliff_place place[SEARCH_CLIFFS_MAX];
    struct bistable_place range[SEARCH_CLIFFS_MAX];
    size_t count = spots_of(search, spot);

    search->bistables = bisect_bistable(spot, count, range, SEARCH_CLIFFS_MAX);
    for (size_t i = 0; i < search->bistables; i++) {
        search->bistable[i] = (struct bistable){.place = range[i]};
        if (merge_modes(search, &search->bistable[i]) != 0)
            return -1;
        explain_bistable(search, &search->bistable[i]);
    }
    search->cliffs = bisect_cliffs(spot, count, place, SEARCH_CLIFFS_MAX);
    for (size_t i = 0; i < search->cliffs; i++) {
        bool rises = spot[place[i].left].modes.slow < spot[place[i].right].modes.slow;
        search->cliff[i] = (struct cliff){.place = place[i],
                                          .slow = rises ? place[i].left : place[i].right,
                                          .fast = rises ? place[i].right : place[i].left,
                                          .mechanism = MECHANISM_UNKNOWN};
    }
    return 0;
}

int
search_prepare(struct search *search, const struct config *config)
{
    const struct cliff_plan *plan = &config->cliff;
    uint64_t largest = machine_buffer_max(plan->factor == FACTOR_SNDBUF);

    search->config = *config;
    search->config.timeout_ns = length_limit_ns(config);
    search->latency = config->workload != WORKLOAD_TRANSFER;
    clock_gettime(CLOCK_REALTIME, &search->started);
    search->stop_ns = plan->budget_ns != MISSING ? clock_deadline_ns(plan->budget_ns) : MISSING;
    switch (plan->factor) {
    case FACTOR_SNDBUF:
    case FACTOR_RCVBUF: /* ends where the kernel clamps */
        search->from = 2048;
        search->to = largest == MISSING || largest > UINT64_C(1) << 21 ? UINT64_C(1) << 21 : largest;
        break;
    case FACTOR_WRITE_SIZE:
        search->from = 64;
        search->to = UINT64_C(1) << 20;
        break;
    default:
        search->from = 100;
        search->to = 200000;
        break;
    }
    search->from = plan->from != MISSING ? plan->from : search->from;
    search->to = plan->to != MISSING ? plan->to : search->to;
    if (search->from >= search->to)
        return err_set(STATUS_USAGE, "--from %" PRIu64 " is not below --to %" PRIu64, search->from, search->to);
    return 0;
}

/* The steepest cliff that is not explained yet; NULL when there is none. */
static struct cliff *
steepest(struct search *search)
{
    struct cliff *found = NULL;
    double most = 0;

    for (size_t i = 0; i < search->cliffs; i++) {
        struct cliff *cliff = &search->cliff[i];
        double ratio = search->point[cliff->fast].shots.modes.slow / search->point[cliff->slow].shots.modes.slow;
        if (!cliff->explained && ratio > most) {
            most = ratio;
            found = cliff;
        }
    }
    return found;
}

int
search_run(struct search *search)
{
    if (scan(search) != 0 || corner(search) != 0) {
        if (err_status() == STATUS_INTERRUPTED) /* the map so far says what it can */
            return conclude(search) == 0 ? err_set(STATUS_INTERRUPTED, "interrupted by a signal; the result is partial")
                                         : -1;
        return -1;
    }
    if (conclude(search) != 0)
        return -1;
    bool first = true;
    for (struct cliff *cliff; (cliff = steepest(search)) != NULL && (first || !is_over(search)); first = false)
        if (explain_cliff(search, cliff) != 0)
            return -1;
    return 0;
}

void
search_free(struct search *search)
{
    for (size_t i = 0; i < search->points; i++)
        free(search->point[i].shots.shot);
    for (size_t i = 0; i < search->cliffs; i++) {
        free(search->cliff[i].before.shot);
        free(search->cliff[i].examined.shot);
        for (enum remedy r = 0; r < REMEDIES; r++)
            free(search->cliff[i].tried[r].after.shot);
    }
    *search = (struct search){.points = 0};
}
