/*
 * cliff.c: see cliff.h.
 *
 * A coarse scan over the factor's range, two values an octave; wherever the medians of two neighbours differ by more
 * than a factor of three, bisection until the neighbours are 1 % apart. Then the slower side is tried again with one
 * remedy at a time. What is said of the mechanism is what the slow trials recorded (stalls by mechanism) and which
 * remedy removed the cliff. Nothing about any machine is known in advance.
 */
#include "cliff.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "clock.h"
#include "interrupt.h"
#include "json.h"
#include "machine.h"
#include "outfile.h"
#include "pair.h"
#include "record.h"
#include "send.h"
#include "tcpinfo.h"
#include "units.h"
#include "workload.h"

#define POINTS_MAX 512
#define CLIFFS_MAX 16
#define TRIALS_MAX 101

/* A change between neighbours that is called a cliff. */
#define CLIFF_RATIO 3.0

/* Neighbours this close are not parted again. */
#define CLOSE_RATIO 1.01

/* How long each trial of a transfer lasts, unless --duration is given. */
#define TRIAL_NS (60 * NS_PER_MS)

/* All trials at one value. `speed` is what a cliff is measured by: goodput, or the inverse of the median latency. */
struct point {
    uint64_t value;
    uint64_t effective; /* of the buffer at the end, or MISSING */
    double speed, slowest, fastest;
    uint64_t stalls;
    enum stall_mechanism chief;
    double segment_bytes;
};

struct remedy {
    const char *name;
    const char *words;
    void (*apply)(struct config *config);
};

struct cliff {
    const struct point *slow, *fast; /* neighbours */
    double remedied[4];              /* speed of the slow side with each remedy; NaN: the trial was refused */
};

struct search {
    struct config config; /* of every trial, but for the factor's value */
    struct point point[POINTS_MAX];
    size_t points;
    struct cliff cliff[CLIFFS_MAX];
    size_t cliffs;
    bool latency; /* speed is the inverse of a latency */
};

static void
apply_quickack(struct config *config)
{
    config->rearm_quickack = true;
}

static void
apply_mss(struct config *config)
{
    config->sender.of[SOCKOPT_MSS] = (struct sockopt_value){.known = true, .number = 1460};
}

static void
apply_nodelay(struct config *config)
{
    config->sender.of[SOCKOPT_NODELAY] = (struct sockopt_value){.known = true, .number = 1};
}

static void
apply_early_rcvbuf(struct config *config)
{
    config->rcvbuf_late = false;
}

static const struct remedy remedies[] = {
    {"quickack", "TCP_QUICKACK before each read at the receiver", apply_quickack},
    {"mss", "the MSS of an Ethernet (1460)", apply_mss},
    {"nodelay", "TCP_NODELAY at the sender", apply_nodelay},
    {"early_rcvbuf", "SO_RCVBUF before listen()", apply_early_rcvbuf},
};

#define REMEDIES (sizeof remedies / sizeof remedies[0])

_Static_assert(REMEDIES == sizeof((struct cliff *)0)->remedied / sizeof(double), "one speed a remedy");

/* Sets the factor to `value`. */
static void
set_factor(struct config *config, uint64_t value)
{
    struct sockopt_value set = {.known = true, .number = value};

    switch (config->cliff.factor) {
    case FACTOR_SNDBUF:
        config->sender.of[SOCKOPT_SNDBUF] = set;
        break;
    case FACTOR_RCVBUF:
        config->receiver.of[SOCKOPT_RCVBUF] = set;
        break;
    case FACTOR_WRITE_SIZE:
        config->write_size = value;
        break;
    default:
        config->pacing.rate = (double)value;
        break;
    }
}

static int
compare_speed(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double
speed_of(const struct search *search, const struct result *result)
{
    if (!search->latency)
        return result->whole.goodput;
    const struct quantiles *latency = result->latency_planned.count > 0 ? &result->latency_planned : &result->latency;
    return latency->count > 0 && latency->p50 > 0 ? 1e9 / (double)latency->p50 : (double)NAN;
}

/* Runs the trials of one value. Returns 0, or -1 with an error. */
static int
measure(const struct search *search, const struct config *config, uint64_t value, struct point *point)
{
    static struct outcome outcome; /* too large for a stack */
    double speed[TRIALS_MAX] = {0};
    uint64_t by_mechanism[STALL_MECHANISMS] = {0};
    size_t trials = (size_t)config->cliff.trials;

    *point = (struct point){.value = value, .chief = STALL_UNKNOWN};
    for (size_t i = 0; i < trials; i++) {
        pair_measure(config, &outcome);
        if (outcome.status != STATUS_DONE)
            return err_set(outcome.status, "at %" PRIu64 ": %s", value, outcome.error);
        speed[i] = speed_of(search, &outcome.result);
        if (!isfinite(speed[i]))
            return err_set(STATUS_FAILED,
                           "at %" PRIu64 ": a trial of %" PRIu64 " bytes has no speed; use a longer "
                           "--duration",
                           value, outcome.result.whole.bytes);
        for (int m = 0; m < STALL_MECHANISMS && outcome.result.stalls.count != MISSING; m++)
            by_mechanism[m] += outcome.result.stalls.by_mechanism[m];
        point->segment_bytes = outcome.result.bytes_per_segment;
        point->effective = outcome.result.effective[config->cliff.factor == FACTOR_RCVBUF];
    }
    qsort(speed, trials, sizeof speed[0], compare_speed);
    point->speed = speed[trials / 2];
    point->slowest = speed[0];
    point->fastest = speed[trials - 1];
    for (int m = 0; m < STALL_MECHANISMS; m++) {
        point->stalls += by_mechanism[m];
        if (by_mechanism[m] > by_mechanism[point->chief])
            point->chief = (enum stall_mechanism)m;
    }
    return 0;
}

static int
compare_value(const void *a, const void *b)
{
    const struct point *left = a, *right = b;
    return (left->value > right->value) - (left->value < right->value);
}

static int
add_point(struct search *search, uint64_t value)
{
    struct config config = search->config;

    if (search->points == POINTS_MAX)
        return err_set(STATUS_FAILED, "more than %d values were needed; narrow --from and --to", POINTS_MAX);
    if (interrupt_seen())
        return err_set(STATUS_INTERRUPTED, "interrupted");
    set_factor(&config, value);
    if (measure(search, &config, value, &search->point[search->points]) != 0)
        return -1;
    search->points++;
    qsort(search->point, search->points, sizeof search->point[0], compare_value);
    return 0;
}

/* The factor's range. sndbuf and rcvbuf end where the kernel clamps. */
static void
choose_range(const struct search *search, uint64_t *from, uint64_t *to)
{
    const struct cliff_plan *plan = &search->config.cliff;
    uint64_t largest = machine_buffer_max(plan->factor == FACTOR_SNDBUF);

    switch (plan->factor) {
    case FACTOR_SNDBUF:
    case FACTOR_RCVBUF:
        *from = 2048;
        *to = largest == MISSING || largest > UINT64_C(1) << 21 ? UINT64_C(1) << 21 : largest;
        break;
    case FACTOR_WRITE_SIZE:
        *from = 64;
        *to = UINT64_C(1) << 20;
        break;
    default:
        *from = 100;
        *to = 200000;
        break;
    }
    *from = plan->from != MISSING ? plan->from : *from;
    *to = plan->to != MISSING ? plan->to : *to;
}

static bool
is_cliff(const struct point *a, const struct point *b)
{
    return a->speed > CLIFF_RATIO * b->speed || b->speed > CLIFF_RATIO * a->speed;
}

/* Parts every pair of neighbours between which a cliff lies, until they are close. */
static int
bisect(struct search *search)
{
    for (size_t i = 0; i + 1 < search->points;) {
        uint64_t low = search->point[i].value, high = search->point[i + 1].value;
        bool close = high - low <= 1 || (double)high < CLOSE_RATIO * (double)low;
        if (!is_cliff(&search->point[i], &search->point[i + 1]) || close)
            i++;
        else if (add_point(search, low + (high - low) / 2) != 0)
            return -1;
    }
    return 0;
}

/* Whether a remedy can make a difference in this search. */
static bool
is_remedy(const struct config *config, size_t remedy)
{
    if (strcmp(remedies[remedy].name, "early_rcvbuf") == 0)
        return config->cliff.factor == FACTOR_RCVBUF && config->rcvbuf_late;
    if (strcmp(remedies[remedy].name, "nodelay") == 0)
        return !(config->sender.of[SOCKOPT_NODELAY].known && config->sender.of[SOCKOPT_NODELAY].number == 1);
    if (strcmp(remedies[remedy].name, "mss") == 0)
        return !config->sender.of[SOCKOPT_MSS].known;
    return !config->rearm_quickack;
}

/* Tries each remedy on the slow side. */
static int
try_remedies(struct search *search, struct cliff *cliff)
{
    for (size_t r = 0; r < REMEDIES; r++) {
        struct config config = search->config;
        struct point point;
        cliff->remedied[r] = (double)NAN;
        if (!is_remedy(&config, r))
            continue;
        set_factor(&config, cliff->slow->value);
        remedies[r].apply(&config);
        if (interrupt_seen())
            return err_set(STATUS_INTERRUPTED, "interrupted");
        if (measure(search, &config, cliff->slow->value, &point) == 0)
            cliff->remedied[r] = point.speed;
        err_clear();
    }
    return 0;
}

/* A remedy removes a cliff when the slow side is then less than a cliff below the fast one. */
static bool
removes(const struct cliff *cliff, size_t remedy)
{
    return isfinite(cliff->remedied[remedy]) && cliff->remedied[remedy] * CLIFF_RATIO >= cliff->fast->speed;
}

/* What the slow side waits for: from what its trials recorded and from what helped. */
static const char *
mechanism(const struct cliff *cliff)
{
    bool quickack = removes(cliff, 0), mss = removes(cliff, 1), nodelay = removes(cliff, 2), early = removes(cliff, 3);

    if (early)
        return "the receive buffer is set too late: after accept() the window scale and the first window stand";
    if (cliff->slow->stalls > 0 && quickack && !nodelay)
        return "the segments that fit into the buffer wait for a delayed ACK";
    if (cliff->slow->stalls > 0 && nodelay)
        return "Nagle holds what is below one MSS until a delayed ACK";
    if (cliff->slow->stalls > 0)
        return stall_words(cliff->slow->chief);
    if (nodelay)
        return "Nagle holds what is below one MSS until the ACK";
    if (mss)
        return "the buffer holds less than one MSS";
    return "no kernel timer: more calls, segments or wake-ups for the same bytes";
}

static int
find_cliffs(struct search *search)
{
    for (size_t i = 0; i + 1 < search->points && search->cliffs < CLIFFS_MAX; i++) {
        const struct point *a = &search->point[i], *b = &search->point[i + 1];
        if (!is_cliff(a, b))
            continue;
        struct cliff *cliff = &search->cliff[search->cliffs++];
        *cliff = (struct cliff){.slow = a->speed < b->speed ? a : b, .fast = a->speed < b->speed ? b : a};
        if (try_remedies(search, cliff) != 0)
            return -1;
    }
    return 0;
}

static int
search_all(struct search *search)
{
    uint64_t from, to;

    choose_range(search, &from, &to);
    if (from >= to)
        return err_set(STATUS_USAGE, "--from %" PRIu64 " is not below --to %" PRIu64, from, to);
    for (uint64_t octave = from; octave < to; octave = octave <= UINT64_MAX / 2 ? 2 * octave : UINT64_MAX) {
        uint64_t between = (uint64_t)((double)octave * sqrt(2.0));
        if (add_point(search, octave) != 0 || (between > octave && between < to && add_point(search, between) != 0))
            return -1;
    }
    if (add_point(search, to) != 0 || bisect(search) != 0)
        return -1;
    return find_cliffs(search);
}

static const char *
speed_text(const struct search *search, char *text, double speed)
{
    if (!isfinite(speed))
        return "-";
    return search->latency ? units_format_time(text, (uint64_t)(1e9 / speed)) : units_format_rate(text, speed);
}

/* A bar on a logarithmic scale, a character each third of an octave above the slowest value. */
static void
print_bar(const struct search *search, double speed)
{
    double least = INFINITY;

    for (size_t i = 0; i < search->points; i++)
        least = fmin(least, search->point[i].slowest);
    int length = (int)(3.0 * log2(speed / least)) + 1;
    for (int i = 0; i < length && i < 60; i++)
        putchar('#');
    putchar('\n');
}

static void
print_map(const struct search *search)
{
    char text[3][UNITS_TEXT_BYTES];

    printf("%10s %10s  %11s  %11s to %-11s %7s  map (logarithmic)\n",
           args_choice("factor", search->config.cliff.factor), "in effect", "median", "slowest", "fastest", "stalls");
    for (size_t i = 0; i < search->points; i++) {
        const struct point *point = &search->point[i];
        char effective[24] = "-";
        if (point->effective != MISSING && search->config.cliff.factor <= FACTOR_RCVBUF)
            snprintf(effective, sizeof effective, "%" PRIu64, point->effective);
        printf("%10" PRIu64 " %10s  %11s  %11s to %-11s %7" PRIu64 "  ", point->value, effective,
               speed_text(search, text[0], point->speed), speed_text(search, text[1], point->slowest),
               speed_text(search, text[2], point->fastest), point->stalls);
        print_bar(search, point->speed);
    }
}

static void
print_cliff(const struct search *search, const struct cliff *cliff)
{
    char text[2][UNITS_TEXT_BYTES];
    const char *factor = args_choice("factor", search->config.cliff.factor);

    printf("\ncliff: %s %" PRIu64 " gives %s, %" PRIu64 " gives %s: a factor of %.1f\n  why: %s\n", factor,
           cliff->slow->value, speed_text(search, text[0], cliff->slow->speed), cliff->fast->value,
           speed_text(search, text[1], cliff->fast->speed), cliff->fast->speed / cliff->slow->speed, mechanism(cliff));
    if (cliff->slow->stalls > 0)
        printf("  evidence: %" PRIu64 " stalls in %" PRIu64 " slow trials, most of them %s\n", cliff->slow->stalls,
               search->config.cliff.trials, stall_words(cliff->slow->chief));
    for (size_t r = 0; r < REMEDIES; r++)
        if (isfinite(cliff->remedied[r]))
            printf("  %s: %s, %s\n", removes(cliff, r) ? "removed by" : "not removed by", remedies[r].words,
                   speed_text(search, text[0], cliff->remedied[r]));
    printf("  removed by: %s %" PRIu64 " or more on the other side\n", factor, cliff->fast->value);
}

static void
print_json(FILE *stream, const struct search *search)
{
    struct json json = json_begin(stream, false);

    json_open_object(&json, NULL);
    record_write_build(&json);
    json_text(&json, "kind", "cliff");
    json_text(&json, "factor", args_choice("factor", search->config.cliff.factor));
    json_text(&json, "speed", search->latency ? "inverse of the median latency, 1/s" : "goodput, bytes/s");
    json_count(&json, "trials", search->config.cliff.trials);
    json_open_array(&json, "points");
    for (size_t i = 0; i < search->points; i++) {
        const struct point *point = &search->point[i];
        json_open_object(&json, NULL);
        json_count(&json, "value", point->value);
        json_count(&json, "effective", point->effective);
        json_real(&json, "speed", point->speed);
        json_real(&json, "slowest", point->slowest);
        json_real(&json, "fastest", point->fastest);
        json_count(&json, "stalls", point->stalls);
        json_text(&json, "chief", point->stalls > 0 ? stall_name(point->chief) : NULL);
        json_real(&json, "bytes_per_segment", point->segment_bytes);
        json_close_object(&json);
    }
    json_close_array(&json);
    json_open_array(&json, "cliffs");
    for (size_t i = 0; i < search->cliffs; i++) {
        const struct cliff *cliff = &search->cliff[i];
        json_open_object(&json, NULL);
        json_count(&json, "slow", cliff->slow->value);
        json_count(&json, "fast", cliff->fast->value);
        json_real(&json, "factor", cliff->fast->speed / cliff->slow->speed);
        json_text(&json, "mechanism", mechanism(cliff));
        json_open_array(&json, "remedies");
        for (size_t r = 0; r < REMEDIES; r++) {
            if (!isfinite(cliff->remedied[r]))
                continue;
            json_open_object(&json, NULL);
            json_text(&json, "name", remedies[r].name);
            json_real(&json, "speed", cliff->remedied[r]);
            json_boolean(&json, "removes", removes(cliff, r));
            json_close_object(&json);
        }
        json_close_array(&json);
        json_close_object(&json);
    }
    json_close_array(&json);
    machine_write(&json);
    json_close_object(&json);
    json_end(&json);
}

enum status
cliff_main(const struct config *config)
{
    static struct search search;
    struct outfile json = {.stream = NULL};

    search = (struct search){.config = *config, .latency = config->workload != WORKLOAD_TRANSFER};
    if (config->duration_ns == MISSING && config->pacing.count == MISSING)
        search.config.duration_ns = TRIAL_NS;
    interrupt_install();
    if (config->json_path != NULL && outfile_open(&json, config->json_path) != 0)
        return err_status();
    if (search_all(&search) == 0 && json.stream != NULL) {
        print_json(json.stream, &search);
        outfile_commit(&json);
    } else if (err_status() == STATUS_DONE) {
        print_map(&search);
        for (size_t i = 0; i < search.cliffs; i++)
            print_cliff(&search, &search.cliff[i]);
        if (search.cliffs == 0)
            printf("\nno cliff: no two neighbours differ by more than a factor of %.0f\n", CLIFF_RATIO);
        outfile_flush_stdout();
    }
    outfile_discard(&json);
    return err_status();
}
