/* lab.c: `tinygram lab`: which entries, and how they are shown. See lab.h. */
#include "lab.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "args.h"
#include "interrupt.h"
#include "lab/case.h"
#include "lab/run.h"
#include "lab/show.h"
#include "outfile.h"

/* Edits between two words, not counting those of letters' case; two letters that changed places are one. */
static unsigned
edits(const char *a, const char *b)
{
    char low[2][64];
    const char *words[2] = {a, b};
    unsigned swapped = 0;

    for (int w = 0; w < 2; w++) {
        size_t i = 0;
        for (; words[w][i] != '\0' && i < sizeof low[w] - 1; i++)
            low[w][i] = (char)tolower((unsigned char)words[w][i]);
        low[w][i] = '\0';
    }
    for (size_t i = 0; low[0][i] != '\0' && low[0][i + 1] != '\0' && low[1][i] != '\0'; i++)
        if (low[0][i] != low[1][i] && low[0][i] == low[1][i + 1] && low[0][i + 1] == low[1][i]) {
            char first = low[0][i];
            low[0][i] = low[0][i + 1];
            low[0][i + 1] = first;
            swapped++;
        }
    return args_edits(low[0], low[1]) + swapped;
}

/* The next word of a name, such as "has" of "nagle-has-a-timer". */
static bool
next_word(const char **name, char *word, size_t size)
{
    *name += strspn(*name, "-_ ");
    size_t len = strcspn(*name, "-_ ");
    snprintf(word, size, "%.*s", (int)len, *name);
    *name += len;
    return len > 0;
}

/* How far `wanted` is from `name`: edits of the whole, or of each word of it to the nearest word of `name`. */
static unsigned
distance(const char *wanted, const char *name)
{
    unsigned whole = edits(wanted, name), words = 0, words_count = 0;
    char word[64], other[64];

    for (const char *rest = wanted; next_word(&rest, word, sizeof word);) {
        unsigned nearest = (unsigned)strlen(word);
        for (const char *next = name; next_word(&next, other, sizeof other);) {
            bool begins = strlen(word) >= 3 && strncasecmp(other, word, strlen(word)) == 0;
            unsigned count = begins ? 0 : edits(word, other);
            nearest = count < nearest ? count : nearest;
        }
        words += nearest;
        words_count++;
    }
    return words_count == 0 || whole < words ? whole : words;
}

/* The error for a name that neither an entry nor a topic has: with the nearest ones. */
static int
refuse_name(const char *name)
{
    char near[ERR_TEXT_BYTES / 2] = "";

    if (name[0] == '-' && name[1] != '\0') /* options have two dashes here */
        return err_set(STATUS_USAGE, "there is no option '%.60s' here; see `tinygram help`", name);
    unsigned fewest = UINT32_MAX, found = 0, most = (unsigned)strlen(name) / 3 + (strlen(name) > 8 ? 1 : 0);

    for (size_t i = 0; i < LAB_TOPICS + lab_entry_count; i++) {
        const char *other = i < LAB_TOPICS ? lab_topic_name((enum lab_topic)i) : lab_entries[i - LAB_TOPICS].name;
        unsigned count = distance(name, other);
        fewest = count < fewest ? count : fewest;
    }
    for (size_t i = 0; i < LAB_TOPICS + lab_entry_count && found < 3; i++) {
        const char *other = i < LAB_TOPICS ? lab_topic_name((enum lab_topic)i) : lab_entries[i - LAB_TOPICS].name;
        bool part = strlen(name) >= 3 && strstr(other, name) != NULL;
        if (!part && (fewest > most || distance(name, other) != fewest))
            continue;
        size_t used = strlen(near);
        snprintf(near + used, sizeof near - used, "%s%s", found > 0 ? ", " : "", other);
        found++;
    }
    if (found == 0)
        return err_set(STATUS_USAGE, "the lab has no entry and no topic '%.60s'; `tinygram lab --list` names them all",
                       name);
    return err_set(STATUS_USAGE, "the lab has no entry and no topic '%.60s'; did you mean %s?", name, near);
}

/* Whether `entry` is what `name` names: itself or, by that alone, its topic. */
static bool
is_named(const struct lab_entry *entry, const char *name)
{
    return strcmp(entry->name, name) == 0 || strcasecmp(lab_topic_name(entry->topic), name) == 0;
}

/* The entries that were named, by themselves or by their topic, or all; `stories`: one was named by itself. Returns how
 * many, or -1 with an error. */
static int
choose(const struct config *config, const struct lab_entry **chosen, bool *stories)
{
    size_t count = 0;

    *stories = false;
    for (int topic = 0; config->name_count == 0 && topic < LAB_TOPICS; topic++)
        for (size_t i = 0; i < lab_entry_count; i++)
            if ((int)lab_entries[i].topic == topic)
                chosen[count++] = &lab_entries[i];
    for (size_t n = 0; n < config->name_count; n++) {
        bool known = false;
        for (size_t i = 0; i < lab_entry_count; i++) {
            if (!is_named(&lab_entries[i], config->names[n]))
                continue;
            known = true;
            *stories = *stories || strcmp(lab_entries[i].name, config->names[n]) == 0;
            bool twice = false;
            for (size_t c = 0; c < count; c++)
                twice = twice || chosen[c] == &lab_entries[i];
            if (!twice)
                chosen[count++] = &lab_entries[i];
        }
        if (!known)
            return refuse_name(config->names[n]);
    }
    return (int)count;
}

/* How what was found out is told. */
struct telling {
    const struct config *config;
    const struct lab_options *options;
    bool stories; /* in place of the table */
};

static void
show(const struct lab_outcome *outcomes, size_t count, const struct telling *telling)
{
    if (telling->config->json)
        lab_print_json(outcomes, count, telling->options);
    else if (!telling->stories)
        lab_print_table(outcomes, count);
    else
        for (size_t i = 0; i < count; i++) {
            if (i > 0)
                putchar('\n');
            lab_print_story(&outcomes[i], telling->options);
        }
}

enum status
lab_main(const struct config *config)
{
    struct lab_options options = {.repeats = (unsigned)config->attempts,
                                  .thorough = config->thorough,
                                  .twist = config->twist,
                                  .progress = isatty(STDERR_FILENO) == 1};
    const struct lab_entry **chosen = calloc(lab_entry_count, sizeof(const struct lab_entry *));
    struct lab_outcome *outcomes = calloc(lab_entry_count, sizeof *outcomes);
    struct telling telling = {.config = config, .options = &options};
    int count = -1;

    interrupt_install();
    if (chosen == NULL || outcomes == NULL)
        err_set(STATUS_REFUSED, "no memory for the lab");
    else if (config->list && config->json)
        err_set(STATUS_USAGE, "--list has no JSON: leave --json out, or --list to try the statements");
    else
        count = choose(config, chosen, &telling.stories);
    if (count > 0 && config->list)
        lab_print_list(chosen, (size_t)count);
    else if (count > 0) {
        if (lab_run(chosen, (size_t)count, &options, outcomes) == 0)
            show(outcomes, (size_t)count, &telling);
        lab_free(outcomes, (size_t)count);
    }
    if (count > 0)
        outfile_flush_stdout();
    free(chosen);
    free(outcomes);
    if (err_status() != STATUS_DONE)
        return err_status();
    return interrupt_seen() ? STATUS_INTERRUPTED : STATUS_DONE;
}
