/* cliff_shots_test.c: which trial speaks for a speed. What is measured is seen in whole searches. */
#include "cliff_shots.h"

#include "check.h"

static void
test_the_nearest_trial_is_one_that_finished_and_no_probe(void)
{
    struct shot trial[4] = {
        {.status = STATUS_DONE, .probe = true, .evidence = {.speed = 50}},
        {.status = STATUS_FAILED, .evidence = {.speed = 50}},
        {.status = STATUS_DONE, .evidence = {.speed = 10}},
        {.status = STATUS_DONE, .evidence = {.speed = 200}},
    };
    struct shots shots = {.shot = trial, .count = 4};

    CHECK(shots_nearest(&shots, 50) == &trial[3].evidence); /* by ratio: 4 times, not 5 */
    CHECK(shots_nearest(&shots, 40) == &trial[2].evidence);
    shots.count = 2;
    CHECK(shots_nearest(&shots, 50) == NULL);
}

int
main(void)
{
    test_the_nearest_trial_is_one_that_finished_and_no_probe();
    return check_end();
}
