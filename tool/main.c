/* main.c: tinygram, the subcommands. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "arm.h"
#include "cliff.h"
#include "cpu.h"
#include "err.h"
#include "help.h"
#include "json.h"
#include "lab.h"
#include "options.h"
#include "outfile.h"
#include "pair.h"
#include "record.h"
#include "recv.h"
#include "send.h"
#include "slices.h"
#include "turn.h"
#include "version.h"

static enum status
version_main(const struct config *config)
{
    if (config->json) {
        struct json json = json_begin(stdout, false);
        json_open_object(&json, NULL);
        record_write_build(&json);
        json_count(&json, "turns", TURN_VERSION);
        json_close_object(&json);
        json_end(&json);
    } else
        printf("tinygram %s (%s, %s)\n", TINYGRAM_VERSION, TINYGRAM_COMPILER, TINYGRAM_CFLAGS);
    outfile_flush_stdout();
    return err_status();
}

static const struct {
    const char *name;
    enum command command;
    enum status (*run)(const struct config *config);
} subcommands[] = {
    {"pair", COMMAND_PAIR, pair_main},
    {"send", COMMAND_SEND, send_main},
    {"recv", COMMAND_RECV, recv_main},
    {"cliff", COMMAND_CLIFF, cliff_main},
    {"slices", COMMAND_SLICES, slices_main},
    {"arm", COMMAND_ARM, arm_main},
    {"lab", COMMAND_LAB, lab_main},
    {"options", COMMAND_OPTIONS, options_main},
    {"version", COMMAND_VERSION, version_main},
};

/* A standard stream that was closed gets a descriptor that cannot be used as meant: writing to it fails and is told,
 * instead of going into the socket or file that would get the free number. */
static void
hold_standard_streams(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd)
            return;
}

int
main(int argc, char **argv)
{
    struct config config;
    const char *name = argc > 1 ? argv[1] : "";

    hold_standard_streams();
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return (int)help_main(argc, argv);
    if (strcmp(name, "--version") == 0)
        name = "version";
    if (argc == 3 && strcmp(argv[2], "--help") == 0)
        return (int)help_main(2, argv);
    for (size_t i = 0; i < sizeof subcommands / sizeof subcommands[0]; i++) {
        if (strcmp(name, subcommands[i].name) != 0)
            continue;
        if (args_parse(subcommands[i].command, argc, argv, &config) != 0 || cpus_choose(&config.cpus) != 0) {
            err_print();
            return (int)err_status();
        }
        enum status status = subcommands[i].run(&config);
        err_print();
        return (int)status;
    }
    if (argc > 1)
        fprintf(stderr, "tinygram: there is no subcommand '%.40s'\n", name);
    help_usage();
    return STATUS_USAGE;
}
