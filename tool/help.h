/* help.h: everything that is written about the options, made from the two tables. */
#ifndef TINYGRAM_HELP_H
#define TINYGRAM_HELP_H

#include "err.h"

/* `tinygram help [--man|--markdown|--json]`. Returns the exit status. */
enum status help_main(int argc, char **argv);

/* The short usage, to standard error. */
void help_usage(void);

#endif
