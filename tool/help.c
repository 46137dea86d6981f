/* help.c: see help.h. */
#include "help.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "json.h"
#include "outfile.h"
#include "record.h"
#include "sockopt.h"
#include "version.h"

static const struct {
    const char *name;
    const char *operands;
    unsigned command;
    const char *doc;
} subcommands[] = {
    {"pair", "", COMMAND_PAIR, "Both ends on this host over loopback: one joint result."},
    {"send", "HOST PORT", COMMAND_SEND, "The sending end (with --family unix: PATH or @NAME instead of HOST PORT)."},
    {"recv", "", COMMAND_RECV, "The receiving end; listens on loopback unless told otherwise and serves many senders."},
    {"cliff", "", COMMAND_CLIFF,
     "Finds by bisection where goodput or latency jumps as one option changes, why, and what removes it."},
    {"slices", "", COMMAND_SLICES,
     "Two arms (settings, builds or environments) that take turns in slices: one invocation of a comparison, raw."},
    {"lab", "[NAME...]", COMMAND_LAB,
     "What textbooks say about sockets, tried on this kernel: a table (of a topic, if NAME is one), or for a NAME the "
     "whole story with its C."},
    {"options", "", COMMAND_OPTIONS,
     "Every socket option: what this kernel does when it is not set, what it takes, refuses and makes of it; tried."},
    {"help", "", COMMAND_HELP, "This text; --man prints the man page, --markdown and --json the tables of options."},
    {"version", "", COMMAND_VERSION, "Version, compiler and flags."},
};

#define SUBCOMMANDS (sizeof subcommands / sizeof subcommands[0])

static const struct {
    const char *name;
    const char *title;
} groups[] = {{"workload", "Workload"},
              {"setting", "Setting"},
              {"limit", "Limits (status 5)"},
              {"output", "Output"},
              {"receiver", "Receiver (recv)"},
              {"cliff", "Cliff"},
              {"comparison", "Comparison (slices)"},
              {"lab", "Lab"}};

#define GROUPS (sizeof groups / sizeof groups[0])

static const struct {
    int status;
    const char *meaning;
} statuses[] = {
    {STATUS_DONE, "done"},
    {STATUS_USAGE, "an argument is wrong, or names something that cannot be sent (a directory, an empty file)"},
    {STATUS_REFUSED, "the system refused: an option did not take effect, no permission, address in use, output not "
                     "writable"},
    {STATUS_FAILED, "the transfer failed, or its content differs"},
    {STATUS_LIMIT, "a limit given on the command line was passed"},
    {STATUS_INTERRUPTED, "interrupted; a partial result, marked so, was still written"},
};

#define STATUSES (sizeof statuses / sizeof statuses[0])

static const char *const sizes_and_times =
    "SIZE is a whole number of bytes, or with K, M or G (binary). T is a whole number with ns, us, ms or s. "
    "`auto` means: not set, the kernel decides.";

/* Names of the subcommands that take an option. */
static void
list_commands(unsigned commands, char *text, size_t size)
{
    text[0] = '\0';
    for (size_t i = 0; i < SUBCOMMANDS; i++) {
        size_t used = strlen(text);
        if ((subcommands[i].command & commands) != 0)
            snprintf(text + used, size - used, "%s%s", used > 0 ? ", " : "", subcommands[i].name);
    }
}

/* Prints `text` in lines of at most 100 columns, each behind `indent` blanks. */
static void
print_wrapped(FILE *stream, const char *text, int indent)
{
    int column = indent;

    fprintf(stream, "%*s", indent, "");
    while (*text != '\0') {
        int len = (int)strcspn(text, " ");
        if (column > indent && column + 1 + len > 100) {
            fprintf(stream, "\n%*s", indent, "");
            column = indent;
        } else if (column > indent) {
            fputc(' ', stream);
            column++;
        }
        fprintf(stream, "%.*s", len, text);
        column += len;
        text += len;
        text += strspn(text, " ");
    }
    fputc('\n', stream);
}

static void
print_row(const struct args_row *row)
{
    printf("  --%s%s%s", row->name, row->value != NULL ? " " : "", row->value != NULL ? row->value : "");
    if (row->fallback != NULL)
        printf("  (default: %s)", row->fallback);
    putchar('\n');
    print_wrapped(stdout, row->doc, 6);
}

static const char *
socket_value(const struct sockopt_row *row)
{
    static const char *const values[] = {"on|off", "N", "SIZE", "NAME"}; /* order of enum sockopt_kind */
    return values[row->kind];
}

static void
print_help(void)
{
    printf("tinygram " TINYGRAM_VERSION ": what Nagle's algorithm and the socket buffers do to your bytes\n\nUsage:\n");
    for (size_t i = 0; i < SUBCOMMANDS; i++) {
        printf("  tinygram %s%s%s%s\n", subcommands[i].name, subcommands[i].operands[0] ? " " : "",
               subcommands[i].operands, subcommands[i].command & (COMMAND_HELP | COMMAND_VERSION) ? "" : " [options]");
        print_wrapped(stdout, subcommands[i].doc, 6);
    }
    putchar('\n');
    print_wrapped(stdout, sizes_and_times, 0);
    for (size_t g = 0; g < GROUPS; g++) {
        printf("\n%s:\n", groups[g].title);
        for (size_t i = 0; i < args_count; i++)
            if (strcmp(args_table[i].group, groups[g].name) == 0)
                print_row(&args_table[i]);
    }
    printf("\nSocket options (send, pair; --send-NAME or --recv-NAME names the other end):\n");
    for (int option = 0; option < SOCKOPT_COUNT; option++) {
        const struct sockopt_row *row = sockopt_row(option);
        printf("  --%s %s  (%s, %s)\n", row->name, socket_value(row), row->kernel_name,
               row->end == SOCKOPT_SENDER ? "sender" : "receiver");
        print_wrapped(stdout, row->doc, 6);
    }
    printf("\nExit status:\n");
    for (size_t i = 0; i < STATUSES; i++)
        printf("  %-4d %s\n", statuses[i].status, statuses[i].meaning);
    printf("\nExamples:\n"
           "  tinygram pair --file /usr/bin/python3 --nodelay on --write-size 1448\n"
           "  tinygram pair --bytes 64M --sndbuf 16K --congestion cubic --cpus same --json -\n"
           "  tinygram recv --port 4242 --output /tmp & tinygram send 127.0.0.1 4242 --file /etc/services\n");
}

/* Text for roff: a hyphen that is a minus, and lines that must not begin with a control character. */
static void
print_roff(const char *text)
{
    for (bool line_start = true; *text != '\0'; text++) {
        if (line_start && (*text == '.' || *text == '\''))
            fputs("\\&", stdout);
        line_start = *text == '\n';
        if (*text == '\\')
            fputs("\\e", stdout);
        else if (*text == '-')
            fputs("\\-", stdout);
        else
            putchar(*text);
    }
}

static void
print_roff_option(const char *name, const char *value)
{
    printf(".TP\n.B \\-\\-");
    print_roff(name);
    if (value != NULL) {
        printf(" \\fI");
        print_roff(value);
        printf("\\fR");
    }
    putchar('\n');
}

static void
print_man(void)
{
    char commands[64];

    printf(".TH TINYGRAM 1 2026-11-22 \"tinygram " TINYGRAM_VERSION "\" \"User Commands\"\n"
           ".SH NAME\ntinygram \\- measure what Nagle's algorithm and the socket buffers do to your bytes\n"
           ".SH SYNOPSIS\n");
    for (size_t i = 0; i < SUBCOMMANDS; i++) {
        printf(".B tinygram %s\n", subcommands[i].name);
        if (subcommands[i].operands[0])
            printf("\\fI%s\\fR\n", subcommands[i].operands);
        printf("[\\fIoptions\\fR]\n%s", i + 1 < SUBCOMMANDS ? ".br\n" : "");
    }
    printf(".SH DESCRIPTION\n"
           "A sender and a receiver transfer a file over a socket, with every socket option set on purpose and read\n"
           "back on both ends. The result tells goodput, the latency of every chunk from before its write to after\n"
           "its last byte was read, the time inside and asleep in write, segments, calls and CPU time.\n");
    for (size_t i = 0; i < SUBCOMMANDS; i++) {
        printf(".TP\n.B %s\n", subcommands[i].name);
        print_roff(subcommands[i].doc);
        putchar('\n');
    }
    printf(".SH OPTIONS\n");
    print_roff(sizes_and_times);
    putchar('\n');
    for (size_t g = 0; g < GROUPS; g++) {
        printf(".SS %s\n", groups[g].title);
        for (size_t i = 0; i < args_count; i++) {
            const struct args_row *row = &args_table[i];
            if (strcmp(row->group, groups[g].name) != 0)
                continue;
            print_roff_option(row->name, row->value);
            print_roff(row->doc);
            list_commands(row->commands, commands, sizeof commands);
            printf("\n(%s", commands);
            if (row->fallback != NULL) {
                printf("; default: ");
                print_roff(row->fallback);
            }
            printf(")\n");
        }
    }
    printf(".SS Socket options (send, pair)\n"
           "\\fB\\-\\-send\\-\\fINAME\\fR and \\fB\\-\\-recv\\-\\fINAME\\fR set an option on the named end.\n"
           "An option that does not take effect ends the trial with status 3.\n");
    for (int option = 0; option < SOCKOPT_COUNT; option++) {
        const struct sockopt_row *row = sockopt_row(option);
        print_roff_option(row->name, socket_value(row));
        printf("%s, %s. ", row->kernel_name, row->end == SOCKOPT_SENDER ? "sender" : "receiver");
        print_roff(row->doc);
        putchar('\n');
    }
    printf(".SH EXIT STATUS\n");
    for (size_t i = 0; i < STATUSES; i++)
        printf(".TP\n.B %d\n%s\n", statuses[i].status, statuses[i].meaning);
    printf(".SH EXAMPLES\n.EX\n"
           "tinygram pair \\-\\-file /usr/bin/python3 \\-\\-nodelay on \\-\\-write\\-size 1448\n"
           "tinygram pair \\-\\-bytes 64M \\-\\-sndbuf 16K \\-\\-congestion cubic \\-\\-cpus same \\-\\-json \\-\n"
           ".EE\n"
           ".SH NOTES\n"
           "The protocol is not protected: the receiver listens on loopback unless told otherwise.\n"
           "Timestamps of the two ends are compared only under one kernel; across hosts the result has no latencies.\n"
           ".SH SEE ALSO\n.BR tcp (7),\n.BR socket (7),\n.BR ss (8)\n");
}

static void
print_markdown(void)
{
    char commands[64];

    for (size_t g = 0; g < GROUPS; g++) {
        printf("**%s**\n\n| option | default | for | meaning |\n|---|---|---|---|\n", groups[g].title);
        for (size_t i = 0; i < args_count; i++) {
            const struct args_row *row = &args_table[i];
            if (strcmp(row->group, groups[g].name) != 0)
                continue;
            list_commands(row->commands, commands, sizeof commands);
            printf("| `--%s%s", row->name, row->value != NULL ? " " : "");
            for (const char *next = row->value != NULL ? row->value : ""; *next != '\0'; next++)
                printf(*next == '|' ? "\\|" : "%c", *next);
            printf("` | %s | %s | %s |\n", row->fallback != NULL ? row->fallback : "", commands, row->doc);
        }
        putchar('\n');
    }
    printf("**Socket options** (`send`, `pair`)\n\n| option | kernel | end | meaning |\n|---|---|---|---|\n");
    for (int option = 0; option < SOCKOPT_COUNT; option++) {
        const struct sockopt_row *row = sockopt_row(option);
        printf("| `--%s` | `%s` | %s | %s |\n", row->name, row->kernel_name,
               row->end == SOCKOPT_SENDER ? "sender" : "receiver", row->doc);
    }
}

/* A row without a group is for the project's own proofs. */
static bool
is_shown(const struct args_row *row)
{
    for (size_t g = 0; g < GROUPS; g++)
        if (strcmp(row->group, groups[g].name) == 0)
            return true;
    return false;
}

static void
print_json(void)
{
    struct json json = json_begin(stdout, false);

    json_open_object(&json, NULL);
    record_write_build(&json);
    json_open_array(&json, "options");
    for (size_t i = 0; i < args_count; i++) {
        const struct args_row *row = &args_table[i];
        if (!is_shown(row))
            continue;
        json_open_object(&json, NULL);
        json_text(&json, "name", row->name);
        json_text(&json, "value", row->value);
        json_text(&json, "group", row->group);
        json_text(&json, "default", row->fallback);
        json_open_array(&json, "commands");
        for (size_t c = 0; c < SUBCOMMANDS; c++)
            if ((subcommands[c].command & row->commands) != 0)
                json_text(&json, NULL, subcommands[c].name);
        json_close_array(&json);
        json_text(&json, "doc", row->doc);
        json_close_object(&json);
    }
    json_close_array(&json);
    json_open_array(&json, "socket_options");
    for (int option = 0; option < SOCKOPT_COUNT; option++) {
        const struct sockopt_row *row = sockopt_row(option);
        json_open_object(&json, NULL);
        json_text(&json, "name", row->name);
        json_text(&json, "value", socket_value(row));
        json_text(&json, "end", row->end == SOCKOPT_SENDER ? "sender" : "receiver");
        json_text(&json, "kernel_name", row->kernel_name);
        json_text(&json, "doc", row->doc);
        json_close_object(&json);
    }
    json_close_array(&json);
    json_close_object(&json);
    json_end(&json);
}

enum status
help_main(int argc, char **argv)
{
    static const struct {
        const char *argument;
        void (*print)(void);
    } forms[] = {{"--man", print_man}, {"--markdown", print_markdown}, {"--json", print_json}};
    void (*print)(void) = argc <= 2 ? print_help : NULL;

    for (size_t i = 0; argc == 3 && i < sizeof forms / sizeof forms[0]; i++)
        if (strcmp(argv[2], forms[i].argument) == 0)
            print = forms[i].print;
    if (print == NULL)
        err_set(STATUS_USAGE, "help takes --man, --markdown, --json or nothing");
    else {
        print();
        outfile_flush_stdout();
    }
    err_print();
    return err_status();
}

void
help_usage(void)
{
    fprintf(stderr,
            "usage: tinygram pair|send|recv|cliff|lab|options|help|version [options]; `tinygram help` tells all\n");
}
