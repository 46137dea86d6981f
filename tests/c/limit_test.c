/* limit_test.c: a limit that is kept says nothing; one that is passed names itself, the value and the mechanism; one
 * that cannot be judged is an error of its own. */
#include "limit.h"

#include <math.h>

#include "check.h"
#include "clock.h"
#include "config.h"
#include "workload.h"

static struct config config;
static struct result result;
static struct trial trial = {.config = &config};

static void
begin(void)
{
    config.limits =
        (struct limits){.max_stalls = MISSING, .max_p50_ns = MISSING, .max_p99_ns = MISSING, .min_goodput = MISSING};
    result = (struct result){.latency = {.count = 1, .p50 = 5 * NS_PER_MS, .p99 = 44 * NS_PER_MS},
                             .whole = {.goodput = 1e6},
                             .segments_per_message = 2.5,
                             .data_segments = 25,
                             .messages = 10,
                             .stalls = {.count = 3, .by_mechanism = {[STALL_NAGLE] = 2, [STALL_READER] = 1}}};
}

static void
is_kept(void)
{
    CHECK(limits_check(&trial, &result) == 0);
    CHECK(err_status() == STATUS_DONE);
}

static void
is_passed(const char *words)
{
    CHECK(limits_check(&trial, &result) == -1);
    CHECK_ERROR(STATUS_LIMIT, words);
}

static void
is_not_judged(const char *words)
{
    CHECK(limits_check(&trial, &result) == -1);
    CHECK_ERROR(STATUS_FAILED, words);
}

int
main(void)
{
    begin();
    is_kept(); /* there are none */
    config.limits.max_stalls = 3;
    is_kept();
    config.limits.max_stalls = 2;
    is_passed("--max-stalls 2 was passed: 3 stalls, most of them held by Nagle until a delayed ACK");
    config.limits.max_stalls = 0;
    result.stalls = (struct stalls){.count = MISSING};
    is_not_judged("--max-stalls cannot be judged");
    result.stalls = (struct stalls){.count = 0};
    is_kept();

    begin();
    config.limits.max_p50_ns = 5 * NS_PER_MS;
    config.limits.max_p99_ns = 44 * NS_PER_MS;
    is_kept();
    config.limits.max_p99_ns = 44 * NS_PER_MS - 1;
    is_passed("--max-p99 44.0 ms was passed: 44.0 ms (held by Nagle until a delayed ACK)");
    config.limits.max_p50_ns = NS_PER_MS;
    is_passed("--max-p50 1.00 ms was passed: 5.00 ms (held by Nagle");
    result.stalls = (struct stalls){.count = 0};
    is_passed("5.00 ms (no exchange or chunk sat on a kernel timer)");
    result.latency.p50 = MISSING;
    is_not_judged("--max-p50 cannot be judged");
    config.workload = WORKLOAD_EXCHANGE;
    result.messages = 16;
    is_not_judged("--max-p50 cannot be judged: there were 16 exchanges, and the first 16 are reported apart");
    result.messages = 17;
    is_not_judged("--max-p50 cannot be judged: the trial recorded nothing that tells it; use --log on");
    config.workload = WORKLOAD_TRANSFER;

    begin();
    config.limits.min_goodput = 1000000;
    is_kept();
    config.limits.min_goodput = 1000001;
    is_passed("--min-goodput 1.00 MB/s was not reached: 1.00 MB/s (held by");
    result.whole.goodput = (double)NAN;
    is_not_judged("--min-goodput cannot be judged");

    begin();
    config.limits.max_segments_per_message = 2.5;
    is_kept();
    config.limits.max_segments_per_message = 2.25;
    is_passed("--max-segments-per-message 2.25 was passed: 2.500 (25 data segments for 10 messages)");
    result.segments_per_message = (double)NAN;
    is_not_judged("--max-segments-per-message cannot be judged");
    return check_end();
}
