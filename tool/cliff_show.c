/* cliff_show.c: see cliff_show.h. */
#include "cliff_show.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "clock.h"
#include "err.h"
#include "units.h"

/* Characters of a bar for each octave, and at most. */
#define BAR_OCTAVE 3
#define BAR_MAX 60

static const char *
speed_text(const struct search *search, char *text, double speed)
{
    if (!isfinite(speed))
        return "-";
    return search->latency ? units_format_time(text, (uint64_t)(1e9 / speed)) : units_format_rate(text, speed);
}

static double
slowest(const struct search *search)
{
    double least = INFINITY;

    for (size_t i = 0; i < search->points; i++)
        if (search->point[i].shots.modes.count > 0)
            least = fmin(least, search->point[i].shots.modes.slow);
    return least;
}

/* A bar to the slow mode, and a mark where the fast one is. */
static void
show_bar(const struct modes *modes, double least)
{
    char bar[BAR_MAX + 2] = "";
    int slow = (int)(BAR_OCTAVE * log2(modes->slow / least)), fast = (int)(BAR_OCTAVE * log2(modes->fast / least));

    slow = slow > BAR_MAX ? BAR_MAX : slow;
    fast = fast > BAR_MAX ? BAR_MAX : fast;
    memset(bar, ' ', (size_t)fast);
    memset(bar, '#', (size_t)slow + 1);
    if (modes->count == 2)
        bar[fast] = '#';
    puts(bar);
}

static void
show_point(const struct search *search, const struct point *point, double least)
{
    char text[2][UNITS_TEXT_BYTES];
    const struct modes *modes = &point->shots.modes;
    const struct evidence *last = NULL;
    uint64_t stalls = 0, effective = MISSING;

    for (size_t i = 0; i < point->shots.count; i++) {
        const struct shot *shot = &point->shots.shot[i];
        if (shot->status != STATUS_DONE || shot->probe)
            continue;
        last = &shot->evidence;
        stalls += last->stalls != MISSING ? last->stalls : 0;
    }
    if (last != NULL && search->config.cliff.factor == FACTOR_SNDBUF)
        effective = last->sndbuf;
    if (last != NULL && search->config.cliff.factor == FACTOR_RCVBUF)
        effective = last->rcvbuf;
    printf("%10" PRIu64 " ", point->value);
    if (effective != MISSING)
        printf("%10" PRIu64, effective);
    else
        printf("%10s", "-");
    printf(" %6zu  %11s  %11s  %6" PRIu64 "  ", point->shots.judged, speed_text(search, text[0], modes->slow),
           modes->count == 2 ? speed_text(search, text[1], modes->fast) : "", stalls);
    if (modes->count > 0)
        show_bar(modes, least);
    else
        printf("no trial finished: %s\n",
               point->shots.count > 0 && point->shots.shot[point->shots.count - 1].error[0] != '\0'
                   ? point->shots.shot[point->shots.count - 1].error
                   : "interrupted");
}

static void
show_mechanism(enum mechanism mechanism, const struct evidence *slow, const struct evidence *fast)
{
    char line[EVIDENCE_LINES][EVIDENCE_TEXT_BYTES];

    if (slow == NULL || fast == NULL)
        return;
    printf("  why: %s\n", mechanism_words(mechanism));
    size_t lines = evidence_tell(slow, fast, line);
    for (size_t i = 0; i < lines; i++)
        printf("    %s\n", line[i]);
}

static void
show_remedies(const struct search *search, const struct cliff *cliff)
{
    char text[2][UNITS_TEXT_BYTES];

    for (enum remedy r = 0; r < REMEDIES; r++) {
        const struct tried *tried = &cliff->tried[r];
        if (tried->why_not != NULL)
            printf("  not tried:      %s, because %s\n", remedy_words(r), tried->why_not);
        else if (tried->after.modes.count == 0)
            printf("  failed:         %s: %s\n", remedy_words(r),
                   tried->after.count > 0 ? tried->after.shot[tried->after.count - 1].error : "no trial");
        else
            printf("  %s %s: %s, without it %s%s\n",
                   tried->removes ? "removed by:    "
                   : tried->helps ? "helped by:     "
                                  : "not removed by:",
                   remedy_words(r), speed_text(search, text[0], tried->after.modes.slow),
                   speed_text(search, text[1], cliff->before.modes.slow),
                   tried->after.modes.count == 2 ? " (two modes: this is the slow one)" : "");
    }
}

static void
show_cliff(const struct search *search, const struct cliff *cliff)
{
    char text[2][UNITS_TEXT_BYTES];
    const char *factor = args_choice("factor", search->config.cliff.factor);
    const struct point *slow = &search->point[cliff->slow], *fast = &search->point[cliff->fast];

    printf("\ncliff: %s %" PRIu64 " gives %s, %" PRIu64 " gives %s: a factor of %.1f\n", factor, slow->value,
           speed_text(search, text[0], slow->shots.modes.slow), fast->value,
           speed_text(search, text[1], fast->shots.modes.slow), fast->shots.modes.slow / slow->shots.modes.slow);
    if (!cliff->explained) {
        printf("  the search ended before it could be explained\n");
        return;
    }
    show_mechanism(cliff->mechanism, cliff->evidence, cliff->other);
    show_remedies(search, cliff);
}

static void
show_bistable(const struct search *search, const struct bistable *range)
{
    char text[2][UNITS_TEXT_BYTES], values[64];
    uint64_t first = search->point[range->place.first].value, last = search->point[range->place.last].value;

    if (first == last)
        snprintf(values, sizeof values, "at %" PRIu64, first);
    else
        snprintf(values, sizeof values, "between %" PRIu64 " and %" PRIu64, first, last);
    printf("\nbistable: %s %s: %zu trials gave about %s, %zu about %s\n",
           args_choice("factor", search->config.cliff.factor), values, range->slow_trials,
           speed_text(search, text[0], range->slow), range->fast_trials, speed_text(search, text[1], range->fast));
    show_mechanism(range->mechanism, range->evidence, range->other);
}

void
cliff_show(const struct search *search, const struct findings *findings)
{
    double least = slowest(search);
    size_t failed = 0;

    printf("%10s %10s %6s  %11s  %11s  %6s  map (logarithmic)\n", args_choice("factor", search->config.cliff.factor),
           "in effect", "trials", search->latency ? "latency" : "goodput", "2nd mode", "stalls");
    for (size_t i = 0; i < search->points; i++) {
        show_point(search, &search->point[i], least);
        failed += search->point[i].shots.modes.count == 0;
    }
    for (size_t i = 0; i < findings->cliffs; i++)
        show_cliff(search, &findings->cliff[i]);
    for (size_t i = 0; i < findings->bistables; i++)
        show_bistable(search, &findings->bistable[i]);
    bool cut = err_status() == STATUS_INTERRUPTED;
    if (findings->cliffs == 0 && cut)
        printf("\nno cliff so far: the search was interrupted\n");
    else if (findings->cliffs == 0)
        printf("\nno cliff: no two neighbours with one mode each differ by more than a factor of %.0f\n", BISECT_RATIO);
    if (failed > (cut ? 1 : 0)) /* the value at which it was interrupted has not failed */
        printf("at %zu of %zu values no trial finished\n", failed, search->points);
    if (search->truncated)
        printf("the search stopped early, after %zu values; narrow --from and --to, or raise --budget\n",
               search->points);
}
