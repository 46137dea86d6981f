/* search.c: see search.h. */
#include "search.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "clock.h"
#include "machine.h"
#include "workload.h"

/* Trials that take longer are not repeated in another round. */
#define LONG_NS (300 * NS_PER_MS)

/* The search gives up when so many values were tried and no trial has finished. */
#define GIVE_UP 4

/* The sides of a cliff are tried in so many rounds, at different times: what the kernel remembers of a connection can
 * last for a while. */
#define ROUNDS 3

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

struct config
search_config_at(const struct search *search, uint64_t value)
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
    struct setting setting[2];
    size_t count = a == b ? 1 : 2;

    for (size_t i = 0; i < count; i++) {
        struct shots *shots = &point[i]->shots;
        size_t wanted = shots->judged + (size_t)search->config.cliff.trials;
        setting[i] = (struct setting){search_config_at(search, point[i]->value), wanted, shots};
        shots->spent_ns = 0;
        point[i]->rounds++;
    }
    return shots_take_turns(setting, count, &search->ends);
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
    struct point *point = &search->point[search->points];
    size_t wanted = (size_t)search->config.cliff.trials;
    struct setting setting = {search_config_at(search, value), wanted, &point->shots};

    *point = (struct point){.value = value, .rounds = 1};
    search->points++; /* also a part of it is told after an interruption */
    int result = shots_take_turns(&setting, 1, &search->ends);
    if (result == 0 && point->shots.modes.lone && !point->shots.failed)
        result = repeat(search, point, point);
    if (result == 0 && search->points == GIVE_UP)
        result = give_up(search);
    qsort(search->point, search->points, sizeof search->point[0], compare_value);
    return result;
}

size_t
search_spots(const struct search *search, struct spot spot[SEARCH_POINTS_MAX])
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
    size_t count = bisect_cliffs(spot, search_spots(search, spot), place, SEARCH_CLIFFS_MAX);
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

bool
search_is_over(struct search *search)
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
        while ((value = bisect_next(spot, search_spots(search, spot))) != 0) {
            if (search_is_over(search))
                return 0;
            if (add_point(search, value) != 0)
                return -1;
        }
        repeated = search_is_over(search) ? 0 : confirm(search);
    } while (repeated == 1);
    return repeated;
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

int
search_run(struct search *search)
{
    return scan(search) != 0 || corner(search) != 0 ? -1 : 0;
}

void
search_free(struct search *search)
{
    for (size_t i = 0; i < search->points; i++)
        shots_free(&search->point[i].shots);
    *search = (struct search){.points = 0};
}
