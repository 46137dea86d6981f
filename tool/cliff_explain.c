/* cliff_explain.c: see cliff_explain.h. */
#include "cliff_explain.h"

#include <math.h>
#include <sys/socket.h>

#include "workload.h"

/* Trials with and without remedies last so many times as long as the others: a remedy that only delays is none. */
#define REMEDY_LONGER 2

/* A trial that is examined lasts so many times as long as the others, and is tried again so often when it turns out
 * not to be slow. */
#define EXAMINED_LONGER 4
#define EXAMINED_TRIES 4

/* Tries `value` with kernel timestamps until a trial is slower than `border`. */
static int
examine(struct search *search, const struct point *point, double border, struct shots *shots)
{
    struct config config = search_config_at(search, point->value);

    config.stamps = config.stamps || (config.log && config.family != AF_UNIX && config.send_with != SEND_ZEROCOPY);
    for (int i = 0; i < EXAMINED_TRIES && !shots->failed; i++) {
        struct length length = point->shots.length;
        if (length.bytes == MISSING && search->config.workload == WORKLOAD_TRANSFER)
            length.duration_ns *= EXAMINED_LONGER;
        shots->length = length;
        shots->length.settled = shots->begun = true;
        if (shots_take(shots, &config, &search->ends) != 0)
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
    const struct point *slow = &search->point[cliff->slow];
    struct setting setting[REMEDIES + 1];
    size_t count = 1, wanted = (size_t)search->config.cliff.trials;

    setting[0] = (struct setting){search_config_at(search, slow->value), wanted, &cliff->before};
    for (enum remedy r = 0; r < REMEDIES; r++) {
        struct tried *tried = &cliff->tried[r];
        setting[count] = (struct setting){setting[0].config, wanted, &tried->after};
        tried->why_not = remedy_apply(r, &setting[count].config, &tried->value);
        if (tried->why_not == NULL)
            count++;
    }
    for (size_t i = 0; i < count; i++) { /* as much work for each, until one proves to be fast */
        struct length length = slow->shots.length;
        length.most_bytes = length.bytes;
        length.settled = length.bytes == MISSING;
        if (search->config.workload == WORKLOAD_TRANSFER)
            length.duration_ns *= REMEDY_LONGER;
        setting[i].shots->length = length;
        setting[i].shots->begun = true;
    }
    return shots_take_turns(setting, count, &search->ends);
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
explain(struct search *search, struct cliff *cliff)
{
    const struct point *slow = &search->point[cliff->slow], *fast = &search->point[cliff->fast];
    double border = sqrt(slow->shots.modes.slow * fast->shots.modes.slow);

    if (try_remedies(search, cliff) != 0 || examine(search, slow, border, &cliff->examined) != 0)
        return -1;
    struct helped helped = judge_remedies(cliff, slow->shots.modes.slow, fast->shots.modes.slow);
    const struct evidence *examined = shots_nearest(&cliff->examined, slow->shots.modes.slow);
    cliff->evidence =
        examined != NULL && examined->speed < border ? examined : shots_nearest(&slow->shots, slow->shots.modes.slow);
    cliff->other = shots_nearest(&fast->shots, fast->shots.modes.slow);
    cliff->mechanism = evidence_judge(cliff->evidence, &helped);
    cliff->explained = true;
    return 0;
}

/* The steepest cliff that is not explained yet; NULL when there is none. */
static struct cliff *
steepest(struct findings *findings, const struct search *search)
{
    struct cliff *found = NULL;
    double most = 0;

    for (size_t i = 0; i < findings->cliffs; i++) {
        struct cliff *cliff = &findings->cliff[i];
        double ratio = search->point[cliff->fast].shots.modes.slow / search->point[cliff->slow].shots.modes.slow;
        if (!cliff->explained && ratio > most) {
            most = ratio;
            found = cliff;
        }
    }
    return found;
}

int
cliff_explain(struct findings *findings, struct search *search)
{
    bool first = true;

    for (struct cliff *cliff; (cliff = steepest(findings, search)) != NULL && (first || !search_is_over(search));
         first = false)
        if (explain(search, cliff) != 0)
            return -1;
    return 0;
}
