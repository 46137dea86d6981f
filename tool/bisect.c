/* bisect.c: see bisect.h. */
#include "bisect.h"

#include <math.h>
#include <stdlib.h>

static int
compare_speed(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double
median(const double *sorted, size_t count)
{
    return count % 2 == 1 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

struct modes
modes_of(double *speed, size_t count)
{
    size_t split = 0;
    double widest = BISECT_RATIO;

    if (count == 0)
        return (struct modes){.slow = (double)NAN, .fast = (double)NAN};
    qsort(speed, count, sizeof *speed, compare_speed);
    for (size_t i = 1; i < count; i++) {
        if (speed[i] > widest * speed[i - 1]) {
            widest = speed[i] / speed[i - 1];
            split = i;
        }
    }
    if (split < 2 || count - split < 2) {
        double middle = median(speed, count);
        return (struct modes){.count = 1, .slow = middle, .fast = middle, .slow_trials = count, .lone = split > 0};
    }
    return (struct modes){.count = 2,
                          .slow = median(speed, split),
                          .fast = median(speed + split, count - split),
                          .slow_trials = split,
                          .fast_trials = count - split,
                          .border = sqrt(speed[split - 1] * speed[split])};
}

static bool
differ(const struct spot *a, const struct spot *b)
{
    return a->modes.slow > BISECT_RATIO * b->modes.slow || b->modes.slow > BISECT_RATIO * a->modes.slow;
}

static bool
are_close(uint64_t low, uint64_t high, double ratio)
{
    return high - low <= 1 || (double)high < ratio * (double)low;
}

/* The first spot from `i` on that has a trial, or `count`. */
static size_t
skip_empty(const struct spot *spot, size_t count, size_t i)
{
    while (i < count && spot[i].modes.count == 0)
        i++;
    return i;
}

/* The next cliff whose left side is at `from` or behind it. Bistable spots may lie between its sides. */
static bool
next_cliff(const struct spot *spot, size_t count, size_t from, struct cliff_place *cliff)
{
    size_t left = count;

    for (size_t i = skip_empty(spot, count, from); i < count; i = skip_empty(spot, count, i + 1)) {
        if (spot[i].modes.count != 1)
            continue;
        if (left < count && differ(&spot[left], &spot[i])) {
            *cliff = (struct cliff_place){left, i};
            return true;
        }
        left = i;
    }
    return false;
}

uint64_t
bisect_next(const struct spot *spot, size_t count)
{
    struct cliff_place cliff;

    for (size_t from = 0; next_cliff(spot, count, from, &cliff); from = cliff.right) {
        /* without a bistable spot between them: the whole way; else the two ways to the bistable ones */
        size_t first = skip_empty(spot, count, cliff.left + 1), last = cliff.right;
        double ratio = first == cliff.right ? BISECT_CLOSE : BISECT_EDGE;
        for (size_t i = cliff.left + 1; i < cliff.right; i++)
            if (spot[i].modes.count != 0)
                last = i;
        const size_t ways[2][2] = {{cliff.left, first}, {last, cliff.right}};
        for (size_t w = 0; w < (first == cliff.right ? 1 : 2); w++) {
            uint64_t low = spot[ways[w][0]].value, high = spot[ways[w][1]].value;
            if (are_close(low, high, ratio))
                continue;
            uint64_t middle = low + (high - low) / 2;
            bool tried = false; /* a value whose trials failed is not tried again */
            for (size_t i = ways[w][0]; i <= ways[w][1]; i++)
                tried = tried || spot[i].value == middle || spot[i].modes.count == 0;
            if (!tried)
                return middle;
        }
    }
    return 0;
}

size_t
bisect_cliffs(const struct spot *spot, size_t count, struct cliff_place *cliff, size_t room)
{
    size_t found = 0, from = 0;

    while (found < room && next_cliff(spot, count, from, &cliff[found]))
        from = cliff[found++].right;
    return found;
}

size_t
bisect_bistable(const struct spot *spot, size_t count, struct bistable_place *range, size_t room)
{
    size_t found = 0;
    bool inside = false;

    for (size_t i = skip_empty(spot, count, 0); i < count; i = skip_empty(spot, count, i + 1)) {
        bool bistable = spot[i].modes.count == 2;
        if (bistable && inside)
            range[found - 1].last = i;
        else if (bistable && found < room)
            range[found++] = (struct bistable_place){i, i};
        inside = bistable && found > 0 && range[found - 1].last == i;
    }
    return found;
}
