/*
 * code.h: the lines of C that show an entry, taken from its source when the program is built: what is printed is what
 * ran. A region stands between a comment "show NAME" and a comment "shown"; several of one name follow each other.
 */
#ifndef TINYGRAM_LAB_CODE_H
#define TINYGRAM_LAB_CODE_H

#include <stddef.h>

struct lab_code {
    const char *entry;
    const char *file; /* from the top of the repository */
    unsigned line;    /* of the region's first line */
    const char *text;
};

extern const struct lab_code lab_code[];
extern const size_t lab_code_count;

#endif
