/* options.c: see options.h. Values are read from real sockets: one fresh, one connected over loopback. */
#include "options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "json.h"
#include "machine.h"
#include "net.h"
#include "outfile.h"
#include "record.h"
#include "sockopt.h"

/* What a kernel does to a socket on which nothing was set. */
struct defaults {
    struct sockopt_values fresh;     /* before connect() */
    struct sockopt_values connected; /* after it, over loopback */
};

static int
read_defaults(struct defaults *defaults)
{
    struct endpoint at, bound, peer;
    int result = -1;
    int sender = -1, receiver = -1;
    int listener = -1;

    if (net_resolve(NULL, 0, AF_INET, &at) != 0 || (listener = net_listen(&at, NULL, 1, &bound)) < 0)
        return -1;
    int fresh = socket(AF_INET, SOCK_STREAM, 0);
    if (fresh < 0)
        err_system(errno, "cannot make a socket");
    else
        sender = net_connect(&bound, NULL, clock_deadline_ns(NS_PER_S));
    if (sender >= 0 && (receiver = net_accept(listener, &peer)) >= 0) {
        sockopt_read(fresh, &defaults->fresh);
        sockopt_read(sender, &defaults->connected);
        result = 0;
    }
    const int opened[] = {listener, fresh, sender, receiver};
    for (size_t i = 0; i < sizeof opened / sizeof opened[0]; i++)
        if (opened[i] >= 0)
            close(opened[i]);
    return result;
}

static const char *
value_text(char *text, size_t size, enum sockopt option, const struct sockopt_value *value)
{
    const struct sockopt_row *row = sockopt_row(option);

    if (!value->known)
        snprintf(text, size, "-");
    else if (row->kind == SOCKOPT_TEXT)
        snprintf(text, size, "%s", value->text);
    else if (row->kind == SOCKOPT_BOOLEAN)
        snprintf(text, size, "%s", value->number != 0 ? "on" : "off");
    else
        snprintf(text, size, "%" PRIu64, value->number);
    return text;
}

static const char *
range_text(char *text, size_t size, const struct sockopt_row *row)
{
    if (row->kind == SOCKOPT_BOOLEAN)
        snprintf(text, size, "on, off");
    else if (row->kind == SOCKOPT_TEXT)
        snprintf(text, size, "a name");
    else
        snprintf(text, size, "%" PRIu64 " to %" PRIu64 "%s%s", row->smallest, row->largest, row->unit[0] ? " " : "",
                 row->unit);
    return text;
}

static void
print_table(const struct defaults *defaults)
{
    char fresh[64], connected[64], range[64];

    printf("%-20s %-19s %-9s %-12s %-12s %s\n", "option", "kernel name", "end", "fresh", "connected", "range");
    for (int option = 0; option < SOCKOPT_COUNT; option++) {
        const struct sockopt_row *row = sockopt_row(option);
        printf("--%-18s %-19s %-9s %-12s %-12s %s\n    %s\n", row->name, row->kernel_name,
               row->end == SOCKOPT_SENDER ? "sender" : "receiver",
               value_text(fresh, sizeof fresh, option, &defaults->fresh.of[option]),
               value_text(connected, sizeof connected, option, &defaults->connected.of[option]),
               range_text(range, sizeof range, row), row->doc);
    }
    printf("Every option takes `auto` (not set: the kernel decides), and --send-NAME or --recv-NAME to name an end.\n"
           "fresh: a TCP socket before connect(); connected: after it, over loopback. Nothing was set on either.\n");
}

static void
write_value(struct json *json, const char *name, enum sockopt option, const struct sockopt_value *value)
{
    const struct sockopt_row *row = sockopt_row(option);

    if (!value->known)
        json_null(json, name);
    else if (row->kind == SOCKOPT_TEXT)
        json_text(json, name, value->text);
    else if (row->kind == SOCKOPT_BOOLEAN)
        json_boolean(json, name, value->number != 0);
    else
        json_count(json, name, value->number);
}

static void
print_json(const struct defaults *defaults)
{
    static const char *const kinds[] = {"boolean", "number", "size", "text"}; /* order of enum sockopt_kind */
    struct json json = json_begin(stdout, false);

    json_open_object(&json, NULL);
    record_write_build(&json);
    machine_write(&json);
    json_open_array(&json, "options");
    for (int option = 0; option < SOCKOPT_COUNT; option++) {
        const struct sockopt_row *row = sockopt_row(option);
        bool ranged = row->kind == SOCKOPT_NUMBER || row->kind == SOCKOPT_SIZE;
        json_open_object(&json, NULL);
        json_text(&json, "name", row->name);
        json_text(&json, "kernel_name", row->kernel_name);
        json_text(&json, "kind", kinds[row->kind]);
        json_text(&json, "unit", row->unit[0] != '\0' ? row->unit : NULL);
        json_text(&json, "end", row->end == SOCKOPT_SENDER ? "sender" : "receiver");
        json_text(&json, "when", row->when == SOCKOPT_BEFORE ? "before connect or listen" : "connected");
        json_boolean(&json, "tcp_only", row->tcp_only);
        json_count(&json, "smallest", ranged ? row->smallest : MISSING);
        json_count(&json, "largest", ranged ? row->largest : MISSING);
        write_value(&json, "fresh", option, &defaults->fresh.of[option]);
        write_value(&json, "connected", option, &defaults->connected.of[option]);
        json_text(&json, "doc", row->doc);
        json_close_object(&json);
    }
    json_close_array(&json);
    json_close_object(&json);
    json_end(&json);
}

enum status
options_main(const struct config *config)
{
    struct defaults defaults;

    if (read_defaults(&defaults) == 0) {
        if (config->json)
            print_json(&defaults);
        else
            print_table(&defaults);
        outfile_flush_stdout();
    }
    return err_status();
}
