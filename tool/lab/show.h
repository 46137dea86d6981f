/*
 * show.h: what was found out, for people (a table, or the whole story of an entry) and for programs (JSON).
 */
#ifndef TINYGRAM_LAB_SHOW_H
#define TINYGRAM_LAB_SHOW_H

#include <stddef.h>

#include "lab/run.h"

/* Names, topics and statements; nothing is tried. */
void lab_print_list(const struct lab_entry *const *chosen, size_t count);

/* One line an entry, by topic. */
void lab_print_table(const struct lab_outcome *outcomes, size_t count);

/* All that is known of one entry. */
void lab_print_story(const struct lab_outcome *outcome, const struct lab_options *options);

/* {"schema", "machine", "entries": [...]} on standard output. */
void lab_print_json(const struct lab_outcome *outcomes, size_t count, const struct lab_options *options);

#endif
