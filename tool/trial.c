/* trial.c: see trial.h. */
#include "trial.h"

#include <stdlib.h>
#include <string.h>

void
trial_fail(struct trial *trial)
{
    if (trial->status != STATUS_DONE)
        return;
    trial->status = err_status();
    memcpy(trial->error, err_text(), strnlen(err_text(), sizeof trial->error - 1) + 1);
}

void
end_free(struct end *end)
{
    event_log_free(&end->events);
    event_log_free(&end->samples);
    event_log_free(&end->exchanges);
    event_log_free(&end->replies);
    event_log_free(&end->planned);
    event_log_free(&end->stamps);
    free(end->durations);
    end->durations = NULL;
}
