/* lab.c: `tinygram lab`: which entries, and how they are shown. See lab.h. */
#include "lab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "interrupt.h"
#include "lab/case.h"
#include "lab/run.h"
#include "lab/show.h"
#include "outfile.h"

/* The error for a name that no entry has: with the nearest ones. */
static int
refuse_name(const char *name)
{
    char near[ERR_TEXT_BYTES / 2] = "";
    unsigned fewest = UINT32_MAX, found = 0;

    for (size_t i = 0; i < lab_entry_count; i++) {
        unsigned count = args_edits(name, lab_entries[i].name);
        fewest = count < fewest ? count : fewest;
    }
    for (size_t i = 0; i < lab_entry_count && found < 3; i++) {
        bool part = strlen(name) >= 3 && strstr(lab_entries[i].name, name) != NULL;
        if (!part && (fewest > 5 || args_edits(name, lab_entries[i].name) != fewest))
            continue;
        size_t used = strlen(near);
        snprintf(near + used, sizeof near - used, "%s%s", found > 0 ? ", " : "", lab_entries[i].name);
        found++;
    }
    if (found == 0)
        return err_set(STATUS_USAGE, "the lab has no entry '%.60s'; `tinygram lab --list` names them all", name);
    return err_set(STATUS_USAGE, "the lab has no entry '%.60s'; did you mean %s?", name, near);
}

/* The entries that were named, or all. Returns how many, or -1 with an error. */
static int
choose(const struct config *config, const struct lab_entry **chosen)
{
    size_t count = 0;

    for (size_t i = 0; config->name_count == 0 && i < lab_entry_count; i++)
        chosen[count++] = &lab_entries[i];
    for (size_t n = 0; n < config->name_count; n++) {
        size_t i = 0;
        while (i < lab_entry_count && strcmp(lab_entries[i].name, config->names[n]) != 0)
            i++;
        if (i == lab_entry_count)
            return refuse_name(config->names[n]);
        bool twice = false;
        for (size_t c = 0; c < count; c++)
            twice = twice || chosen[c] == &lab_entries[i];
        if (!twice)
            chosen[count++] = &lab_entries[i];
    }
    return (int)count;
}

static void
show(const struct lab_outcome *outcomes, size_t count, const struct config *config, const struct lab_options *options)
{
    if (config->json)
        lab_print_json(outcomes, count, options);
    else if (config->name_count == 0)
        lab_print_table(outcomes, count);
    else
        for (size_t i = 0; i < count; i++) {
            if (i > 0)
                putchar('\n');
            lab_print_story(&outcomes[i], options);
        }
}

enum status
lab_main(const struct config *config)
{
    struct lab_options options = {
        .repeats = (unsigned)config->attempts, .thorough = config->thorough, .twist = config->twist};
    const struct lab_entry **chosen = calloc(lab_entry_count, sizeof(const struct lab_entry *));
    struct lab_outcome *outcomes = calloc(lab_entry_count, sizeof *outcomes);
    int count = -1;

    interrupt_install();
    if (chosen == NULL || outcomes == NULL)
        err_set(STATUS_REFUSED, "no memory for the lab");
    else
        count = choose(config, chosen);
    if (count > 0 && config->list)
        lab_print_list(chosen, (size_t)count);
    else if (count > 0) {
        if (lab_run(chosen, (size_t)count, &options, outcomes) == 0)
            show(outcomes, (size_t)count, config, &options);
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
