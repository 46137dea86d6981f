/* show.c: see show.h. */
#include "lab/show.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "clock.h"
#include "err.h"
#include "json.h"
#include "lab/code.h"
#include "lab/sysctl.h"
#include "machine.h"
#include "net.h"
#include "system.h"
#include "tcpinfo.h"
#include "version.h"

#define WIDTH_LEAST 60
#define WIDTH_MOST 120 /* longer lines are hard to follow */
#define WIDTH_ELSE 100 /* where nobody says how wide the page is */

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
count_text(uint64_t number, char *text, size_t size)
{
    if (number == MISSING)
        snprintf(text, size, "unknown");
    else
        snprintf(text, size, "%" PRIu64, number);
    return text;
}

/* Columns of the page: of the terminal, or what COLUMNS says. */
static int
page_width(void)
{
    struct winsize window = {.ws_col = 0};
    const char *text = getenv("COLUMNS");
    intmax_t width = 0;

    if (text != NULL)
        width = strtoimax(text, NULL, 10);
    else if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0)
        width = window.ws_col;
    if (width <= 0)
        width = WIDTH_ELSE;
    return width < WIDTH_LEAST ? WIDTH_LEAST : width > WIDTH_MOST ? WIDTH_MOST : (int)width;
}

/* Prints `text` from column `left` on, where the line stands already, and goes on in new lines at that column. */
static void
print_wrapped(int left, const char *text)
{
    int width = page_width(), column = left;

    while (*text != '\0') {
        int blanks = (int)strspn(text, " "), len = (int)strcspn(text + blanks, " ");
        if (column > left && column + blanks + len > width) {
            printf("\n%*s", left, "");
            column = left;
            blanks = 0;
            text += strspn(text, " ");
        }
        printf("%.*s", blanks + len, text);
        column += blanks + len;
        text += blanks + len;
    }
    putchar('\n');
}

#define FIELD_COLUMN 14

/* Prints `text` behind `label`. */
static void
print_field(const char *label, const char *text)
{
    printf("  %-*s", FIELD_COLUMN - 2, label);
    print_wrapped(FIELD_COLUMN, text);
}

/* The default congestion control. */
static const char *
default_congestion(char *text, size_t size)
{
    if (system_read_text("/proc/sys/net/ipv4/tcp_congestion_control", text, size) != 0)
        snprintf(text, size, "unknown");
    return text;
}

static void
print_machine(void)
{
    char cc[64], hz[24], mss[24], text[320];
    struct utsname names = {.release = "unknown"};

    uname(&names);
    snprintf(text, sizeof text,
             "Linux %.60s, HZ %s, default congestion control %s (the lab's own connections use reno, which does not "
             "pace), MSS of loopback %s.",
             names.release, count_text(machine_hz(), hz, sizeof hz), default_congestion(cc, sizeof cc),
             count_text(loopback_mss(), mss, sizeof mss));
    print_wrapped(0, text);
}

/* A sysctl as sysctl(8) writes and takes it, and what the attempt set it to. Returns its length. */
static size_t
sysctl_text(const struct lab_sysctl_seen *seen, char *text, size_t size)
{
    const char *quote = strchr(seen->value, ' ') != NULL ? "\"" : "";
    int len;

    if (seen->value[0] == '\0')
        len = snprintf(text, size, "no %s in this kernel", seen->name);
    else
        len = snprintf(text, size, "%s=%s%s%s%s%s", seen->name, quote, seen->value, quote,
                       seen->then[0] != '\0' ? ", here set to " : "", seen->then);
    return len < 0 ? 0 : (size_t)len < size ? (size_t)len : size - 1;
}

/* The sysctls that matter for an outcome; "" where none does. */
static const char *
sysctls_text(const struct lab_record *record, char *text, size_t size)
{
    size_t used = 0;

    text[0] = '\0';
    for (unsigned i = 0; i < record->sysctl_count && used + 3 < size; i++) {
        used += (size_t)snprintf(text + used, size - used, "%s", i > 0 ? "; " : "");
        used += sysctl_text(&record->sysctls[i], text + used, size - used);
    }
    return text;
}

/* `text` as a sentence. */
static const char *
sentence(const char *before, const char *text, char *made, size_t size)
{
    snprintf(made, size, "%s%s%s", before, text, text[0] != '\0' && text[strlen(text) - 1] == '.' ? "" : ".");
    return made;
}

void
lab_print_list(const struct lab_entry *const *chosen, size_t count)
{
    for (size_t i = 0; i < count; i++)
        printf("%-9s %-28s %s\n", lab_topic_name(chosen[i]->topic), chosen[i]->name, chosen[i]->statement);
}

#define VERDICT_COLUMN 17

/* An entry of the table: verdict, name and statement; what decided; the sysctls that matter. */
static void
print_row(const struct lab_outcome *outcome)
{
    char text[LAB_SYSCTLS * sizeof(struct lab_sysctl_seen) + LAB_TEXT_BYTES], made[sizeof text + 32];

    snprintf(text, sizeof text, "%s: %s", outcome->entry->name, outcome->entry->statement);
    printf("  %-*s", VERDICT_COLUMN - 2, lab_verdict_name(outcome->verdict));
    print_wrapped(VERDICT_COLUMN, text);
    const struct {
        const char *before, *text;
    } lines[] = {{"Why not: ", outcome->verdict == LAB_NOT_TRIED ? outcome->reason : ""},
                 {"What to do: ", outcome->verdict == LAB_NOT_TRIED ? outcome->remedy : ""},
                 {"Only if ", outcome->verdict == LAB_ONLY_IF ? outcome->condition : ""},
                 {"Seen: ", outcome->verdict != LAB_NOT_TRIED ? outcome->record->summary : ""},
                 {"With ", sysctls_text(outcome->record, text, sizeof text)}};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        if (lines[i].text[0] != '\0') {
            printf("%*s", VERDICT_COLUMN, "");
            print_wrapped(VERDICT_COLUMN, sentence(lines[i].before, lines[i].text, made, sizeof made));
        }
}

void
lab_print_table(const struct lab_outcome *outcomes, size_t count)
{
    char text[240];
    unsigned tally[LAB_VERDICTS] = {0};

    print_machine();
    for (int topic = 0; topic < LAB_TOPICS; topic++) {
        bool first = true;
        for (size_t i = 0; i < count; i++) {
            if ((int)outcomes[i].entry->topic != topic)
                continue;
            if (first)
                printf("\n%s\n", lab_topic_name(outcomes[i].entry->topic));
            first = false;
            print_row(&outcomes[i]);
            tally[outcomes[i].verdict]++;
        }
    }
    putchar('\n');
    snprintf(text, sizeof text,
             "%zu statements: %u hold, %u do not hold, %u hold only under a condition, %u were not tried. `tinygram "
             "lab NAME` tells the whole story of one.",
             count, tally[LAB_HOLDS], tally[LAB_FAILS], tally[LAB_ONLY_IF], tally[LAB_NOT_TRIED]);
    print_wrapped(0, text);
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
    char number[24], text[sizeof record->facts[0] + 96];

    for (unsigned i = 0; i < record->fact_count; i++) {
        const struct lab_fact *fact = &record->facts[i];
        const char *label = i == 0 ? "Evidence" : "";
        uint64_t least, most;
        int used;
        if (fact->text[0] != '\0') {
            snprintf(text, sizeof text, "%s: %s", fact->name, fact->text);
            print_field(label, text);
            continue;
        }
        used = snprintf(text, sizeof text, "%s: %s%s%s", fact->name, count_text(fact->number, number, sizeof number),
                        fact->unit[0] != '\0' ? " " : "", fact->unit);
        range_of(outcome, fact->name, &least, &most);
        if (least < most)
            snprintf(text + used, sizeof text - (size_t)used, " (attempts: %" PRIu64 " to %" PRIu64 ")", least, most);
        print_field(label, text);
    }
}

/* What was in force: a verdict may depend on it. */
static void
print_settings(const struct lab_record *record)
{
    char cc[64], hz[24], mss[24], text[240], each[sizeof(struct lab_sysctl_seen) + 40];

    bool own = record->congestion[0] != '\0';
    bool limited = record->mss != MISSING && record->mss != 0;
    snprintf(text, sizeof text, "HZ %s; congestion control %s%s; MSS %s%s", count_text(machine_hz(), hz, sizeof hz),
             own ? record->congestion : default_congestion(cc, sizeof cc), own ? "" : " (the default)",
             count_text(limited ? record->mss : loopback_mss(), mss, sizeof mss),
             limited ? " (limited with TCP_MAXSEG)" : " (of loopback)");
    print_field("With", text);
    for (unsigned i = 0; i < record->sysctl_count; i++) {
        sysctl_text(&record->sysctls[i], each, sizeof each);
        print_field("", each);
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
    if (outcome->verdict == LAB_NOT_TRIED) {
        print_field("Reason", outcome->reason);
        print_field("What to do", outcome->remedy);
    }
    if (outcome->verdict == LAB_ONLY_IF)
        print_field("Only if", outcome->condition);
    if (record->summary[0] != '\0')
        print_field("Seen", record->summary);
    print_settings(record);
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
    if (!options->twist) {
        snprintf(text, sizeof text, "what changes the verdict: %s", entry->twist);
        print_field("Otherwise", text);
    }
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

/* The series of the first attempt, one after the other, each with its points in the order of their making. */
static void
write_series(struct json *json, const struct lab_record *record)
{
    json_open_array(json, "series");
    for (unsigned first = 0; first < record->sample_count; first++) {
        const struct lab_sample *sample = &record->samples[first];
        unsigned earlier = 0;
        while (strcmp(record->samples[earlier].series, sample->series) != 0)
            earlier++;
        if (earlier < first) /* written already */
            continue;
        json_open_object(json, NULL);
        json_text(json, "name", sample->series);
        json_text(json, "x_unit", sample->x_unit);
        json_text(json, "y_unit", sample->y_unit);
        json_open_array(json, "points");
        for (unsigned i = first; i < record->sample_count; i++) {
            if (strcmp(record->samples[i].series, sample->series) != 0)
                continue;
            json_open_array(json, NULL);
            json_count(json, NULL, record->samples[i].x);
            json_count(json, NULL, record->samples[i].y);
            json_close_array(json);
        }
        json_close_array(json);
        json_close_object(json);
    }
    json_close_array(json);
}

/* HZ is the machine's; the rest of what the verdict depends on is the attempt's own. */
static void
write_dependence(struct json *json, const struct lab_record *record)
{
    json_text(json, "congestion", record->congestion[0] != '\0' ? record->congestion : NULL);
    json_count(json, "mss", record->mss);
    json_open_array(json, "sysctls");
    for (unsigned i = 0; i < record->sysctl_count; i++) {
        const struct lab_sysctl_seen *seen = &record->sysctls[i];
        json_open_object(json, NULL);
        json_text(json, "name", seen->name);
        json_text(json, "value", seen->value[0] != '\0' ? seen->value : NULL);
        json_text(json, "set_to", seen->then[0] != '\0' ? seen->then : NULL);
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
    json_text(json, "remedy", outcome->verdict == LAB_NOT_TRIED ? outcome->remedy : NULL);
    json_text(json, "summary", record->summary[0] != '\0' ? record->summary : NULL);
    write_dependence(json, record);
    write_evidence(json, outcome);
    write_series(json, &outcome->records[0]);
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

/* Every sysctl that an entry of the table names, as the machine has it. */
static void
write_sysctls(struct json *json)
{
    char name[64], other[64], text[128];

    json_open_object(json, "sysctl");
    for (size_t i = 0; i < lab_entry_count; i++)
        for (const char *list = lab_entries[i].sysctls; lab_sysctl_next(&list, name, sizeof name);) {
            bool written = false;
            for (size_t j = 0; j <= i && !written; j++)
                for (const char *before = lab_entries[j].sysctls;
                     !(j == i && before == list) && lab_sysctl_next(&before, other, sizeof other);)
                    written = written || (strcmp(name, other) == 0 && !(j == i && before == list));
            if (!written)
                json_text(json, name, lab_sysctl_read(name, text, sizeof text));
        }
    json_close_object(json);
}

void
lab_print_json(const struct lab_outcome *outcomes, size_t count, const struct lab_options *options)
{
    struct json json = json_begin(stdout, false);

    json_open_object(&json, NULL);
    json_text(&json, "schema", "tinygram-lab/1");
    json_text(&json, "version", TINYGRAM_VERSION);
    json_boolean(&json, "twisted", options->twist);
    json_boolean(&json, "thorough", options->thorough);
    json_open_object(&json, "machine");
    machine_write_members(&json);
    json_count(&json, "loopback_mss", loopback_mss());
    write_sysctls(&json);
    json_close_object(&json);
    json_open_array(&json, "entries");
    for (size_t i = 0; i < count; i++)
        write_entry(&json, &outcomes[i]);
    json_close_array(&json);
    json_close_object(&json);
    json_end(&json);
}
