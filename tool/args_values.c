/* args_values.c: see args_values.h. */
#include "args_values.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "args.h"
#include "err.h"
#include "pace.h"
#include "units.h"

/* A choice is a word and its value; a list is closed by a NULL word. */
struct choice {
    const char *word;
    int value;
};

static const struct choice send_with_choices[] = {{"write", SEND_WRITE},
                                                  {"writev", SEND_WRITEV},
                                                  {"sendmsg", SEND_SENDMSG},
                                                  {"sendfile", SEND_SENDFILE},
                                                  {"splice", SEND_SPLICE},
                                                  {"zerocopy", SEND_ZEROCOPY},
                                                  {NULL, 0}};
static const struct choice family_choices[] = {{"inet", AF_INET}, {"inet6", AF_INET6}, {"unix", AF_UNIX}, {NULL, 0}};
static const struct choice wait_choices[] = {{"block", WAIT_BLOCK}, {"spin", WAIT_SPIN}, {NULL, 0}};
static const struct choice sched_choices[] = {
    {"normal", SCHED_NORMAL_POLICY}, {"batch", SCHED_BATCH_POLICY}, {NULL, 0}};
static const struct choice concurrency_choices[] = {
    {"fork", CONCURRENCY_FORK}, {"poll", CONCURRENCY_POLL}, {"thread", CONCURRENCY_THREAD}, {NULL, 0}};
static const struct choice verify_choices[] = {
    {"auto", VERIFY_AUTO}, {"full", VERIFY_FULL}, {"sampled", VERIFY_SAMPLED}, {"off", VERIFY_OFF}, {NULL, 0}};

static const struct choice factor_choices[] = {{"sndbuf", FACTOR_SNDBUF},
                                               {"rcvbuf", FACTOR_RCVBUF},
                                               {"write-size", FACTOR_WRITE_SIZE},
                                               {"rate", FACTOR_RATE},
                                               {NULL, 0}};
static const struct choice schedule_choices[] = {
    {"constant", SCHEDULE_CONSTANT}, {"poisson", SCHEDULE_POISSON}, {NULL, 0}};

static int
parse_choice(const char *text, const struct choice *choices, void *field)
{
    char list[96] = "";

    for (const struct choice *choice = choices; choice->word != NULL; choice++) {
        if (strcmp(text, choice->word) == 0) {
            *(int *)field = choice->value;
            return 0;
        }
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", used > 0 ? ", " : "", choice->word);
    }
    return err_set(STATUS_USAGE, "'%.40s' is none of %s", text, list);
}

int
parse_send_with(const char *text, void *field)
{
    return parse_choice(text, send_with_choices, field);
}

int
parse_family(const char *text, void *field)
{
    return parse_choice(text, family_choices, field);
}

int
parse_wait(const char *text, void *field)
{
    return parse_choice(text, wait_choices, field);
}

int
parse_sched(const char *text, void *field)
{
    return parse_choice(text, sched_choices, field);
}

int
parse_concurrency(const char *text, void *field)
{
    return parse_choice(text, concurrency_choices, field);
}

int
parse_verify(const char *text, void *field)
{
    return parse_choice(text, verify_choices, field);
}

int
parse_word(const char *text, void *field)
{
    if (text[0] == '\0')
        return err_set(STATUS_USAGE, "the value is empty");
    *(const char **)field = text;
    return 0;
}

int
parse_flag(const char *text, void *field)
{
    (void)text;
    *(bool *)field = true;
    return 0;
}

int
parse_switch(const char *text, void *field)
{
    bool on = strcmp(text, "on") == 0;
    if (!on && strcmp(text, "off") != 0)
        return err_set(STATUS_USAGE, "'%.40s' is not on or off", text);
    *(bool *)field = on;
    return 0;
}

/* Checks the bounds of a number that was just read. */
static int
within(const char *text, uint64_t value, uint64_t smallest, uint64_t largest)
{
    if (value < smallest)
        return err_set(STATUS_USAGE, "'%.40s' is too small; the least is %" PRIu64, text, smallest);
    if (value > largest)
        return err_set(STATUS_USAGE, "'%.40s' is too large; the most is %" PRIu64, text, largest);
    return 0;
}

int
parse_size(const char *text, void *field)
{
    return units_parse_size(text, field) != 0 ? -1 : within(text, *(uint64_t *)field, 1, INT64_MAX);
}

int
parse_write_size(const char *text, void *field)
{
    if (units_parse_size(text, field) != 0)
        return -1;
    long pages = sysconf(_SC_PHYS_PAGES);
    long page_bytes = sysconf(_SC_PAGESIZE);
    uint64_t memory = pages > 0 && page_bytes > 0 ? (uint64_t)pages * (uint64_t)page_bytes : INT64_MAX;
    if (*(uint64_t *)field > memory)
        return err_set(STATUS_USAGE, "'%.40s' is more than this machine's memory (%" PRIu64 " bytes)", text, memory);
    return within(text, *(uint64_t *)field, 1, INT64_MAX);
}

int
parse_read_size(const char *text, void *field)
{
    return units_parse_size(text, field) != 0 ? -1 : within(text, *(uint64_t *)field, 1, READ_SIZE_MAX);
}

int
parse_time(const char *text, void *field)
{
    return units_parse_time(text, field) != 0 ? -1 : within(text, *(uint64_t *)field, 1, TIMEOUT_MAX_NS);
}

int
parse_schedule(const char *text, void *field)
{
    struct pacing *pacing = field;
    static const char burst[] = "burst:";

    if (strncmp(text, burst, sizeof burst - 1) == 0) {
        pacing->schedule = SCHEDULE_BURST;
        if (units_parse_count(text + sizeof burst - 1, &pacing->burst) != 0)
            return -1;
        return within(text, pacing->burst, 1, 1000000);
    }
    pacing->burst = 1;
    if (parse_choice(text, schedule_choices, &pacing->schedule) != 0)
        return err_set(STATUS_USAGE, "'%.40s' is none of constant, poisson, burst:N (N at once, such as burst:10)",
                       text);
    return 0;
}

int
parse_rcvbuf_when(const char *text, void *field)
{
    static const struct choice choices[] = {{"listen", 0}, {"accept", 1}, {NULL, 0}};
    int late;

    if (parse_choice(text, choices, &late) != 0)
        return -1;
    *(bool *)field = late == 1;
    return 0;
}

int
parse_factor(const char *text, void *field)
{
    return parse_choice(text, factor_choices, field);
}

int
parse_trials(const char *text, void *field)
{
    return units_parse_count(text, field) != 0 ? -1 : within(text, *(uint64_t *)field, 1, 101);
}

int
parse_pattern(const char *text, void *field)
{
    struct config *config = (struct config *)(void *)((unsigned char *)field - offsetof(struct config, pattern));
    config->pattern_text = text;
    return pattern_parse(text, field);
}

/* A rate in events a second: a whole number. */
int
parse_rate(const char *text, void *field)
{
    uint64_t rate;

    if (units_parse_count(text, &rate) != 0 || within(text, rate, 1, 1000000) != 0)
        return -1;
    *(double *)field = (double)rate;
    return 0;
}

/* SIZE@RATE */
int
parse_stream(const char *text, void *field)
{
    struct config *config = (struct config *)(void *)((unsigned char *)field - offsetof(struct config, stream_text));
    const char *at = strchr(text, '@');
    char size[32];

    if (at == NULL || (size_t)(at - text) >= sizeof size)
        return err_set(STATUS_USAGE, "'%.40s' is not SIZE@RATE, such as 100@10000 (bytes @ messages a second)", text);
    memcpy(size, text, (size_t)(at - text));
    size[at - text] = '\0';
    config->stream_text = text;
    if (units_parse_size(size, &config->message_size) != 0 ||
        within(size, config->message_size, 1, PATTERN_BYTES_MAX) != 0)
        return -1;
    return parse_rate(at + 1, &config->pacing.stream_rate);
}

/* T, or T-T for a random time between the two. */
int
parse_think(const char *text, void *field)
{
    struct pacing *pacing = field;
    const char *dash = strchr(text, '-');
    char first[32];

    if (dash == NULL || dash == text) {
        if (parse_time(text, &pacing->think_min_ns) != 0)
            return -1;
        pacing->think_max_ns = pacing->think_min_ns;
        return 0;
    }
    if ((size_t)(dash - text) >= sizeof first)
        return err_set(STATUS_USAGE, "'%.40s' is not a time", text);
    memcpy(first, text, (size_t)(dash - text));
    first[dash - text] = '\0';
    if (units_parse_time(first, &pacing->think_min_ns) != 0 || parse_time(dash + 1, &pacing->think_max_ns) != 0)
        return -1;
    if (pacing->think_max_ns < pacing->think_min_ns)
        return err_set(STATUS_USAGE, "'%.40s': the second time is shorter than the first", text);
    return 0;
}

int
parse_exchanges(const char *text, void *field)
{
    return units_parse_count(text, field) != 0 ? -1 : within(text, *(uint64_t *)field, 1, UINT64_C(1) << 40);
}

int
parse_limit(const char *text, void *field)
{
    return units_parse_count(text, field);
}

int
parse_ratio(const char *text, void *field)
{
    char *end;
    double value = strtod(text, &end);

    if (text[0] < '0' || text[0] > '9' || *end != '\0' || !(value > 0 && value < 1e9))
        return err_set(STATUS_USAGE, "'%.40s' is not a number above 0", text);
    *(double *)field = value;
    return 0;
}

int
parse_slices(const char *text, void *field)
{
    return units_parse_count(text, field) != 0 ? -1 : within(text, *(uint64_t *)field, 1, 1000000);
}

int
parse_permille(const char *text, void *field)
{
    return units_parse_count(text, field) != 0 ? -1 : within(text, *(uint64_t *)field, 0, 100000);
}

int
parse_repeat(const char *text, void *field)
{
    return units_parse_count(text, field) != 0 ? -1 : within(text, *(uint64_t *)field, 1, UINT32_MAX);
}

int
parse_attempts(const char *text, void *field)
{
    return units_parse_count(text, field) != 0 ? -1 : within(text, *(uint64_t *)field, 1, 1000);
}

int
parse_connections(const char *text, void *field)
{
    return units_parse_count(text, field) != 0 ? -1 : within(text, *(uint64_t *)field, 1, CONNECTIONS_MAX);
}

int
parse_events_max(const char *text, void *field)
{
    return units_parse_size(text, field) != 0 ? -1 : within(text, *(uint64_t *)field, 1, EVENTS_MAX_MAX);
}

int
parse_port(const char *text, void *field)
{
    return units_parse_count(text, field) != 0 ? -1 : within(text, *(uint64_t *)field, 0, UINT16_MAX);
}

int
parse_seed(const char *text, void *field)
{
    return units_parse_count(text, field);
}

int
parse_cpus(const char *text, void *field)
{
    struct config *config = (struct config *)(void *)((unsigned char *)field - offsetof(struct config, cpus));
    config->cpus_text = text;
    return cpus_parse(text, field);
}

const char *
args_choice(const char *name, int value)
{
    static const struct {
        const char *name;
        const struct choice *choices;
    } lists[] = {{"send-with", send_with_choices}, {"family", family_choices},
                 {"wait", wait_choices},           {"verify", verify_choices},
                 {"sched", sched_choices},         {"schedule", schedule_choices},
                 {"factor", factor_choices},       {"concurrency", concurrency_choices}};

    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        for (const struct choice *choice = lists[i].choices; strcmp(lists[i].name, name) == 0 && choice->word; choice++)
            if (choice->value == value)
                return choice->word;
    return NULL;
}

const char *
args_family(int family)
{
    return args_choice("family", family);
}
