/* cpu_test.c: placement is parsed, chosen from the CPUs we may use, and proved; what a thread used is counted. */
#define _GNU_SOURCE
#include "cpu.h"

#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"

static void
parses(void)
{
    static const char *const bad[] = {"",     "nowhere", "0",      "0,",     ",0",   "0,1,2",
                                      "-1,0", "0,x",     "1024,0", "0,1024", "0 ,1", "00000000000000000,0"};
    struct cpus cpus;

    CHECK(cpus_parse("free", &cpus) == 0 && cpus.placement == PLACEMENT_FREE && cpus.sender == CPU_ANY);
    CHECK(cpus_parse("same", &cpus) == 0 && cpus.placement == PLACEMENT_SAME);
    CHECK(cpus_parse("split", &cpus) == 0 && cpus.placement == PLACEMENT_SPLIT);
    CHECK(cpus_parse("3,0", &cpus) == 0 && cpus.placement == PLACEMENT_GIVEN && cpus.sender == 3 && cpus.receiver == 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK(cpus_parse(bad[i], &cpus) == -1);
        CHECK(err_status() == STATUS_USAGE && err_text()[0] != '\0');
        err_clear();
    }
}

static void
chooses_from_what_it_may_use(void)
{
    struct cpus cpus = {.placement = PLACEMENT_SAME};
    cpu_set_t allowed, only;

    REQUIRE(sched_getaffinity(0, sizeof allowed, &allowed) == 0);
    REQUIRE(cpus_choose(&cpus) == 0);
    CHECK(cpus.sender == cpus.receiver && CPU_ISSET((size_t)cpus.sender, &allowed));
    cpus = (struct cpus){.placement = PLACEMENT_SPLIT};
    if (CPU_COUNT(&allowed) > 1) {
        REQUIRE(cpus_choose(&cpus) == 0);
        CHECK(cpus.sender != cpus.receiver && CPU_ISSET((size_t)cpus.sender, &allowed) &&
              CPU_ISSET((size_t)cpus.receiver, &allowed));
    }
    cpus = (struct cpus){.placement = PLACEMENT_GIVEN, .sender = 5, .receiver = 6};
    CHECK(cpus_choose(&cpus) == 0 && cpus.sender == 5 && cpus.receiver == 6);

    /* With a single CPU there is no other to split to. */
    size_t last = CPU_SETSIZE - 1;
    while (!CPU_ISSET(last, &allowed))
        last--;
    CPU_ZERO(&only);
    CPU_SET(last, &only);
    REQUIRE(sched_setaffinity(0, sizeof only, &only) == 0);
    cpus = (struct cpus){.placement = PLACEMENT_SAME};
    CHECK(cpus_choose(&cpus) == 0 && cpus.sender == (int)last && cpus.receiver == (int)last);
    cpus = (struct cpus){.placement = PLACEMENT_SPLIT};
    CHECK(cpus_choose(&cpus) == -1);
    CHECK_ERROR(STATUS_REFUSED, "--cpus same");
    REQUIRE(sched_setaffinity(0, sizeof allowed, &allowed) == 0);
}

static void
pins_and_proves(void)
{
    cpu_set_t before, found;

    REQUIRE(sched_getaffinity(0, sizeof before, &before) == 0);
    size_t first = 0;
    while (!CPU_ISSET(first, &before))
        first++;
    CHECK(cpu_pin(CPU_ANY, "sender") == 0);
    REQUIRE(sched_getaffinity(0, sizeof found, &found) == 0);
    CHECK(CPU_EQUAL(&before, &found));
    CHECK(cpu_pin((int)first, "sender") == 0);
    REQUIRE(sched_getaffinity(0, sizeof found, &found) == 0);
    CHECK(CPU_COUNT(&found) == 1 && CPU_ISSET(first, &found));
    CHECK_NUMBER(sched_getcpu(), first);
    CHECK(cpu_pin(CPU_SETSIZE - 1, "receiver") == -1); /* no machine of ours has so many */
    CHECK(strstr(err_text(), "receiver: ") != NULL);
    CHECK_ERROR(STATUS_REFUSED, "choose another with --cpus");
    CHECK(cpu_pin(65535, "receiver") == -1); /* beyond the set: refused, and nothing is written there */
    CHECK_ERROR(STATUS_REFUSED, "65535");
    REQUIRE(sched_setaffinity(0, sizeof before, &before) == 0);
}

static void
counts_what_was_used(void)
{
    struct usage before, after;
    volatile uint64_t work = 0;

    usage_before(&before);
    while (clock_now_ns() - before.at_ns < 30 * NS_PER_MS)
        work = work + 1;
    usage_after(&after);
    struct usage used = usage_between(&before, &after);
    CHECK(used.at_ns >= 30 * NS_PER_MS);
    CHECK(used.cpu_ns > 0 && used.cpu_ns <= used.at_ns + NS_PER_MS);
    /* Where the kernel tells the time in the queue for a CPU, the two account for all of a loop that never sleeps. */
    if (used.run_queue_ns != MISSING)
        CHECK(used.cpu_ns + used.run_queue_ns >= used.at_ns / 2);

    usage_before(&before);
    for (int i = 0; i < 10; i++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    usage_after(&after);
    used = usage_between(&before, &after);
    CHECK(used.at_ns >= 10 * NS_PER_MS);
    CHECK(used.cpu_ns < used.at_ns / 2);
    CHECK(used.switches >= 10 && used.switches != MISSING);
}

static void
missing_stays_missing(void)
{
    struct usage known = {1, 1, 1, 1}, unknown = {2, MISSING, MISSING, 2};
    struct usage used = usage_between(&known, &unknown);

    CHECK_NUMBER(used.at_ns, 1);
    CHECK_NUMBER(used.cpu_ns, MISSING);
    CHECK_NUMBER(used.run_queue_ns, MISSING);
    used = usage_between(&unknown, &known); /* a clock that went back */
    CHECK_NUMBER(used.switches, MISSING);
}

int
main(void)
{
    parses();
    chooses_from_what_it_may_use();
    pins_and_proves();
    counts_what_was_used();
    missing_stays_missing();
    return check_end();
}
