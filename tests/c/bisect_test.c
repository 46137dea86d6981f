/* bisect_test.c: modes, cliffs and bistable ranges of invented speeds, and a search that corners a step. */
#include "bisect.h"

#include <math.h>

#include "check.h"

#define ROOM 128

static struct modes
modes(const double *speed, size_t count)
{
    double copy[16];

    memcpy(copy, speed, count * sizeof *copy);
    return modes_of(copy, count);
}

static struct spot
one(uint64_t value, double speed)
{
    return (struct spot){value, {.count = 1, .slow = speed, .fast = speed, .slow_trials = 3}};
}

static struct spot
two(uint64_t value, double slow, double fast)
{
    return (struct spot){value, {.count = 2, .slow = slow, .fast = fast, .slow_trials = 3, .fast_trials = 3}};
}

static void
test_modes(void)
{
    struct modes found = modes((const double[]){5, 4, 6}, 3);
    CHECK(found.count == 1 && found.slow == 5 && found.fast == 5 && !found.lone && found.slow_trials == 3);
    found = modes((const double[]){100, 1, 90, 2, 110}, 5); /* any order */
    CHECK(found.count == 2 && found.slow == 1.5 && found.fast == 100);
    CHECK(found.slow_trials == 2 && found.fast_trials == 3 && found.border > 2 && found.border < 90);
    found = modes((const double[]){100, 99, 1}, 3); /* one alone is no mode */
    CHECK(found.count == 1 && found.lone && found.slow == 99);
    found = modes((const double[]){1, 2.9, 8, 20}, 4); /* wide, without a gap of more than three */
    CHECK(found.count == 1 && !found.lone);
    found = modes((const double[]){1, 3}, 2); /* exactly three is not more than three */
    CHECK(found.count == 1 && !found.lone);
    found = modes((const double[]){0}, 0);
    CHECK(found.count == 0 && isnan(found.slow) && isnan(found.fast));
}

static void
test_a_cliff_needs_one_mode_on_each_side(void)
{
    struct cliff_place cliff[4];
    struct bistable_place range[4];
    const struct spot step[] = {one(1, 10), one(2, 10), one(3, 100), one(4, 100)};
    const struct spot random[] = {one(1, 10), two(2, 1, 10), two(3, 1, 10), one(4, 10), two(5, 1, 10)};
    const struct spot between[] = {one(1, 10), two(2, 10, 100), one(3, 100), one(4, 20)};

    CHECK_NUMBER(bisect_cliffs(step, 4, cliff, 4), 1);
    CHECK(cliff[0].left == 1 && cliff[0].right == 2);
    CHECK_NUMBER(bisect_bistable(step, 4, range, 4), 0);
    CHECK_NUMBER(bisect_cliffs(random, 5, cliff, 4), 0);
    CHECK_NUMBER(bisect_bistable(random, 5, range, 4), 2);
    CHECK(range[0].first == 1 && range[0].last == 2 && range[1].first == 4 && range[1].last == 4);
    CHECK_NUMBER(bisect_next(random, 5), 0);
    CHECK_NUMBER(bisect_cliffs(between, 4, cliff, 4), 2);
    CHECK(cliff[0].left == 0 && cliff[0].right == 2 && cliff[1].left == 2 && cliff[1].right == 3);
    CHECK_NUMBER(bisect_cliffs(between, 4, cliff, 1), 1); /* no more than there is room */
}

static void
test_what_failed_is_passed_over(void)
{
    struct cliff_place cliff[4];
    const struct spot spot[] = {one(100, 10), {.value = 150}, one(200, 100)};

    CHECK_NUMBER(bisect_cliffs(spot, 3, cliff, 4), 1);
    CHECK(cliff[0].left == 0 && cliff[0].right == 2);
    CHECK_NUMBER(bisect_next(spot, 3), 0); /* the middle has failed; nothing is tried for ever */
}

/* A step at `edge`; where `width` is not 0, two modes up to it. Returns how many values were tried. */
static size_t
corner(uint64_t edge, uint64_t width, struct spot *spot, size_t count)
{
    uint64_t value;

    while ((value = bisect_next(spot, count)) != 0 && count < ROOM) {
        size_t at = count++;
        for (; at > 0 && spot[at - 1].value > value; at--)
            spot[at] = spot[at - 1];
        spot[at] = value < edge ? one(value, 5) : value < edge + width ? two(value, 5, 500) : one(value, 500);
    }
    return count;
}

static void
test_a_step_is_cornered(void)
{
    struct spot spot[ROOM] = {one(1000, 5), one(64000, 500)};
    struct cliff_place cliff[1];
    size_t count = corner(12345, 0, spot, 2);

    CHECK(count < 30);
    REQUIRE(bisect_cliffs(spot, count, cliff, 1) == 1);
    uint64_t low = spot[cliff[0].left].value, high = spot[cliff[0].right].value;
    CHECK(low < 12345 && high >= 12345 && (double)high < BISECT_CLOSE * (double)low);
    struct spot tiny[ROOM] = {one(1, 5), one(9, 500)};
    count = corner(4, 0, tiny, 2);
    REQUIRE(bisect_cliffs(tiny, count, cliff, 1) == 1);
    CHECK(tiny[cliff[0].left].value == 3 && tiny[cliff[0].right].value == 4);
}

static void
test_the_edges_of_a_bistable_range_are_cornered(void)
{
    struct spot spot[ROOM] = {one(1000, 5), one(64000, 500)};
    struct bistable_place range[2];
    struct cliff_place cliff[2];
    size_t count = corner(10000, 20000, spot, 2);

    CHECK(count < 40);
    REQUIRE(bisect_bistable(spot, count, range, 2) == 1 && bisect_cliffs(spot, count, cliff, 2) == 1);
    CHECK(spot[range[0].first].value >= 10000 && spot[range[0].last].value < 30000);
    CHECK(cliff[0].left == range[0].first - 1 && cliff[0].right == range[0].last + 1);
    CHECK((double)spot[range[0].first].value < BISECT_EDGE * (double)spot[cliff[0].left].value);
    CHECK((double)spot[cliff[0].right].value < BISECT_EDGE * (double)spot[range[0].last].value);
}

int
main(void)
{
    test_modes();
    test_a_cliff_needs_one_mode_on_each_side();
    test_what_failed_is_passed_over();
    test_a_step_is_cornered();
    test_the_edges_of_a_bistable_range_are_cornered();
    return check_end();
}
