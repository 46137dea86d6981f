/* entries.c: the table of entries.h as data. */
#include "lab/pictures.h"
#include "lab/topics.h"

#define LAB_ENTRY(function, name_, topic_, statement_, source_, twist_, ...)                                           \
    {.name = (name_),                                                                                                  \
     .topic = (topic_),                                                                                                \
     .statement = (statement_),                                                                                        \
     .source = (source_),                                                                                              \
     .twist = (twist_),                                                                                                \
     .run = lab_##function,                                                                                            \
     __VA_ARGS__},

const struct lab_entry lab_entries[] = {
#include "lab/entries.h"
};

const size_t lab_entry_count = sizeof lab_entries / sizeof lab_entries[0];
