/* limit.h: --max-stalls, --max-p50, ...: limits for CI that need no baseline. */
#ifndef TINYGRAM_LIMIT_H
#define TINYGRAM_LIMIT_H

#include "result.h"
#include "trial.h"

/* Holds the result against the limits of the command line. Returns 0 when all are kept, or -1 with STATUS_LIMIT and a
 * sentence that names the limit, the value and the mechanism; STATUS_FAILED when a limit cannot be judged. */
int limits_check(const struct trial *trial, const struct result *result);

#endif
