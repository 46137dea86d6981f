/* histogram_test.c: quantiles of the histogram lie within 1 % of the exact ones, over the whole range of uint64_t. */
#include "histogram.h"

#include <math.h>

#include "check.h"
#include "clock.h"
#include "quantile.h"

#define VALUES 20000

static struct histogram histogram;
static uint64_t values[VALUES];

static int
compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static uint64_t
next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* The quantiles of `values`, by the histogram and by sorting. */
static void
compare_quantiles(const char *name)
{
    histogram_clear(&histogram);
    for (size_t i = 0; i < VALUES; i++)
        histogram_add(&histogram, values[i]);
    qsort(values, VALUES, sizeof values[0], compare);
    CHECK_NUMBER(histogram.count, VALUES);
    for (int step = 0; step <= 1000; step++) {
        double quantile = step / 1000.0;
        uint64_t exact = values[quantile_rank(quantile, VALUES) - 1];
        uint64_t found = histogram_quantile(&histogram, quantile);
        if (!CHECK(fabs((double)found - (double)exact) <= 0.004 * (double)exact))
            fprintf(stderr, "%s: quantile %.3f is %" PRIu64 ", exact %" PRIu64 "\n", name, quantile, found, exact);
    }
    CHECK_NUMBER(histogram_quantile(&histogram, 0.0), values[0]);
    CHECK_NUMBER(histogram_quantile(&histogram, 1.0), values[VALUES - 1]);
}

static void
is_near_on_every_scale(void)
{
    uint64_t state = 42;

    for (unsigned bits = 4; bits <= 63; bits += 7) {
        for (size_t i = 0; i < VALUES; i++)
            values[i] = next_random(&state) >> (64 - bits);
        compare_quantiles("uniform");
    }
    for (size_t i = 0; i < VALUES; i++) /* latencies: many short, few long */
        values[i] = (uint64_t)(1000.0 * exp((double)(next_random(&state) >> 11) / 9007199254740992.0 * 18.0));
    compare_quantiles("exponential");
}

static void
small_values_are_exact(void)
{
    for (uint64_t value = 0; value < HISTOGRAM_LINEAR; value++) {
        histogram_clear(&histogram);
        histogram_add(&histogram, value);
        histogram_add(&histogram, value);
        histogram_add(&histogram, UINT64_MAX - 1);
        CHECK_NUMBER(histogram_quantile(&histogram, 0.5), value);
    }
}

static void
edges(void)
{
    histogram_clear(&histogram);
    CHECK_NUMBER(histogram_quantile(&histogram, 0.5), MISSING);
    histogram_add(&histogram, UINT64_MAX);
    CHECK_NUMBER(histogram_quantile(&histogram, 0.5), UINT64_MAX);
    histogram_add(&histogram, 0);
    CHECK_NUMBER(histogram_quantile(&histogram, 0.0), 0);
    CHECK_NUMBER(histogram_quantile(&histogram, 0.5), 0);
    CHECK_NUMBER(histogram_quantile(&histogram, 0.51), UINT64_MAX);
    /* Every power of two and its neighbours fall into a bucket of at most 1 % width. */
    for (unsigned bit = 8; bit < 64; bit++) {
        for (uint64_t value = (UINT64_C(1) << bit) - 1; value <= (UINT64_C(1) << bit) + 1; value++) {
            histogram_clear(&histogram);
            histogram_add(&histogram, 0);
            histogram_add(&histogram, value);
            histogram_add(&histogram, UINT64_MAX);
            double found = (double)histogram_quantile(&histogram, 0.6);
            CHECK(fabs(found - (double)value) <= 0.01 * (double)value);
        }
    }
}

int
main(void)
{
    is_near_on_every_scale();
    small_values_are_exact();
    edges();
    return check_end();
}
