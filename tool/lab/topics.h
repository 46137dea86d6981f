/* topics.h: the functions of all entries, declared for the files that define them. */
#ifndef TINYGRAM_LAB_TOPICS_H
#define TINYGRAM_LAB_TOPICS_H

#include "lab/case.h"

#define LAB_ENTRY(function, ...) void lab_##function(struct lab_case *lab);
#include "lab/entries.h"
#undef LAB_ENTRY

#endif
