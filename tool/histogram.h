/*
 * histogram.h: a log-linear histogram of durations in fixed memory, for trials too long to keep every value.
 *
 * Values below 256 ns have a bucket each. Above, every power of two is cut into 128 equal buckets and a bucket
 * is reported by its middle: the relative error is at most 1/256 (0.4 %). The whole of uint64_t is covered in
 * 7,424 counters (58 KiB). The shape is HdrHistogram's; the code is our own.
 */
#ifndef TINYGRAM_HISTOGRAM_H
#define TINYGRAM_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_LINEAR 256U
#define HISTOGRAM_STEPS 128U
#define HISTOGRAM_BUCKETS (HISTOGRAM_LINEAR + (64U - 8U) * HISTOGRAM_STEPS)

struct histogram {
    uint64_t count;
    uint64_t smallest; /* exact */
    uint64_t largest;  /* exact */
    double sum;
    double squares;
    uint64_t bucket[HISTOGRAM_BUCKETS];
};

/* Empties `histogram`; also makes a new one usable. */
void histogram_clear(struct histogram *histogram);

/* Counts one duration. Never allocates. */
void histogram_add(struct histogram *histogram, uint64_t value_ns);

/* Adds all that `other` counted. */
void histogram_merge(struct histogram *histogram, const struct histogram *other);

/* The value at `quantile` (0 to 1) by nearest rank: the smallest value that at least quantile x count values do
 * not exceed. Exact at 0 and 1, else within 0.4 %. MISSING when nothing was counted. */
uint64_t histogram_quantile(const struct histogram *histogram, double quantile);

#endif
