/* pace_test.c: schedules are what they are called, the same for the same seed, and never drift; waiting never ends
 * before its moment. */
#include "pace.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>

#include "check.h"
#include "clock.h"
#include "interrupt.h"

#define MANY 200000

static double
difference(double a, double b)
{
    return fabs(a - b) / b;
}

/* The generator's published first outputs for state 1234567. */
static void
random_numbers_are_splitmix(void)
{
    static const uint64_t known[] = {UINT64_C(6457827717110365317), UINT64_C(3203168211198807973),
                                     UINT64_C(9817491932198370423), UINT64_C(4593380528125082431),
                                     UINT64_C(16408922859458223821)};
    struct random random = {.state = 1234567};
    double sum = 0, least = 1, most = 0;

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        CHECK_NUMBER(random_next(&random), known[i]);
    for (int i = 0; i < MANY; i++) {
        double unit = random_unit(&random);
        sum += unit;
        least = fmin(least, unit);
        most = fmax(most, unit);
    }
    CHECK(least >= 0 && most < 1 && least < 0.001 && most > 0.999);
    CHECK(difference(sum / MANY, 0.5) < 0.01);
}

/* Messages a second for which 1e9 / rate is no whole number: after any count the moment is the exact one. */
static void
constant_does_not_drift(void)
{
    static const double rates[] = {1, 3, 7, 1000, 9999, 10000, 30000, 333333, 1e6};

    for (size_t r = 0; r < sizeof rates / sizeof rates[0]; r++) {
        struct schedule schedule = schedule_begin(SCHEDULE_CONSTANT, rates[r], 1, 1);
        uint64_t last_ns = 0;
        CHECK_NUMBER(schedule_next(&schedule), 0);
        for (uint64_t i = 1; i <= 1000000; i++) {
            uint64_t at_ns = schedule_next(&schedule);
            uint64_t exact_ns = i * NS_PER_S / (uint64_t)rates[r];
            if (at_ns + 1 < exact_ns || at_ns > exact_ns + 1 || at_ns <= last_ns) {
                CHECK_NUMBER(at_ns, exact_ns);
                break;
            }
            last_ns = at_ns;
        }
    }
}

static void
poisson_has_its_mean_and_spread(void)
{
    struct schedule schedule = schedule_begin(SCHEDULE_POISSON, 10000, 1, 7);
    uint64_t last_ns = schedule_next(&schedule);
    double sum = 0, squares = 0;
    int below = 0;

    CHECK_NUMBER(last_ns, 0);
    for (int i = 0; i < MANY; i++) {
        uint64_t at_ns = schedule_next(&schedule);
        REQUIRE(at_ns >= last_ns);
        double gap = (double)(at_ns - last_ns);
        sum += gap;
        squares += gap * gap;
        below += gap < 100000 * log(2.0);
        last_ns = at_ns;
    }
    double mean = sum / MANY;
    CHECK(difference(mean, 100000) < 0.01);                               /* standard error 0.22 % */
    CHECK(difference(sqrt(squares / MANY - mean * mean), 100000) < 0.02); /* exponential: the same as the mean */
    CHECK(difference(below, MANY / 2.0) < 0.01);                          /* half of them below ln 2 of the mean */
}

static void
the_seed_decides(void)
{
    struct schedule first = schedule_begin(SCHEDULE_POISSON, 1000, 1, 42);
    struct schedule again = schedule_begin(SCHEDULE_POISSON, 1000, 1, 42);
    struct schedule other = schedule_begin(SCHEDULE_POISSON, 1000, 1, 43);
    int same = 0;

    for (int i = 0; i < 1000; i++) {
        uint64_t at_ns = schedule_next(&first);
        CHECK_NUMBER(schedule_next(&again), at_ns);
        same += schedule_next(&other) == at_ns;
    }
    CHECK_NUMBER(same, 1); /* the first, which is 0 */
}

static void
bursts_keep_the_rate(void)
{
    struct schedule schedule = schedule_begin(SCHEDULE_BURST, 1000, 8, 1);

    for (uint64_t i = 0; i < 8000; i++)
        CHECK_NUMBER(schedule_next(&schedule), i / 8 * 8 * NS_PER_MS);
    schedule = schedule_begin(SCHEDULE_BURST, 1000, 1, 1); /* bursts of one are the constant schedule */
    for (uint64_t i = 0; i < 100; i++)
        CHECK_NUMBER(schedule_next(&schedule), i * NS_PER_MS);
}

static void
waits_until_the_moment(void)
{
    static const uint64_t waits_ns[] = {0, 1, 1000, 119000, 121000, 500000, 3000000};

    pace_prepare();
    for (int spin = 0; spin < 2; spin++) {
        for (size_t i = 0; i < sizeof waits_ns / sizeof waits_ns[0]; i++) {
            uint64_t at_ns = clock_now_ns() + waits_ns[i];
            pace_until(at_ns, spin == 1);
            CHECK(clock_now_ns() >= at_ns);
        }
        uint64_t began_ns = clock_now_ns();
        pace_until(began_ns - NS_PER_S, spin == 1); /* already over */
        pace_until(0, spin == 1);
        CHECK(clock_now_ns() - began_ns < NS_PER_S);
    }
}

static void *
interrupt_soon(void *process)
{
    pace_until(clock_now_ns() + 20 * NS_PER_MS, true);
    pthread_kill(*(pthread_t *)process, SIGINT);
    return NULL;
}

/* A signal ends the waiting, asleep or spinning: a trial does not outlive its interruption by a pause. */
static void
a_signal_ends_the_waiting(void)
{
    pthread_t self = pthread_self(), other;

    interrupt_install();
    uint64_t began_ns = clock_now_ns();
    REQUIRE(pthread_create(&other, NULL, interrupt_soon, &self) == 0);
    pace_until(began_ns + 60 * NS_PER_S, false);
    CHECK(clock_now_ns() - began_ns < 50 * NS_PER_S);
    CHECK(interrupt_seen());
    pace_until(clock_now_ns() + 60 * NS_PER_S, true); /* and so does every later one */
    CHECK(clock_now_ns() - began_ns < 50 * NS_PER_S);
    pthread_join(other, NULL);
}

int
main(void)
{
    random_numbers_are_splitmix();
    constant_does_not_drift();
    poisson_has_its_mean_and_spread();
    the_seed_decides();
    bursts_keep_the_rate();
    waits_until_the_moment();
    a_signal_ends_the_waiting();
    return check_end();
}
