/* quantile.c: see quantile.h. */
#include "quantile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "histogram.h"

/* Points of the curve each time the distance to 1 halves. */
#define POINTS_PER_HALVING 5

uint64_t
quantile_rank(double quantile, uint64_t count)
{
    /* The product is rounded to a value just above the integer it stands for (0.07 x 100): step back. */
    double exact = quantile * (double)count;
    uint64_t rank = (uint64_t)exact;
    if (exact - (double)rank > 1e-9 * exact)
        rank++;
    if (rank < 1)
        rank = 1;
    return rank > count ? count : rank;
}

/* What a summary is made of: the value at a quantile. */
struct distribution {
    const uint64_t *sorted; /* or NULL: the histogram */
    const struct histogram *histogram;
    uint64_t count;
};

static uint64_t
value_at(const struct distribution *from, double quantile)
{
    if (from->sorted == NULL)
        return histogram_quantile(from->histogram, quantile);
    return from->sorted[quantile_rank(quantile, from->count) - 1];
}

static void
draw_curve(const struct distribution *from, struct quantiles *result)
{
    double rest = 1.0;
    size_t points = 0;

    while (points + POINTS_PER_HALVING + 1 < QUANTILE_CURVE_MAX && rest * (double)from->count >= 1.0) {
        for (int step = 0; step < POINTS_PER_HALVING; step++) {
            double quantile = 1.0 - rest + rest / 2 * step / POINTS_PER_HALVING;
            result->curve[points++] = (struct quantile_point){quantile, value_at(from, quantile)};
        }
        rest /= 2;
    }
    result->curve[points++] = (struct quantile_point){1.0, value_at(from, 1.0)};
    result->curve_points = points;
}

/* Sums over all values, from which mean and standard deviation follow. */
struct sums {
    double values;
    double squares;
};

static void
summarise(const struct distribution *from, struct sums sums, struct quantiles *result)
{
    *result = (struct quantiles){.count = from->count, .exact = from->sorted != NULL};
    if (from->count == 0) {
        result->min = result->p50 = result->p90 = result->p99 = result->p999 = result->max = MISSING;
        return;
    }
    result->min = value_at(from, 0.0);
    result->mean = sums.values / (double)from->count;
    double variance = sums.squares / (double)from->count - result->mean * result->mean;
    result->deviation = variance > 0 ? sqrt(variance) : 0.0;
    result->p50 = value_at(from, 0.5);
    result->p90 = value_at(from, 0.9);
    result->p99 = value_at(from, 0.99);
    result->p999 = value_at(from, 0.999);
    result->max = value_at(from, 1.0);
    draw_curve(from, result);
}

/* Sorts by the bytes of the values, least significant first: the time is linear and the same for every order.
 * Returns 0, or -1 when there is no memory for a second array. */
static int
sort(uint64_t *values, size_t count)
{
    uint64_t *from = values;
    uint64_t *spare = malloc(count * sizeof *spare);
    uint64_t all = 0; /* bytes in which no value differs from 0 need no pass */

    if (spare == NULL)
        return -1;
    for (size_t i = 0; i < count; i++)
        all |= values[i];
    uint64_t *to = spare;
    for (unsigned shift = 0; shift < 64 && all >> shift != 0; shift += 8) {
        size_t start[257] = {0};
        for (size_t i = 0; i < count; i++)
            start[(from[i] >> shift & 0xff) + 1]++;
        for (size_t digit = 0; digit < 256; digit++)
            start[digit + 1] += start[digit];
        for (size_t i = 0; i < count; i++)
            to[start[from[i] >> shift & 0xff]++] = from[i];
        uint64_t *last = from;
        from = to;
        to = last;
    }
    if (from != values)
        memcpy(values, from, count * sizeof *values);
    free(spare);
    return 0;
}

/* Summarises through a histogram: for values too many to be sorted. */
static void
summarise_many(const uint64_t *values, size_t count, struct quantiles *result)
{
    static struct histogram histogram; /* too large for a stack; only the reporting thread comes here */

    histogram_clear(&histogram);
    for (size_t i = 0; i < count; i++)
        histogram_add(&histogram, values[i]);
    quantiles_of_histogram(&histogram, result);
}

void
quantiles_of(uint64_t *values, size_t count, struct quantiles *result)
{
    struct sums sums = {0, 0};

    if (count > QUANTILE_EXACT_MAX || (count > 0 && sort(values, count) != 0)) {
        summarise_many(values, count, result);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        sums.values += (double)values[i];
        sums.squares += (double)values[i] * (double)values[i];
    }
    summarise(&(struct distribution){.sorted = values, .count = count}, sums, result);
}

void
quantiles_of_histogram(const struct histogram *histogram, struct quantiles *result)
{
    summarise(&(struct distribution){.histogram = histogram, .count = histogram->count},
              (struct sums){histogram->sum, histogram->squares}, result);
}
