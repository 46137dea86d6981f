/* workload.c: see workload.h. */
#include "workload.h"

const struct workload *
workload_of(enum workload_kind kind)
{
    static const struct workload *const table[WORKLOAD_COUNT] = {
        [WORKLOAD_TRANSFER] = &workload_transfer,
        [WORKLOAD_EXCHANGE] = &workload_exchange,
        [WORKLOAD_STREAM] = &workload_stream,
    };
    return table[kind];
}
