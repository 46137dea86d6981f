/* histogram.c: see histogram.h. */
#include "histogram.h"

#include <string.h>

#include "clock.h"
#include "quantile.h"

/* log2 of HISTOGRAM_STEPS. */
#define STEP_BITS 7U

static uint32_t
bucket_of(uint64_t value)
{
    if (value < HISTOGRAM_LINEAR)
        return (uint32_t)value;
    uint32_t exponent = 63U - (uint32_t)__builtin_clzll(value); /* at least 8 */
    uint32_t shift = exponent - STEP_BITS;
    uint32_t step = (uint32_t)(value >> shift) - HISTOGRAM_STEPS;
    return HISTOGRAM_LINEAR + (exponent - 8U) * HISTOGRAM_STEPS + step;
}

/* The middle of `bucket`. */
static uint64_t
middle_of(uint32_t bucket)
{
    if (bucket < HISTOGRAM_LINEAR)
        return bucket;
    uint32_t exponent = (bucket - HISTOGRAM_LINEAR) / HISTOGRAM_STEPS + 8U;
    uint64_t step = (bucket - HISTOGRAM_LINEAR) % HISTOGRAM_STEPS;
    uint32_t shift = exponent - STEP_BITS;
    return ((HISTOGRAM_STEPS + step) << shift) + (UINT64_C(1) << shift) / 2;
}

void
histogram_clear(struct histogram *histogram)
{
    memset(histogram, 0, sizeof *histogram);
    histogram->smallest = UINT64_MAX;
}

void
histogram_add(struct histogram *histogram, uint64_t value_ns)
{
    histogram->bucket[bucket_of(value_ns)]++;
    histogram->count++;
    histogram->sum += (double)value_ns;
    histogram->squares += (double)value_ns * (double)value_ns;
    if (value_ns < histogram->smallest)
        histogram->smallest = value_ns;
    if (value_ns > histogram->largest)
        histogram->largest = value_ns;
}

uint64_t
histogram_quantile(const struct histogram *histogram, double quantile)
{
    if (histogram->count == 0)
        return MISSING;
    uint64_t rank = quantile_rank(quantile, histogram->count);
    if (rank == 1)
        return histogram->smallest;
    if (rank == histogram->count)
        return histogram->largest;
    uint64_t seen = 0;
    for (uint32_t bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        seen += histogram->bucket[bucket];
        if (seen < rank)
            continue;
        uint64_t value = middle_of(bucket);
        if (value < histogram->smallest)
            return histogram->smallest;
        return value > histogram->largest ? histogram->largest : value;
    }
    return histogram->largest;
}

void
histogram_merge(struct histogram *histogram, const struct histogram *other)
{
    if (other->count == 0)
        return;
    for (uint32_t bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++)
        histogram->bucket[bucket] += other->bucket[bucket];
    histogram->count += other->count;
    histogram->sum += other->sum;
    histogram->squares += other->squares;
    if (other->smallest < histogram->smallest)
        histogram->smallest = other->smallest;
    if (other->largest > histogram->largest)
        histogram->largest = other->largest;
}
