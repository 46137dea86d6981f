/* cliff_findings_test.c: cliffs and bistable ranges of invented trials. */
#include "cliff_findings.h"

#include <math.h>

#include "check.h"

#define TRIALS 4

/* The trials of the points; a search holds them as if they had been measured. */
static struct shot shot[8][TRIALS];

/* One more point with these speeds; NaN: a trial that failed. */
static void
add_point(struct search *search, uint64_t value, const double speed[TRIALS])
{
    struct point *point = &search->point[search->points];
    double finished[TRIALS];
    size_t judged = 0;

    *point = (struct point){.value = value, .rounds = 1};
    point->shots.shot = shot[search->points++];
    point->shots.count = TRIALS;
    for (size_t i = 0; i < TRIALS; i++) {
        point->shots.shot[i] = (struct shot){.status = isnan(speed[i]) ? STATUS_FAILED : STATUS_DONE};
        point->shots.shot[i].evidence.speed = speed[i];
        if (!isnan(speed[i]))
            finished[judged++] = speed[i];
    }
    point->shots.judged = judged;
    point->shots.modes = modes_of(finished, judged);
}

static void
test_a_cliff_has_a_slow_side_and_no_explanation_yet(void)
{
    static struct search search;
    static struct findings findings;

    add_point(&search, 100, (const double[]){90, 100, 110, 100});
    add_point(&search, 200, (const double[]){9, 10, 11, (double)NAN});
    add_point(&search, 300, (const double[]){9, 10, 11, 10});
    add_point(&search, 400, (const double[]){90, 100, 110, 100});
    CHECK_NUMBER(findings_gather(&findings, &search), 0);
    CHECK_NUMBER(findings.bistables, 0);
    CHECK_NUMBER(findings.cliffs, 2);
    CHECK(findings.cliff[0].slow == 1 && findings.cliff[0].fast == 0); /* it falls */
    CHECK(findings.cliff[1].slow == 2 && findings.cliff[1].fast == 3); /* it rises */
    CHECK(!findings.cliff[0].explained && findings.cliff[0].mechanism == MECHANISM_UNKNOWN);
    findings_free(&findings);
    CHECK_NUMBER(findings.cliffs, 0);
}

static void
test_the_modes_of_a_range_are_those_of_all_its_values(void)
{
    static struct search search;
    static struct findings findings;

    add_point(&search, 100, (const double[]){100, 100, 100, 100});
    add_point(&search, 200, (const double[]){10, 11, 100, 101});
    add_point(&search, 300, (const double[]){12, 13, 102, 103});
    CHECK_NUMBER(findings_gather(&findings, &search), 0);
    CHECK_NUMBER(findings.cliffs, 0);
    CHECK_NUMBER(findings.bistables, 1);
    const struct bistable *range = &findings.bistable[0];
    CHECK(range->place.first == 1 && range->place.last == 2);
    CHECK(range->slow == 11.5 && range->slow_trials == 4);
    CHECK(range->fast == 101.5 && range->fast_trials == 4);
    CHECK(range->evidence->speed < 14);
    CHECK(range->other->speed > 99);
    findings_free(&findings);
}

int
main(void)
{
    test_a_cliff_has_a_slow_side_and_no_explanation_yet();
    test_the_modes_of_a_range_are_those_of_all_its_values();
    return check_end();
}
