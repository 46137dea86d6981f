/*
 * run.h: tries entries, each attempt in a process of its own, and puts the attempts together to a verdict.
 *
 * Entries that wait run side by side, the others one after the other. An attempt that hangs is ended when its time is
 * up. Attempts that disagree are told, and never averaged: the verdict is then "holds only if" chance has it so. An
 * attempt that could not be made, or whose control failed, makes the entry "not tried".
 */
#ifndef TINYGRAM_LAB_RUN_H
#define TINYGRAM_LAB_RUN_H

#include <stdbool.h>
#include <stddef.h>

#include "lab/case.h"

struct lab_options {
    unsigned repeats; /* attempts at each entry; 0: each entry's own number */
    bool thorough;
    bool twist;
    bool progress; /* say on standard error, a terminal, how many attempts are to go */
};

/* What was found out about one entry. */
struct lab_outcome {
    const struct lab_entry *entry;
    unsigned planned;                /* attempts */
    unsigned tally[LAB_VERDICTS];    /* attempts by verdict, of those that ended */
    unsigned again;                  /* attempts made again, because the machine was too busy */
    enum lab_verdict verdict;        /* of the entry */
    char condition[LAB_TEXT_BYTES];  /* with LAB_ONLY_IF */
    char reason[LAB_TEXT_BYTES];     /* with LAB_NOT_TRIED */
    char remedy[LAB_TEXT_BYTES];     /* with LAB_NOT_TRIED: what to do about it */
    const struct lab_record *record; /* what to show: the first attempt whose verdict is the entry's */
    struct lab_record *records;      /* all attempts, `planned` of them */
};

/* Tries chosen[count] and fills outcomes[count] in; free them with lab_free(). Ends early, in order, when a signal
 * comes. Returns 0, or -1 with an error. */
int lab_run(const struct lab_entry *const *chosen, size_t count, const struct lab_options *options,
            struct lab_outcome *outcomes);
void lab_free(struct lab_outcome *outcomes, size_t count);

#endif
