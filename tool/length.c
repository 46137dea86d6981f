/* length.c: see length.h. */
#include "length.h"

#include "clock.h"
#include "workload.h"

/* How long a trial of a transfer lasts, unless --duration says it; and one of exchanges at most. */
#define TRIAL_NS (60 * NS_PER_MS)
#define EXCHANGES_NS (1500 * NS_PER_MS)
#define EXCHANGES 1000

/* The first probe, what each next one sends more, and the largest. */
#define PROBE_BYTES (UINT64_C(16) << 10)
#define PROBE_STEP 4
#define PROBE_BYTES_MAX (UINT64_C(1) << 20)

/* A trial is slow when emptying full buffers at its speed would take DRAIN_NS or longer. One shorter than LEAST_NS has
 * not shown its speed. */
#define BUFFERS_BYTES (6 << 20)
#define DRAIN_NS (500 * NS_PER_MS)
#define LEAST_NS (20 * NS_PER_MS)

/* How long a slow trial should take. */
#define SLOW_NS (200 * NS_PER_MS)

/* What a trial may take beyond its own length. */
#define GRACE_NS (5 * NS_PER_S)

struct length
length_begin(const struct config *config)
{
    struct length length = {
        .bytes = MISSING, .duration_ns = config->duration_ns, .most_bytes = MISSING, .settled = true};

    if (config->workload == WORKLOAD_EXCHANGE && config->duration_ns == MISSING)
        length.duration_ns = EXCHANGES_NS;
    if (config->workload != WORKLOAD_TRANSFER)
        return length;
    if (config->duration_ns == MISSING)
        length.duration_ns = TRIAL_NS;
    if (config->file != NULL) /* a part of a file cannot be asked for */
        return length;
    length.most_bytes = config->bytes < PROBE_BYTES_MAX ? config->bytes : PROBE_BYTES_MAX;
    length.bytes = length.most_bytes < PROBE_BYTES ? length.most_bytes : PROBE_BYTES;
    length.settled = false;
    return length;
}

void
length_apply(const struct length *length, struct config *config)
{
    if (config->workload == WORKLOAD_EXCHANGE && config->pacing.count == MISSING)
        config->pacing.count = EXCHANGES;
    config->duration_ns = length->bytes == MISSING ? length->duration_ns : MISSING;
    if (length->bytes != MISSING)
        config->bytes = length->bytes;
}

void
length_learn(struct length *length, uint64_t bytes, uint64_t elapsed_ns)
{
    if (length->most_bytes == MISSING || bytes == MISSING || elapsed_ns == MISSING || bytes == 0 || elapsed_ns == 0)
        return;
    bool slow = elapsed_ns >= LEAST_NS && (double)bytes / (double)elapsed_ns < (double)BUFFERS_BYTES / (double)DRAIN_NS;
    if (length->settled && length->bytes == MISSING) { /* in time, as it should be, unless the buffers took too long */
        if (elapsed_ns > 4 * length->duration_ns + SLOW_NS)
            length->bytes = (uint64_t)((double)bytes * (double)SLOW_NS / (double)elapsed_ns) + 1;
        return;
    }
    if (length->settled)
        return;
    if (slow) {
        double longer = (double)SLOW_NS / (double)elapsed_ns;
        longer = longer < 1 ? 1 : longer > PROBE_STEP ? PROBE_STEP : longer;
        length->bytes = (uint64_t)((double)bytes * longer);
        length->settled = true;
    } else if (length->bytes >= length->most_bytes) {
        length->bytes = MISSING;
        length->settled = true;
    } else {
        uint64_t next = length->bytes * PROBE_STEP;
        length->bytes = next < length->most_bytes ? next : length->most_bytes;
    }
}

bool
length_shorten(struct length *length)
{
    if (length->most_bytes == MISSING || length->bytes <= PROBE_BYTES)
        return false;
    length->bytes = length->bytes == MISSING ? length->most_bytes : length->bytes / 2;
    length->settled = true;
    return true;
}

uint64_t
length_limit_ns(const struct config *config)
{
    struct length length = length_begin(config);
    uint64_t planned_ns = length.duration_ns != MISSING ? length.duration_ns : 0;

    if (config->workload == WORKLOAD_STREAM && config->pacing.count != MISSING && config->pacing.rate > 0) {
        double scheduled_ns = (double)config->pacing.count / config->pacing.rate * 1e9;
        planned_ns = scheduled_ns < (double)TIMEOUT_MAX_NS ? (uint64_t)scheduled_ns : TIMEOUT_MAX_NS;
    }
    return clock_earlier_ns(config->timeout_ns, planned_ns + GRACE_NS);
}
