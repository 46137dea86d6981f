/* limit.c: see limits.h. */
#include "limit.h"

#include <inttypes.h>
#include <math.h>

#include "clock.h"
#include "config.h"
#include "err.h"
#include "exchange.h"
#include "units.h"
#include "workload.h"

static int
unjudged(const char *limit)
{
    return err_set(STATUS_FAILED, "--%s cannot be judged: the trial recorded nothing that tells it; use --log on",
                   limit);
}

/* Who is to blame, in words: the mechanism that stalled most, or nobody in particular. */
static const char *
blame(const struct result *result)
{
    return result->stalls.count != MISSING && result->stalls.count > 0 ? stall_words(stalls_chief(&result->stalls))
                                                                       : "no exchange or chunk sat on a kernel timer";
}

/* Percentiles leave the first exchanges out, so few exchanges have none. */
static int
check_time(const char *limit, uint64_t most_ns, uint64_t found_ns, const struct trial *trial,
           const struct result *result)
{
    char text[2][UNITS_TEXT_BYTES];

    if (most_ns == MISSING)
        return 0;
    if (found_ns == MISSING && trial->config->workload == WORKLOAD_EXCHANGE && result->messages <= EXCHANGES_APART)
        return err_set(STATUS_FAILED,
                       "--%s cannot be judged: there were %" PRIu64 " exchanges, and the first %d are reported apart; "
                       "ask for more with --count or --duration",
                       limit, result->messages, EXCHANGES_APART);
    if (found_ns == MISSING)
        return unjudged(limit);
    if (found_ns <= most_ns)
        return 0;
    return err_set(STATUS_LIMIT, "--%s %s was passed: %s (%s)", limit, units_format_time(text[0], most_ns),
                   units_format_time(text[1], found_ns), blame(result));
}

static int
check_stalls(const struct limits *limits, const struct result *result)
{
    if (limits->max_stalls == MISSING)
        return 0;
    if (result->stalls.count == MISSING)
        return unjudged("max-stalls");
    if (result->stalls.count <= limits->max_stalls)
        return 0;
    return err_set(STATUS_LIMIT, "--max-stalls %" PRIu64 " was passed: %" PRIu64 " stalls, most of them %s",
                   limits->max_stalls, result->stalls.count, blame(result));
}

static int
check_goodput(const struct limits *limits, const struct result *result)
{
    char text[2][UNITS_TEXT_BYTES];

    if (limits->min_goodput == MISSING)
        return 0;
    if (!isfinite(result->whole.goodput))
        return unjudged("min-goodput");
    if (result->whole.goodput >= (double)limits->min_goodput)
        return 0;
    return err_set(STATUS_LIMIT, "--min-goodput %s was not reached: %s (%s)",
                   units_format_rate(text[0], (double)limits->min_goodput),
                   units_format_rate(text[1], result->whole.goodput), blame(result));
}

static int
check_segments(const struct limits *limits, const struct result *result)
{
    if (limits->max_segments_per_message <= 0)
        return 0;
    if (!isfinite(result->segments_per_message))
        return unjudged("max-segments-per-message");
    if (result->segments_per_message <= limits->max_segments_per_message)
        return 0;
    return err_set(
        STATUS_LIMIT,
        "--max-segments-per-message %g was passed: %.3f (%" PRIu64 " data segments for %" PRIu64 " messages)",
        limits->max_segments_per_message, result->segments_per_message, result->data_segments, result->messages);
}

int
limits_check(const struct trial *trial, const struct result *result)
{
    const struct limits *limits = &trial->config->limits;

    if (check_stalls(limits, result) != 0 ||
        check_time("max-p50", limits->max_p50_ns, result->latency.p50, trial, result) != 0 ||
        check_time("max-p99", limits->max_p99_ns, result->latency.p99, trial, result) != 0 ||
        check_goodput(limits, result) != 0 || check_segments(limits, result) != 0)
        return -1;
    return 0;
}
