/* trial.c: see trial.h. */
#include "trial.h"

#include <string.h>

void
trial_fail(struct trial *trial)
{
    if (trial->status != STATUS_DONE)
        return;
    trial->status = err_status();
    memcpy(trial->error, err_text(), strnlen(err_text(), sizeof trial->error - 1) + 1);
}
