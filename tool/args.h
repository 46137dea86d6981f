/*
 * args.h: ONE table of program options; the parser, --help, the man page, the README's table and
 * `tinygram help --json` are made from it (help.c). The socket options come from sockopt.h's table.
 */
#ifndef TINYGRAM_ARGS_H
#define TINYGRAM_ARGS_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"

/* The subcommands as bits, so that a row can name those that take it. */
enum command {
    COMMAND_RECV = 1,
    COMMAND_SEND = 2,
    COMMAND_PAIR = 4,
    COMMAND_OPTIONS = 8,
    COMMAND_HELP = 16,
    COMMAND_VERSION = 32,
    COMMAND_CLIFF = 64,
    COMMAND_SLICES = 128,
    COMMAND_ARM = 256, /* what `slices` starts */
    COMMAND_LAB = 512
};

/* A row: how a value is read is the parser's affair; the rest is for people. */
struct args_row {
    const char *name;     /* without dashes */
    const char *value;    /* what stands behind it in the help; NULL: it takes none */
    const char *group;    /* workload, setting, output, receiver, ...; "proof": for tests, in no help */
    const char *fallback; /* default, as it would be typed; NULL: none */
    unsigned commands;
    int (*parse)(const char *text, void *field);
    size_t offset; /* of the field in struct config */
    const char *doc;
};

/* The table and its length. */
extern const struct args_row args_table[];
extern const size_t args_count;

/* Fills *config with the defaults and then with argv[2...] of subcommand `command`; argv strings are kept by
 * reference. Returns 0, or -1 with STATUS_USAGE: the option, its value, what is right, the nearest name. */
int args_parse(enum command command, int argc, char **argv, struct config *config);

/* Whether subcommand `command` has the option that `argument` ("--NAME" or "--NAME=VALUE") names, and whether it takes
 * a value. */
bool args_known(enum command command, const char *argument, bool *takes_value);

/* How many letters must change, come or go to make one short name of the other; UINT_MAX when `b` is too long. */
unsigned args_edits(const char *a, const char *b);

/* The word of enum value `value` in option `name` ("write" for SEND_WRITE in "send-with"). */
const char *args_choice(const char *name, int value);

/* The name of an address family as the command line spells it. */
const char *args_family(int family);

#endif
