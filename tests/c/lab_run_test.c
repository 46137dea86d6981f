/* lab_run_test.c: attempts that hang, crash, disagree or cannot be made, and what becomes of them. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "lab/kit.h"
#include "lab/run.h"
#include "shared.h"

static volatile int *shared;  /* counts attempts across their processes */
static unsigned limit_s = 30; /* of an attempt */

/* Decides beside a control that turned out as it must. */
static void
decide(struct lab_case *lab, enum lab_verdict verdict)
{
    lab_control(lab, true, "one thing", "another outcome");
    lab_decide(lab, verdict, "seen");
}

static void
uncontrolled(struct lab_case *lab)
{
    lab_decide(lab, LAB_HOLDS, "seen");
}

static void
holds(struct lab_case *lab)
{
    decide(lab, lab->twist ? LAB_FAILS : LAB_HOLDS);
}

static void
hangs(struct lab_case *lab)
{
    lab_step(lab, "before it hangs");
    if (fork() == 0) /* its own child, which must go with it */
        shared[1] = (int)getpid();
    for (;;)
        pause();
}

static void
crashes(struct lab_case *lab)
{
    lab_step(lab, "before it crashes");
    raise(SIGKILL);
}

static void
says_nothing(struct lab_case *lab)
{
    (void)lab;
}

static void
gives_up(struct lab_case *lab)
{
    lab_give_up(lab, "there is no %s", "moon");
}

static void
disagrees(struct lab_case *lab)
{
    decide(lab, __sync_fetch_and_add(&shared[0], 1) % 2 == 0 ? LAB_HOLDS : LAB_FAILS);
}

static void
busy_at_first(struct lab_case *lab)
{
    if (__sync_fetch_and_add(&shared[0], 1) < 3)
        lab_undisturbed(lab, clock_now_ns() - NS_PER_S, 10);
    decide(lab, LAB_HOLDS);
}

static void
always_busy(struct lab_case *lab)
{
    lab_undisturbed(lab, clock_now_ns() - NS_PER_S, 10);
    decide(lab, LAB_HOLDS);
}

static void
unsound(struct lab_case *lab)
{
    lab_control(lab, false, "nothing", "the same");
    lab_decide(lab, LAB_HOLDS, "seen");
}

static void
waits(struct lab_case *lab)
{
    usleep(500000);
    decide(lab, LAB_HOLDS);
}

/* Tries one made-up entry. */
static struct lab_outcome
try(void (*run)(struct lab_case *lab), unsigned repeats, struct lab_options options)
{
    static struct lab_entry entry;
    const struct lab_entry *chosen = &entry;
    struct lab_outcome outcome;

    entry =
        (struct lab_entry){.name = "made-up", .run = run, .repeats = repeats, .limit_s = limit_s, .flags = LAB_WAITS};
    shared[0] = 0;
    REQUIRE(lab_run(&chosen, 1, &options, &outcome) == 0);
    return outcome;
}

static void
check_outcome(struct lab_outcome outcome, enum lab_verdict verdict, const char *words)
{
    CHECK_TEXT(lab_verdict_name(outcome.verdict), lab_verdict_name(verdict));
    const char *said = outcome.verdict == LAB_NOT_TRIED ? outcome.reason : outcome.condition;
    if (!CHECK(strstr(said, words) != NULL))
        fprintf(stderr, "it said: %s\n", said);
    lab_free(&outcome, 1);
}

static void
test_verdicts(void)
{
    struct lab_options plain = {.repeats = 0};

    check_outcome(try(holds, 5, plain), LAB_HOLDS, "");
    check_outcome(try(holds, 5, (struct lab_options){.twist = true}), LAB_FAILS, "");
    check_outcome(try(gives_up, 2, plain), LAB_NOT_TRIED, "there is no moon");
    check_outcome(try(crashes, 2, plain), LAB_NOT_TRIED, "ended by signal 9");
    check_outcome(try(says_nothing, 2, plain), LAB_NOT_TRIED, "without a verdict");
    check_outcome(try(disagrees, 6, plain), LAB_ONLY_IF, "of 6 attempts it held in 3, did not in 3");
    check_outcome(try(busy_at_first, 1, plain), LAB_HOLDS, "");
    check_outcome(try(always_busy, 1, plain), LAB_NOT_TRIED, "too busy");
    check_outcome(try(unsound, 1, plain), LAB_NOT_TRIED, "the control did not turn out");
    check_outcome(try(uncontrolled, 1, plain), LAB_NOT_TRIED, "no control was made");
}

static void
test_the_number_of_attempts(void)
{
    struct lab_outcome outcome = try(holds, 5, (struct lab_options){.repeats = 3});
    CHECK_NUMBER(outcome.planned, 3);
    CHECK_NUMBER(outcome.tally[LAB_HOLDS], 3);
    lab_free(&outcome, 1);
}

static void
test_what_hangs_is_ended_with_its_children(void)
{
    limit_s = 1;
    struct lab_outcome outcome = try(hangs, 1, (struct lab_options){.repeats = 1});
    limit_s = 30;

    CHECK_TEXT(outcome.records[0].steps[0], "before it hangs");
    check_outcome(outcome, LAB_NOT_TRIED, "hung");
    pid_t child = shared[1];
    CHECK(child > 0);
    LAB_WAIT(lab_process_state(child) == 0 || lab_process_state(child) == 'Z', 5 * NS_PER_S);
    CHECK(lab_process_state(child) == 0 || lab_process_state(child) == 'Z');
}

/* Twenty attempts of 0.5 s that wait take far less than ten seconds. */
static void
test_what_waits_runs_side_by_side(void)
{
    uint64_t since_ns = clock_now_ns();
    struct lab_outcome outcome = try(waits, 20, (struct lab_options){.repeats = 20});
    CHECK(clock_now_ns() - since_ns < 8 * NS_PER_S);
    check_outcome(outcome, LAB_HOLDS, "");
}

int
main(void)
{
    shared = shared_new(2 * sizeof *shared);
    REQUIRE(shared != NULL);
    test_verdicts();
    test_the_number_of_attempts();
    test_what_hangs_is_ended_with_its_children();
    test_what_waits_runs_side_by_side();
    shared_free((void *)shared, 2 * sizeof *shared);
    return check_end();
}
