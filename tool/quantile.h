/*
 * quantile.h: what a percentile means here, and the summary of a set of durations.
 *
 * Nearest rank: the q-quantile of n values is the ceil(q n)-th smallest (the first for q = 0). No interpolation:
 * every percentile is a duration that occurred. Source: Hyndman and Fan (1996), definition 1.
 */
#ifndef TINYGRAM_QUANTILE_H
#define TINYGRAM_QUANTILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Most points of a percentile curve. */
#define QUANTILE_CURVE_MAX 192

/* A summary of durations in ns. count = 0 means that there were none, and all else is MISSING. */
struct quantiles {
    uint64_t count;
    uint64_t min;
    double mean;
    double deviation; /* standard deviation; NaN from a histogram of too few values */
    uint64_t p50;
    uint64_t p90;
    uint64_t p99;
    uint64_t p999;
    uint64_t max;
    bool exact; /* false: from a histogram, within 0.4 % */
    size_t curve_points;
    struct quantile_point {
        double quantile;
        uint64_t value_ns;
    } curve[QUANTILE_CURVE_MAX]; /* denser towards 1: five points each time the rest halves */
};

/* The 1-based rank of `quantile` among `count` > 0 values. */
uint64_t quantile_rank(double quantile, uint64_t count);

/* Summarises `values[count]`: exact up to QUANTILE_EXACT_MAX values, which are sorted in place; from a
 * histogram beyond. */
#define QUANTILE_EXACT_MAX ((size_t)1 << 20)
void quantiles_of(uint64_t *values, size_t count, struct quantiles *result);

struct histogram;

/* Summarises a histogram. */
void quantiles_of_histogram(const struct histogram *histogram, struct quantiles *result);

#endif
