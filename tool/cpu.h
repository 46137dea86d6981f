/*
 * cpu.h: where a thread runs (placement) and what it used (CPU time, waiting time, context switches).
 *
 * Placement is the largest factor of all loopback timings. `same` and `split` choose from the CPUs that this
 * process may use; `split` prefers another core over a sibling thread of the same core.
 */
#ifndef TINYGRAM_CPU_H
#define TINYGRAM_CPU_H

#include <stdint.h>

/* --cpus */
enum placement { PLACEMENT_FREE, PLACEMENT_SAME, PLACEMENT_SPLIT, PLACEMENT_GIVEN };

/* --sched: `batch` (SCHED_BATCH) does not preempt the other end on each wake-up. Where both ends share a CPU, the
 * default policy falls into one of two modes for a whole transfer: the receiver takes the CPU at each wake-up, or
 * leaves it until the buffer is full. */
enum sched { SCHED_NORMAL_POLICY, SCHED_BATCH_POLICY };

/* A CPU number that stands for "anywhere". */
#define CPU_ANY (-1)

struct cpus {
    enum placement placement;
    int sender;   /* CPU number or CPU_ANY */
    int receiver; /* CPU number or CPU_ANY */
};

/* Parses same, split, free or A,B. `same` and `split` are resolved to CPU numbers by cpus_choose(). Returns 0, or
 * -1 with STATUS_USAGE. */
int cpus_parse(const char *text, struct cpus *cpus);

/* Fills in the numbers for `same` and `split`. Returns 0, or -1 with STATUS_REFUSED when only one CPU may be used. */
int cpus_choose(struct cpus *cpus);

/* Pins the calling thread to `cpu` and proves it by reading the mask back. CPU_ANY does nothing. `end` stands in
 * the error. Returns 0, or -1 with STATUS_REFUSED. */
int cpu_pin(int cpu, const char *end);

/* Sets the calling thread's scheduling policy, and proves it by reading it back; its children inherit it. `end` stands
 * in the error. Returns 0, or -1 with STATUS_REFUSED. */
int cpu_schedule(enum sched policy, const char *end);

/* What the calling thread has used so far; each MISSING where the kernel does not tell. */
struct usage {
    uint64_t at_ns;        /* the moment to which cpu_ns belongs */
    uint64_t cpu_ns;       /* user and system time (CLOCK_THREAD_CPUTIME_ID) */
    uint64_t run_queue_ns; /* time in which it was ready to run and had no CPU (/proc/thread-self/schedstat) */
    uint64_t switches;     /* times it went to sleep by itself (getrusage, ru_nvcsw) */
};

/* Snapshots before and after a piece of work. Asking costs some 20 us, which lies before the first moment of the
 * one and behind the last moment of the other, so that it is in neither's difference. */
void usage_before(struct usage *usage);
void usage_after(struct usage *usage);

/* later - earlier, field by field (at_ns becomes the time between them); MISSING where either is. */
struct usage usage_between(const struct usage *earlier, const struct usage *later);

#endif
