/* quantile_test.c: nearest rank, the summary, the curve, and the change to the histogram where values are many. */
#include "quantile.h"

#include <math.h>

#include "check.h"
#include "clock.h"

static struct quantiles summary;

static void
nearest_rank(void)
{
    CHECK_NUMBER(quantile_rank(0.0, 10), 1);
    CHECK_NUMBER(quantile_rank(0.05, 10), 1);
    CHECK_NUMBER(quantile_rank(0.1, 10), 1);
    CHECK_NUMBER(quantile_rank(0.11, 10), 2);
    CHECK_NUMBER(quantile_rank(0.5, 10), 5);
    CHECK_NUMBER(quantile_rank(0.5, 11), 6);
    CHECK_NUMBER(quantile_rank(0.99, 100), 99);
    CHECK_NUMBER(quantile_rank(0.999, 100), 100);
    CHECK_NUMBER(quantile_rank(1.0, 1), 1);
    /* q n is an integer for all of these, and its product in floating point is often just above it */
    for (uint64_t k = 1; k <= 1000; k++)
        CHECK_NUMBER(quantile_rank((double)k / 1000.0, 1000), k);
}

static void
of_a_few(void)
{
    uint64_t values[] = {50, 10, 40, 30, 20};

    quantiles_of(values, 5, &summary);
    CHECK_NUMBER(summary.count, 5);
    CHECK_NUMBER(summary.min, 10);
    CHECK(fabs(summary.mean - 30.0) < 1e-9);
    CHECK_NUMBER(summary.p50, 30);
    CHECK_NUMBER(summary.p90, 50);
    CHECK_NUMBER(summary.p99, 50);
    CHECK_NUMBER(summary.p999, 50);
    CHECK_NUMBER(summary.max, 50);
    CHECK(summary.exact);

    uint64_t one[] = {7};
    quantiles_of(one, 1, &summary);
    CHECK_NUMBER(summary.min, 7);
    CHECK_NUMBER(summary.p50, 7);
    CHECK_NUMBER(summary.max, 7);

    quantiles_of(NULL, 0, &summary);
    CHECK_NUMBER(summary.count, 0);
    CHECK_NUMBER(summary.p50, MISSING);
    CHECK_NUMBER(summary.max, MISSING);
    CHECK_NUMBER(summary.curve_points, 0);
}

/* The curve of 1 ... count: begins at the least, ends at the largest, rises, and every point is its own quantile. */
static void
check_curve(uint64_t count, double tolerance)
{
    uint64_t *values = calloc(count, sizeof *values);

    REQUIRE(values != NULL);
    for (uint64_t i = 0; i < count; i++)
        values[i] = (i * 7919) % count + 1; /* 1 ... count, shuffled: 7919 is prime and no factor of the counts below */
    quantiles_of(values, count, &summary);
    REQUIRE(summary.curve_points >= 2 && summary.curve_points <= QUANTILE_CURVE_MAX);
    CHECK(fabs(summary.curve[0].quantile) < 1e-12);
    CHECK_NUMBER(summary.curve[0].value_ns, 1);
    CHECK(fabs(summary.curve[summary.curve_points - 1].quantile - 1.0) < 1e-12);
    CHECK_NUMBER(summary.curve[summary.curve_points - 1].value_ns, count);
    for (size_t i = 1; i < summary.curve_points; i++) {
        const struct quantile_point *point = &summary.curve[i];
        CHECK(point->quantile > point[-1].quantile);
        CHECK(point->value_ns >= point[-1].value_ns);
        double exact = ceil(point->quantile * (double)count - 1e-6);
        CHECK(fabs((double)point->value_ns - exact) <= tolerance * exact);
    }
    /* Denser towards 1: the last point before it is closer than two values' share. */
    CHECK(1.0 - summary.curve[summary.curve_points - 2].quantile < 2.0 / (double)count);
    free(values);
}

static void
curves(void)
{
    check_curve(2, 0);
    check_curve(10, 0);
    check_curve(1000, 0);
    check_curve(100000, 0);
    CHECK(summary.exact);
    check_curve(QUANTILE_EXACT_MAX, 0);
    CHECK(summary.exact);
    check_curve(QUANTILE_EXACT_MAX + 1, 0.004);
    CHECK(!summary.exact);
    CHECK(fabs(summary.mean - ((double)QUANTILE_EXACT_MAX + 2) / 2) < 1.0); /* the sum is exact all the same */
}

int
main(void)
{
    nearest_rank();
    of_a_few();
    curves();
    return check_end();
}
