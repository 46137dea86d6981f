/* show.c: see show.h. */
#include "lab/show.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "err.h"
#include "json.h"
#include "lab/code.h"
#include "machine.h"
#include "net.h"
#include "system.h"
#include "tcpinfo.h"
#include "version.h"

/* What decides how the entries turn out, and stands beside every verdict. */
static const char *const sysctls[] = {
    "net.ipv4.tcp_autocorking",
    "net.ipv4.tcp_early_retrans",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_rto_min_us",
    "net.ipv4.tcp_timestamps",
    "net.ipv4.tcp_tw_reuse",
    "net.ipv4.tcp_window_scaling",
    "net.ipv4.tcp_wmem",
    "net.core.somaxconn",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_local_port_range",
};

#define SYSCTLS (sizeof sysctls / sizeof sysctls[0])

/* The MSS that a connection over loopback announces; MISSING when none can be made. */
static uint64_t
loopback_mss(void)
{
    struct endpoint at, bound, peer;
    struct tcpinfo info = {.known = false};
    int listener, near, far;

    if (net_resolve(NULL, 0, AF_INET, &at) != 0 || (listener = net_listen(&at, NULL, 1, &bound)) < 0) {
        err_clear();
        return MISSING;
    }
    near = net_connect(&bound, NULL, clock_deadline_ns(NS_PER_S));
    far = near >= 0 ? net_accept(listener, &peer) : -1;
    if (far >= 0) {
        tcpinfo_read(far, &info);
        close(far);
    }
    if (near >= 0)
        close(near);
    close(listener);
    err_clear();
    return tcpinfo_get(&info, "advmss");
}

static const char *
read_sysctl(const char *name, char *text, size_t size)
{
    char path[96];
    size_t used = (size_t)snprintf(path, sizeof path, "/proc/sys/");

    for (const char *next = name; *next != '\0' && used < sizeof path - 1; next++)
        path[used++] = *next;
    path[used] = '\0';
    for (char *dot = strchr(path, '.'); dot != NULL; dot = strchr(dot, '.'))
        *dot = '/';
    if (system_read_text(path, text, size) != 0)
        return NULL;
    for (char *next = text; *next != '\0'; next++)
        if (*next == '\t')
            *next = ' ';
    return text;
}

static const char *
count_text(uint64_t number, char *text, size_t size)
{
    if (number == MISSING)
        snprintf(text, size, "unknown");
    else
        snprintf(text, size, "%" PRIu64, number);
    return text;
}

/* Prints `text` behind `label`, in lines of at most 110 columns. */
static void
print_field(const char *label, const char *text)
{
    int column = 14;

    printf("  %-12s", label);
    while (*text != '\0') {
        int len = (int)strcspn(text, " ");
        if (column > 14 && column + len > 110) {
            printf("\n%14s", "");
            column = 14;
        }
        printf("%.*s", len, text);
        column += len;
        text += len;
        if (*text == ' ') {
            putchar(' ');
            column++;
            text++;
        }
    }
    putchar('\n');
}

static void
print_machine(void)
{
    char cc[64], hz[24], mss[24];

    if (system_read_text("/proc/sys/net/ipv4/tcp_congestion_control", cc, sizeof cc) != 0)
        snprintf(cc, sizeof cc, "unknown");
    printf("This kernel: HZ %s, default congestion control %s, MSS of loopback %s.\n",
           count_text(machine_hz(), hz, sizeof hz), cc, count_text(loopback_mss(), mss, sizeof mss));
}

/* The one line of an outcome. */
static const char *
line_of(const struct lab_outcome *outcome, char *text, size_t size)
{
    if (outcome->verdict == LAB_NOT_TRIED)
        snprintf(text, size, "%s", outcome->reason);
    else if (outcome->verdict == LAB_ONLY_IF)
        snprintf(text, size, "%s; %s", outcome->condition, outcome->record->summary);
    else
        snprintf(text, size, "%s", outcome->record->summary);
    return text;
}

void
lab_print_list(const struct lab_entry *const *chosen, size_t count)
{
    for (size_t i = 0; i < count; i++)
        printf("%-9s %-28s %s\n", lab_topic_name(chosen[i]->topic), chosen[i]->name, chosen[i]->statement);
}

void
lab_print_table(const struct lab_outcome *outcomes, size_t count)
{
    char text[2 * LAB_TEXT_BYTES + 4];
    unsigned tally[LAB_VERDICTS] = {0};

    print_machine();
    for (int topic = 0; topic < LAB_TOPICS; topic++)
        for (size_t i = 0; i < count; i++) {
            const struct lab_outcome *outcome = &outcomes[i];
            if ((int)outcome->entry->topic != topic)
                continue;
            printf("%-9s %-28s %-14s %s\n", lab_topic_name(outcome->entry->topic), outcome->entry->name,
                   lab_verdict_name(outcome->verdict), line_of(outcome, text, sizeof text));
            tally[outcome->verdict]++;
        }
    printf("%zu statements: %u hold, %u do not hold, %u hold only under a condition, %u were not tried. "
           "`tinygram lab NAME` tells the whole story.\n",
           count, tally[LAB_HOLDS], tally[LAB_FAILS], tally[LAB_ONLY_IF], tally[LAB_NOT_TRIED]);
}

/* Smallest and largest value of fact `name` over the attempts. */
static void
range_of(const struct lab_outcome *outcome, const char *name, uint64_t *least, uint64_t *most)
{
    *least = MISSING;
    *most = 0;
    for (unsigned i = 0; i < outcome->planned; i++) {
        const struct lab_record *record = &outcome->records[i];
        for (unsigned f = 0; f < record->fact_count; f++) {
            const struct lab_fact *fact = &record->facts[f];
            if (strcmp(fact->name, name) != 0 || fact->text[0] != '\0' || fact->number == MISSING)
                continue;
            *least = fact->number < *least ? fact->number : *least;
            *most = fact->number > *most ? fact->number : *most;
        }
    }
}

static void
print_facts(const struct lab_outcome *outcome)
{
    const struct lab_record *record = outcome->record;
    char number[24];

    for (unsigned i = 0; i < record->fact_count; i++) {
        const struct lab_fact *fact = &record->facts[i];
        uint64_t least, most;
        printf(i == 0 ? "  Evidence    " : "              ");
        if (fact->text[0] != '\0') {
            printf("%s: %s\n", fact->name, fact->text);
            continue;
        }
        printf("%s: %s %s", fact->name, count_text(fact->number, number, sizeof number), fact->unit);
        range_of(outcome, fact->name, &least, &most);
        if (least < most)
            printf(" (attempts: %" PRIu64 " to %" PRIu64 ")", least, most);
        putchar('\n');
    }
}

static void
print_code(const struct lab_entry *entry)
{
    for (size_t i = 0; i < lab_code_count; i++) {
        if (strcmp(lab_code[i].entry, entry->name) != 0)
            continue;
        printf("\n  The C that ran (%s, from line %u):\n\n", lab_code[i].file, lab_code[i].line);
        for (const char *next = lab_code[i].text; *next != '\0'; next += strcspn(next, "\n") + 1)
            printf("      %.*s\n", (int)strcspn(next, "\n"), next);
    }
}

void
lab_print_story(const struct lab_outcome *outcome, const struct lab_options *options)
{
    const struct lab_entry *entry = outcome->entry;
    const struct lab_record *record = outcome->record;
    char text[2 * LAB_TEXT_BYTES + 4];

    printf("%s (%s)\n", entry->name, lab_topic_name(entry->topic));
    print_field("Statement", entry->statement);
    print_field("Source", entry->source);
    if (options->twist)
        print_field("Twisted", entry->twist);
    snprintf(text, sizeof text, "%s (%u of %u attempts)", lab_verdict_name(outcome->verdict),
             outcome->tally[outcome->verdict], outcome->planned);
    print_field("Verdict", text);
    if (outcome->verdict == LAB_NOT_TRIED)
        print_field("Reason", outcome->reason);
    if (outcome->verdict == LAB_ONLY_IF)
        print_field("Only if", outcome->condition);
    if (record->summary[0] != '\0')
        print_field("Seen", record->summary);
    for (unsigned i = 0; i < record->step_count; i++)
        print_field(i == 0 ? "Done" : "", record->steps[i]);
    print_facts(outcome);
    for (unsigned i = 0; i < record->moment_count; i++) {
        snprintf(text, sizeof text, "%10.3f ms  %s", (double)record->moments[i].at_ns / 1e6, record->moments[i].what);
        print_field(i == 0 ? "Timeline" : "", text);
    }
    if (record->controlled) {
        snprintf(text, sizeof text, "%s: %s", record->control_change, record->control_outcome);
        print_field("Control", text);
    }
    if (record->why[0] != '\0')
        print_field("Why", record->why);
    if (record->skipped[0] != '\0')
        print_field("Skipped", record->skipped);
    if (outcome->again > 0) {
        snprintf(text, sizeof text, "%u attempts were made again, because the machine was too busy", outcome->again);
        print_field("Again", text);
    }
    print_code(entry);
}

/* Every attempt's value of the fact, in their order. */
static void
write_values(struct json *json, const struct lab_outcome *outcome, const struct lab_fact *fact)
{
    json_open_array(json, "attempts");
    for (unsigned i = 0; i < outcome->planned; i++) {
        const struct lab_record *record = &outcome->records[i];
        for (unsigned f = 0; f < record->fact_count; f++) {
            const struct lab_fact *other = &record->facts[f];
            if (strcmp(other->name, fact->name) != 0)
                continue;
            if (other->text[0] != '\0')
                json_text(json, NULL, other->text);
            else
                json_count(json, NULL, other->number);
        }
    }
    json_close_array(json);
}

static void
write_evidence(struct json *json, const struct lab_outcome *outcome)
{
    const struct lab_record *record = outcome->record;

    json_open_array(json, "evidence");
    for (unsigned i = 0; i < record->fact_count; i++) {
        const struct lab_fact *fact = &record->facts[i];
        bool word = fact->text[0] != '\0';
        json_open_object(json, NULL);
        json_text(json, "name", fact->name);
        if (word)
            json_text(json, "value", fact->text);
        else
            json_count(json, "value", fact->number);
        json_text(json, "unit", word || fact->unit[0] == '\0' ? NULL : fact->unit);
        write_values(json, outcome, fact);
        json_close_object(json);
    }
    json_close_array(json);
}

static void
write_code(struct json *json, const struct lab_entry *entry)
{
    json_open_array(json, "code");
    for (size_t i = 0; i < lab_code_count; i++) {
        if (strcmp(lab_code[i].entry, entry->name) != 0)
            continue;
        json_open_object(json, NULL);
        json_text(json, "file", lab_code[i].file);
        json_count(json, "line", lab_code[i].line);
        json_text(json, "text", lab_code[i].text);
        json_close_object(json);
    }
    json_close_array(json);
}

static void
write_record(struct json *json, const struct lab_record *record)
{
    json_text(json, "why", record->why[0] != '\0' ? record->why : NULL);
    json_text(json, "skipped", record->skipped[0] != '\0' ? record->skipped : NULL);
    json_open_array(json, "steps");
    for (unsigned i = 0; i < record->step_count; i++)
        json_text(json, NULL, record->steps[i]);
    json_close_array(json);
    json_open_array(json, "timeline");
    for (unsigned i = 0; i < record->moment_count; i++) {
        json_open_object(json, NULL);
        json_count(json, "at_ns", record->moments[i].at_ns);
        json_text(json, "what", record->moments[i].what);
        json_close_object(json);
    }
    json_close_array(json);
    if (!record->controlled) {
        json_null(json, "control");
        return;
    }
    json_open_object(json, "control");
    json_text(json, "change", record->control_change);
    json_text(json, "outcome", record->control_outcome);
    json_boolean(json, "sound", record->control_sound);
    json_close_object(json);
}

/* How long the longest attempt took. */
static uint64_t
longest_attempt_ns(const struct lab_outcome *outcome)
{
    uint64_t longest_ns = 0;

    for (unsigned i = 0; i < outcome->planned; i++) {
        const struct lab_record *record = &outcome->records[i];
        if (record->ended_ns > record->began_ns && record->ended_ns - record->began_ns > longest_ns)
            longest_ns = record->ended_ns - record->began_ns;
    }
    return longest_ns;
}

static void
write_entry(struct json *json, const struct lab_outcome *outcome)
{
    static const struct {
        unsigned bit;
        const char *name;
    } needs[] = {
        {LAB_ROOT, "root"}, {LAB_NAMESPACE, "network namespace"}, {LAB_INET6, "inet6"}, {LAB_FILTER, "socket filter"}};
    const struct lab_entry *entry = outcome->entry;
    const struct lab_record *record = outcome->record;

    json_open_object(json, NULL);
    json_text(json, "name", entry->name);
    json_text(json, "topic", lab_topic_name(entry->topic));
    json_text(json, "statement", entry->statement);
    json_text(json, "source", entry->source);
    json_text(json, "twist", entry->twist);
    json_open_array(json, "needs");
    for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++)
        if ((entry->needs & needs[i].bit) != 0)
            json_text(json, NULL, needs[i].name);
    json_close_array(json);
    json_text(json, "verdict", lab_verdict_name(outcome->verdict));
    json_text(json, "condition", outcome->verdict == LAB_ONLY_IF ? outcome->condition : NULL);
    json_text(json, "reason", outcome->verdict == LAB_NOT_TRIED ? outcome->reason : NULL);
    json_text(json, "summary", record->summary[0] != '\0' ? record->summary : NULL);
    write_evidence(json, outcome);
    write_record(json, record);
    json_open_object(json, "attempts");
    json_count(json, "planned", outcome->planned);
    for (int verdict = 0; verdict < LAB_VERDICTS; verdict++)
        json_count(json, lab_verdict_name((enum lab_verdict)verdict), outcome->tally[verdict]);
    json_count(json, "made_again", outcome->again);
    json_count(json, "longest_ns", longest_attempt_ns(outcome));
    json_close_object(json);
    write_code(json, entry);
    json_close_object(json);
}

void
lab_print_json(const struct lab_outcome *outcomes, size_t count, const struct lab_options *options)
{
    struct json json = json_begin(stdout, false);
    char text[128];

    json_open_object(&json, NULL);
    json_text(&json, "schema", "tinygram-lab/1");
    json_text(&json, "version", TINYGRAM_VERSION);
    json_boolean(&json, "twisted", options->twist);
    json_boolean(&json, "thorough", options->thorough);
    json_open_object(&json, "machine");
    machine_write_members(&json);
    json_count(&json, "loopback_mss", loopback_mss());
    json_open_object(&json, "sysctl");
    for (size_t i = 0; i < SYSCTLS; i++)
        json_text(&json, sysctls[i], read_sysctl(sysctls[i], text, sizeof text));
    json_close_object(&json);
    json_close_object(&json);
    json_open_array(&json, "entries");
    for (size_t i = 0; i < count; i++)
        write_entry(&json, &outcomes[i]);
    json_close_array(&json);
    json_close_object(&json);
    json_end(&json);
}
