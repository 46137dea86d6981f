/* cliff_findings.c: see cliff_findings.h. */
#include "cliff_findings.h"

#include <stdlib.h>

#include "err.h"

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
    range->evidence = shots_nearest(shots, shots->modes.slow);
    range->other = shots_nearest(shots, shots->modes.fast);
    range->mechanism = evidence_judge(range->evidence, &none);
}

int
findings_gather(struct findings *findings, const struct search *search)
{
    struct spot spot[SEARCH_POINTS_MAX];
    struct cliff_place place[SEARCH_CLIFFS_MAX];
    struct bistable_place range[SEARCH_CLIFFS_MAX];
    size_t count = search_spots(search, spot);

    findings->bistables = bisect_bistable(spot, count, range, SEARCH_CLIFFS_MAX);
    for (size_t i = 0; i < findings->bistables; i++) {
        findings->bistable[i] = (struct bistable){.place = range[i]};
        if (merge_modes(search, &findings->bistable[i]) != 0)
            return -1;
        explain_bistable(search, &findings->bistable[i]);
    }
    findings->cliffs = bisect_cliffs(spot, count, place, SEARCH_CLIFFS_MAX);
    for (size_t i = 0; i < findings->cliffs; i++) {
        bool rises = spot[place[i].left].modes.slow < spot[place[i].right].modes.slow;
        findings->cliff[i] = (struct cliff){.place = place[i],
                                            .slow = rises ? place[i].left : place[i].right,
                                            .fast = rises ? place[i].right : place[i].left,
                                            .mechanism = MECHANISM_UNKNOWN};
    }
    return 0;
}

void
findings_free(struct findings *findings)
{
    for (size_t i = 0; i < findings->cliffs; i++) {
        shots_free(&findings->cliff[i].before);
        shots_free(&findings->cliff[i].examined);
        for (enum remedy r = 0; r < REMEDIES; r++)
            shots_free(&findings->cliff[i].tried[r].after);
    }
    *findings = (struct findings){.cliffs = 0};
}
