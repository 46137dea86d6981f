/* slices.c: see slices.h. */
#include "slices.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "cpu.h"
#include "interrupt.h"
#include "json.h"
#include "machine.h"
#include "outfile.h"
#include "pace.h"
#include "record.h"
#include "rival.h"
#include "workload.h"

/* Time for an arm to be ready, and for its result. */
#define READY_LIMIT_NS (UINT64_C(10) * NS_PER_S)

/* Pairs of slices that are not counted: the connections have left their slow start by then. */
#define WARM_PAIRS 8
#define WARM_PAIRS_LEAST 2
#define WARM_LIMIT_NS (100 * NS_PER_MS)

/* One invocation lasts about so long at most; fewer pairs than this are of no use. */
#define INVOCATION_NS NS_PER_S
#define PAIRS_LEAST 12

/* Slices of one length from which the units are found, and the most units of one. */
#define PROBES 3
#define UNITS_MOST (UINT64_C(1) << 24)

/* A slice of a transfer has no more bytes than this (but one chunk at least), however short it is: more of them, and
 * how long it lasts depends on how far the sender happens to run ahead of the receiver, by a factor of two. */
#define TRANSFER_SLICE_BYTES (UINT64_C(512) << 10)

/* In a block of so many pairs either arm is first equally often. */
#define BLOCK_PAIRS 4

struct slices {
    const struct config *config;
    struct rival rival[SIDES];
    uint64_t deadline_ns;
    struct timespec started;
    struct random random;
    uint64_t units;
    uint64_t warm_pairs;
    uint64_t count; /* pairs that were measured */
    uint64_t *time_ns[SIDES];
    unsigned char *new_first;
    struct outfile json;
};

/* One pair of slices. The times go to time_ns[SIDES]. */
static int
work_pair(struct slices *slices, uint64_t units, bool new_first, uint64_t *time_ns)
{
    for (int turn = 0; turn < SIDES; turn++) {
        int side = new_first ? 1 - turn : turn;
        time_ns[side] = rival_work(&slices->rival[side], units, slices->deadline_ns);
        if (time_ns[side] == 0)
            return -1;
    }
    return 0;
}

/* How long a slice of `units` lasts in the slower arm: the least of some, since what disturbs a slice makes it longer,
 * and the first slices of a connection meet cold caches and pages. Fewer when one suffices to say that it is below
 * `enough_ns`. Returns 0 with an error. */
static uint64_t
probe(struct slices *slices, uint64_t units, uint64_t enough_ns)
{
    uint64_t least_ns[SIDES] = {MISSING, MISSING};
    uint64_t slower_ns = MISSING;

    for (int i = 0; i < PROBES && slower_ns >= enough_ns; i++) {
        uint64_t time_ns[SIDES];
        if (work_pair(slices, units, i % 2 == 1, time_ns) != 0)
            return 0;
        for (int side = 0; side < SIDES; side++)
            least_ns[side] = clock_earlier_ns(least_ns[side], time_ns[side]);
        slower_ns = least_ns[SIDE_BASE] > least_ns[SIDE_NEW] ? least_ns[SIDE_BASE] : least_ns[SIDE_NEW];
    }
    return slower_ns;
}

static uint64_t
most_units(const struct config *config)
{
    uint64_t chunks = TRANSFER_SLICE_BYTES / config->write_size;

    if (config->workload != WORKLOAD_TRANSFER)
        return UNITS_MOST;
    return chunks > 0 ? chunks : 1;
}

/* Finds how many units fill a slice of the slower arm. It goes up in small steps, and the last one was tried: the
 * more units a connection has done, the faster are the next, by a factor of three in a transfer. */
static int
calibrate(struct slices *slices)
{
    uint64_t wanted_ns = slices->config->slices.slice_ns;
    uint64_t enough_ns = wanted_ns - wanted_ns / 5;

    slices->units = slices->config->slices.units;
    if (slices->units != MISSING)
        return 0;
    uint64_t limit = most_units(slices->config);
    slices->units = 1;
    for (;;) {
        uint64_t slower_ns = probe(slices, slices->units, enough_ns);
        if (slower_ns == 0)
            return -1;
        bool found = slower_ns >= enough_ns || slices->units == limit;
        double fit = ceil((double)slices->units * (double)wanted_ns / (double)slower_ns);
        double most = (double)(found ? slices->units : 2 * slices->units < limit ? 2 * slices->units : limit);
        slices->units = (uint64_t)(fit < most ? fit : most);
        if (found)
            return 0;
    }
}

/* Lets both arms warm up, and decides how many pairs there is time for. */
static int
warm_up(struct slices *slices)
{
    uint64_t begin_ns = clock_now_ns();
    uint64_t time_ns[SIDES] = {0, 0};

    for (slices->warm_pairs = 0; slices->warm_pairs < WARM_PAIRS; slices->warm_pairs++) {
        if (slices->warm_pairs >= WARM_PAIRS_LEAST && clock_now_ns() - begin_ns > WARM_LIMIT_NS)
            break;
        if (work_pair(slices, slices->units, slices->warm_pairs % 2 == 1, time_ns) != 0)
            return -1;
    }
    uint64_t fit = INVOCATION_NS / (time_ns[SIDE_BASE] + time_ns[SIDE_NEW]);
    slices->count = fit < slices->config->slices.count ? fit : slices->config->slices.count;
    uint64_t least = slices->config->slices.count < PAIRS_LEAST ? slices->config->slices.count : PAIRS_LEAST;
    if (slices->count < least)
        slices->count = least;
    return 0;
}

/* Who is first: in every block either arm equally often, in a shuffled order. */
static void
shuffle_order(struct slices *slices)
{
    for (uint64_t block = 0; block < slices->count; block += BLOCK_PAIRS) {
        unsigned char order[BLOCK_PAIRS];
        for (unsigned i = 0; i < BLOCK_PAIRS; i++)
            order[i] = i % 2 != 0;
        for (unsigned i = BLOCK_PAIRS - 1; i > 0; i--) {
            unsigned other = (unsigned)(random_unit(&slices->random) * (i + 1));
            unsigned char kept = order[i];
            order[i] = order[other];
            order[other] = kept;
        }
        for (uint64_t i = 0; i < BLOCK_PAIRS && block + i < slices->count; i++)
            slices->new_first[block + i] = order[i];
    }
}

/* The measured part: nothing but turns, and their times put into arrays that are there already. */
static int
measure(struct slices *slices)
{
    uint64_t planned = slices->count;

    slices->count = 0;
    for (uint64_t pair = 0; pair < planned; pair++, slices->count++) {
        uint64_t time_ns[SIDES];
        if (work_pair(slices, slices->units, slices->new_first[pair] == 1, time_ns) != 0)
            return -1;
        slices->time_ns[SIDE_BASE][pair] = time_ns[SIDE_BASE];
        slices->time_ns[SIDE_NEW][pair] = time_ns[SIDE_NEW];
    }
    return 0;
}

static int
make_room(struct slices *slices)
{
    size_t count = (size_t)slices->config->slices.count;

    for (int side = 0; side < SIDES; side++)
        slices->time_ns[side] = calloc(count, sizeof(uint64_t));
    slices->new_first = calloc(count, 1);
    if (slices->time_ns[SIDE_BASE] == NULL || slices->time_ns[SIDE_NEW] == NULL || slices->new_first == NULL)
        return err_set(STATUS_REFUSED, "no memory for %zu pairs of slices", count);
    return 0;
}

/* Starts both arms; which is first is decided by chance, since it may matter. */
static int
start(struct slices *slices)
{
    int first = (int)(random_next(&slices->random) >> 63);

    for (int turn = 0; turn < SIDES; turn++) {
        uint64_t limit_ns = clock_earlier_ns(slices->deadline_ns, clock_deadline_ns(READY_LIMIT_NS));
        if (rival_start(&slices->rival[turn == 0 ? first : 1 - first], limit_ns) != 0)
            return -1;
    }
    return 0;
}

static int
finish(struct slices *slices)
{
    for (int side = 0; side < SIDES; side++)
        if (rival_finish(&slices->rival[side], clock_deadline_ns(READY_LIMIT_NS)) != 0)
            return -1;
    return 0;
}

/* Runs the invocation; each sentence needs the one before. */
static int
run(struct slices *slices)
{
    const struct config *config = slices->config;

    for (int side = 0; side < SIDES; side++)
        if (rival_prepare(&slices->rival[side], config, side) != 0)
            return -1;
    if (config->json_path != NULL && outfile_open(&slices->json, config->json_path) != 0)
        return err_context("--json");
    if (cpu_pin(config->cpus.sender, "slices") != 0 || make_room(slices) != 0)
        return -1;
    if (start(slices) != 0 || calibrate(slices) != 0 || warm_up(slices) != 0)
        return -1;
    shuffle_order(slices);
    return measure(slices) != 0 ? -1 : finish(slices);
}

static void
write_times(struct json *json, const char *name, const uint64_t *time_ns, uint64_t count)
{
    json_open_array(json, name);
    for (uint64_t i = 0; i < count; i++)
        json_count(json, NULL, time_ns[i]);
    json_close_array(json);
}

static void
write_slices(struct json *json, const struct slices *slices)
{
    const struct config *config = slices->config;
    bool exchanges = config->workload == WORKLOAD_EXCHANGE;

    if (slices->count == 0) {
        json_null(json, "slices");
        return;
    }
    json_open_object(json, "slices");
    json_count(json, "units", slices->units);
    json_text(json, "work", exchanges ? "exchange" : "byte");
    json_count(json, "work_each", exchanges ? 1 : config->write_size);
    json_count(json, "count", slices->count);
    json_count(json, "warm_up", slices->warm_pairs);
    write_times(json, "base_ns", slices->time_ns[SIDE_BASE], slices->count);
    write_times(json, "new_ns", slices->time_ns[SIDE_NEW], slices->count);
    json_open_array(json, "new_first");
    for (uint64_t i = 0; i < slices->count; i++)
        json_count(json, NULL, slices->new_first[i]);
    json_close_array(json);
    json_close_object(json);
}

static void
write_arm(struct json *json, const struct slices *slices, enum side side)
{
    const struct rival *rival = &slices->rival[side];
    const struct arm_plan *plan = &slices->config->slices.arm[side];

    json_open_object(json, side == SIDE_BASE ? "base" : "new");
    json_text(json, "setting", plan->setting);
    json_text(json, "program", rival->program[0] != '\0' ? rival->program : plan->program);
    json_text(json, "prefix", plan->prefix);
    json_open_array(json, "command");
    for (int i = 0; i < rival->words; i++)
        json_text(json, NULL, rival->word[i]);
    json_close_array(json);
    if (rival->document != NULL)
        json_raw(json, "document", rival->document, rival->document_bytes);
    else
        json_null(json, "document");
    json_close_object(json);
}

static void
write_document(FILE *stream, const struct slices *slices)
{
    const struct config *config = slices->config;
    struct json json = json_begin(stream, true);

    json_open_object(&json, NULL);
    record_write_head(&json, "tinygram-slices/1");
    record_write_command(&json, config);
    record_write_started(&json, &slices->started);
    json_count(&json, "status", (uint64_t)err_status());
    json_text(&json, "error", err_status() == STATUS_DONE ? NULL : err_text());
    write_slices(&json, slices);
    json_open_object(&json, "placement");
    json_count(&json, "sender", config->cpus.sender == CPU_ANY ? MISSING : (uint64_t)config->cpus.sender);
    json_count(&json, "receiver", config->cpus.receiver == CPU_ANY ? MISSING : (uint64_t)config->cpus.receiver);
    json_close_object(&json);
    json_open_object(&json, "arms");
    write_arm(&json, slices, SIDE_BASE);
    write_arm(&json, slices, SIDE_NEW);
    json_close_object(&json);
    machine_write(&json);
    json_close_object(&json);
    json_end(&json);
}

static int
compare_counts(const void *a, const void *b)
{
    uint64_t first, second;

    memcpy(&first, a, sizeof first);
    memcpy(&second, b, sizeof second);
    return (first > second) - (first < second);
}

static uint64_t
median(uint64_t *values, uint64_t count)
{
    qsort(values, (size_t)count, sizeof *values, compare_counts);
    return values[count / 2];
}

/* For a person: the middle slice of either arm. One invocation is no verdict, and it says so. */
static void
show(struct slices *slices)
{
    static const char *const names[] = {"base", "new"};
    double each[SIDES];

    printf("%" PRIu64 " pairs of slices of %" PRIu64 " %s each, taking turns\n", slices->count, slices->units,
           slices->config->workload == WORKLOAD_EXCHANGE ? "exchanges" : "chunks");
    for (int side = 0; side < SIDES; side++) {
        const char *setting = slices->config->slices.arm[side].setting;
        each[side] = (double)median(slices->time_ns[side], slices->count) / (double)slices->units;
        printf("  %-5s %12.3f us each, median   %s\n", names[side], each[side] / 1e3, setting != NULL ? setting : "");
    }
    printf("  new / base %.4f: one invocation, no verdict\n", each[SIDE_NEW] / each[SIDE_BASE]);
}

static void
clean_up(struct slices *slices)
{
    for (int side = 0; side < SIDES; side++) {
        rival_close(&slices->rival[side]);
        free(slices->time_ns[side]);
    }
    free(slices->new_first);
    outfile_discard(&slices->json);
}

enum status
slices_main(const struct config *config)
{
    static struct slices slices; /* large */

    interrupt_install();
    slices = (struct slices){.config = config,
                             .deadline_ns = clock_deadline_ns(config->timeout_ns),
                             .random = {.state = config->seed},
                             .rival = {{.process = -1, .channel = -1}, {.process = -1, .channel = -1}}};
    clock_gettime(CLOCK_REALTIME, &slices.started);
    if (run(&slices) != 0 && interrupt_seen())
        err_set(STATUS_INTERRUPTED, "interrupted by a signal; the result is partial");
    enum status status = err_status();
    if (slices.json.stream != NULL) {
        write_document(slices.json.stream, &slices);
        if (outfile_commit(&slices.json) != 0)
            err_context("--json");
        status = err_status();
    } else if (status == STATUS_DONE) {
        show(&slices);
        outfile_flush_stdout();
        status = err_status();
    }
    clean_up(&slices);
    return status;
}
