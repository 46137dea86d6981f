/* cpu.c: see cpu.h. _GNU_SOURCE for CPU sets and RUSAGE_THREAD. */
#define _GNU_SOURCE
#include "cpu.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "clock.h"
#include "err.h"
#include "system.h"
#include "units.h"

int
cpus_parse(const char *text, struct cpus *cpus)
{
    static const struct {
        const char *name;
        enum placement placement;
    } names[] = {{"free", PLACEMENT_FREE}, {"same", PLACEMENT_SAME}, {"split", PLACEMENT_SPLIT}};

    *cpus = (struct cpus){.sender = CPU_ANY, .receiver = CPU_ANY};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(text, names[i].name) == 0) {
            cpus->placement = names[i].placement;
            return 0;
        }
    }

    const char *comma = strchr(text, ',');
    char first[16];
    uint64_t sender, receiver;
    if (comma == NULL || comma - text >= (long)sizeof first)
        return err_set(STATUS_USAGE, "'%.40s' is not same, split, free or two CPU numbers such as 0,1", text);
    memcpy(first, text, (size_t)(comma - text));
    first[comma - text] = '\0';
    if (units_parse_count(first, &sender) != 0 || units_parse_count(comma + 1, &receiver) != 0)
        return -1;
    if (sender >= CPU_SETSIZE || receiver >= CPU_SETSIZE)
        return err_set(STATUS_USAGE, "'%.40s': CPU numbers end at %d", text, CPU_SETSIZE - 1);
    *cpus = (struct cpus){.placement = PLACEMENT_GIVEN, .sender = (int)sender, .receiver = (int)receiver};
    return 0;
}

/* Whether two CPUs are hardware threads of one core. */
static bool
are_siblings(int a, int b)
{
    char path[96];
    char of_a[64];
    char of_b[64];

    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", a);
    if (system_read_text(path, of_a, sizeof of_a) != 0)
        return false;
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", b);
    return system_read_text(path, of_b, sizeof of_b) == 0 && strcmp(of_a, of_b) == 0;
}

int
cpus_choose(struct cpus *cpus)
{
    cpu_set_t allowed;

    if (cpus->placement != PLACEMENT_SAME && cpus->placement != PLACEMENT_SPLIT)
        return 0;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        return err_system(errno, "cannot read which CPUs this process may use; --cpus free needs no such answer");
    int first = 0;
    while (first < CPU_SETSIZE && !CPU_ISSET((size_t)first, &allowed))
        first++;
    cpus->sender = first;
    cpus->receiver = first;
    if (cpus->placement == PLACEMENT_SAME)
        return 0;
    int sibling = CPU_ANY;
    for (int cpu = first + 1; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET((size_t)cpu, &allowed))
            continue;
        if (!are_siblings(first, cpu)) {
            cpus->receiver = cpu;
            return 0;
        }
        if (sibling == CPU_ANY)
            sibling = cpu;
    }
    if (sibling == CPU_ANY)
        return err_set(STATUS_REFUSED,
                       "--cpus split needs two CPUs and this process may use only CPU %d; "
                       "use --cpus same",
                       first);
    cpus->receiver = sibling;
    return 0;
}

int
cpu_pin(int cpu, const char *end)
{
    cpu_set_t wanted, found;

    if (cpu == CPU_ANY)
        return 0;
    CPU_ZERO(&wanted);
    CPU_SET((size_t)cpu, &wanted);
    if (sched_setaffinity(0, sizeof wanted, &wanted) != 0)
        return err_system(errno, "%s: cannot be pinned to CPU %d; choose another with --cpus", end, cpu);
    if (sched_getaffinity(0, sizeof found, &found) != 0 || !CPU_EQUAL(&wanted, &found))
        return err_set(STATUS_REFUSED, "%s: pinning to CPU %d did not take effect; choose another with --cpus", end,
                       cpu);
    return 0;
}

int
cpu_schedule(enum sched policy, const char *end)
{
    const struct sched_param parameter = {.sched_priority = 0};

    if (policy == SCHED_NORMAL_POLICY)
        return 0;
    if (sched_setscheduler(0, SCHED_BATCH, &parameter) != 0)
        return err_system(errno, "%s: --sched batch was refused; use --sched normal", end);
    if (sched_getscheduler(0) != SCHED_BATCH)
        return err_set(STATUS_REFUSED, "%s: --sched batch did not take effect; use --sched normal", end);
    return 0;
}

/* The quick half: CPU time and the moment it belongs to. */
static void
read_times(struct usage *usage)
{
    struct timespec cpu;

    usage->cpu_ns = MISSING;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu) == 0)
        usage->cpu_ns = (uint64_t)cpu.tv_sec * NS_PER_S + (uint64_t)cpu.tv_nsec;
    usage->at_ns = clock_now_ns();
}

/* The slow half: what the scheduler counted. */
static void
read_counts(struct usage *usage)
{
    struct rusage resources;
    char text[96];
    char *rest;

    usage->run_queue_ns = MISSING;
    usage->switches = MISSING;
    /* three numbers: time on a CPU, time in the run queue, slices */
    if (system_read_text("/proc/thread-self/schedstat", text, sizeof text) == 0) {
        strtoumax(text, &rest, 10);
        if (*rest == ' ')
            usage->run_queue_ns = (uint64_t)strtoumax(rest, NULL, 10);
    }
    if (getrusage(RUSAGE_THREAD, &resources) == 0)
        usage->switches = (uint64_t)resources.ru_nvcsw;
}

void
usage_before(struct usage *usage)
{
    read_counts(usage);
    read_times(usage);
}

void
usage_after(struct usage *usage)
{
    read_times(usage);
    read_counts(usage);
}

static uint64_t
difference(uint64_t earlier, uint64_t later)
{
    return earlier == MISSING || later == MISSING || later < earlier ? MISSING : later - earlier;
}

struct usage
usage_between(const struct usage *earlier, const struct usage *later)
{
    return (struct usage){.at_ns = difference(earlier->at_ns, later->at_ns),
                          .cpu_ns = difference(earlier->cpu_ns, later->cpu_ns),
                          .run_queue_ns = difference(earlier->run_queue_ns, later->run_queue_ns),
                          .switches = difference(earlier->switches, later->switches)};
}
