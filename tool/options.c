/* options.c: see options.h. Values are read from real sockets: one fresh, one connected over loopback; what an option
 * takes and refuses is tried on fresh ones (probe.h). */
#define _GNU_SOURCE
#include "options.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "json.h"
#include "machine.h"
#include "net.h"
#include "outfile.h"
#include "probe.h"
#include "record.h"
#include "sockopt.h"

/* What a kernel does to a socket on which nothing was set. */
struct defaults {
    struct sockopt_values fresh;     /* before connect() */
    struct sockopt_values connected; /* after it, over loopback */
};

/* Options that are no options of the program: the lab shows what they do. */
static const struct probe_option others[] = {
    {"SO_BROADCAST", SOCK_DGRAM, SOL_SOCKET, SO_BROADCAST, PROBE_NUMBER,
     "Datagrams may go to a broadcast address (lab: broadcast)."},
    {"SO_DONTROUTE", SOCK_DGRAM, SOL_SOCKET, SO_DONTROUTE, PROBE_NUMBER,
     "Only hosts of the same network are reached, none by a gateway (lab: so-dontroute)."},
    {"SO_OOBINLINE", SOCK_STREAM, SOL_SOCKET, SO_OOBINLINE, PROBE_NUMBER,
     "The urgent byte stands in the stream (lab: oob-inline)."},
    {"SO_ERROR", SOCK_STREAM, SOL_SOCKET, SO_ERROR, PROBE_NUMBER,
     "The pending error; reading clears it (lab: so-error-clears)."},
    {"SO_TYPE", SOCK_STREAM, SOL_SOCKET, SO_TYPE, PROBE_NUMBER,
     "1 stream, 2 datagrams; fixed when the socket is made (lab: so-type-fixed)."},
    {"IP_TTL", SOCK_STREAM, IPPROTO_IP, IP_TTL, PROBE_NUMBER,
     "Hops that a packet may take; -1 gives the default back (lab: ttl-range)."},
    {"IP_MULTICAST_TTL", SOCK_DGRAM, IPPROTO_IP, IP_MULTICAST_TTL, PROBE_NUMBER,
     "The same of datagrams to a group (lab: multicast-ttl)."},
    {"IP_MULTICAST_LOOP", SOCK_DGRAM, IPPROTO_IP, IP_MULTICAST_LOOP, PROBE_NUMBER,
     "This host's own members of the group hear what it sends (lab: multicast-loop)."},
    {"IP_MULTICAST_IF", SOCK_DGRAM, IPPROTO_IP, IP_MULTICAST_IF, PROBE_ADDRESS,
     "The interface by which datagrams to a group leave, by its address (lab: multicast-if)."},
};

#define OTHERS (sizeof others / sizeof others[0])

/* What was found by trying. */
struct tried {
    struct probe_found own[SOCKOPT_COUNT];
    struct probe_found other[OTHERS];
};

static int
try_options(struct tried *tried)
{
    for (int option = 0; option < SOCKOPT_COUNT; option++) {
        const struct sockopt_row *row = sockopt_row(option);
        struct probe_option own = {.kernel_name = row->kernel_name,
                                   .type = SOCK_STREAM,
                                   .kind = row->kind == SOCKOPT_TEXT ? PROBE_NAME : PROBE_NUMBER};
        sockopt_numbers(option, &own.level, &own.optname);
        if (probe_try(&own, &tried->own[option]) != 0)
            return -1;
    }
    for (size_t i = 0; i < OTHERS; i++)
        if (probe_try(&others[i], &tried->other[i]) != 0)
            return -1;
    return 0;
}

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

/* " 536" for a trial: its number, or its word. */
static void
print_value(long value, const char *text)
{
    if (text[0] != '\0')
        printf(" %s", text);
    else
        printf(" %ld", value);
}

/* Whether a value reads back as it was set. */
static bool
is_as_set(const struct probe_trial *trial)
{
    return trial->text[0] != '\0' ? strcmp(trial->text, trial->got_text) == 0 : trial->got == trial->value;
}

static void
print_found(const struct probe_found *found)
{
    int effects = 0;

    printf("    takes");
    for (unsigned i = 0; i < found->span_count; i++) {
        const struct probe_trial *low = &found->span[i].lowest, *high = &found->span[i].highest;
        printf("%s", i > 0 ? "," : "");
        if (low->value == INT_MIN && high->value == INT_MAX) {
            printf(" any number");
            continue;
        }
        print_value(low->value, low->text);
        if (high->value != low->value) {
            printf(" to");
            print_value(high->value, high->text);
        }
    }
    printf("%s", found->span_count == 0 ? " nothing" : "");
    for (unsigned i = 0; i < found->refused_count; i++) {
        printf("%s", i == 0 ? "; refuses" : ",");
        print_value(found->refused[i].value, found->refused[i].text);
        printf(" (%s)", probe_errno(found->refused[i].code));
    }
    for (unsigned i = 0; i < found->effect_count; i++) {
        const struct probe_trial *effect = &found->effect[i];
        if (is_as_set(effect))
            continue;
        printf("%s", effects++ == 0 ? "; reads back" : ",");
        print_value(effect->got, effect->got_text);
        printf(" for");
        print_value(effect->value, effect->text);
    }
    printf("\n");
}

static void
print_others(const struct tried *tried)
{
    printf("\n%-20s %-10s %s\n", "seen by the lab", "socket", "fresh");
    for (size_t i = 0; i < OTHERS; i++) {
        printf("%-20s %-10s", others[i].kernel_name, others[i].type == SOCK_STREAM ? "stream" : "datagram");
        if (tried->other[i].readable)
            print_value(tried->other[i].value, tried->other[i].text);
        else
            printf(" %s", probe_errno(tried->other[i].read_code));
        printf("\n    %s\n", others[i].doc);
        print_found(&tried->other[i]);
    }
}

static void
print_table(const struct defaults *defaults, const struct tried *tried)
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
        print_found(&tried->own[option]);
    }
    printf(
        "Every option takes `auto` (not set: the kernel decides), and --send-NAME or --recv-NAME to name an end.\n"
        "fresh: a TCP socket before connect(); connected: after it, over loopback. Nothing was set on either.\n"
        "range: what the program lets through. takes, refuses, reads back: what this kernel did with numbers that were "
        "tried on fresh sockets.\n");
    print_others(tried);
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

/* A number, or a word. */
static void
write_trial_value(struct json *json, const char *name, long value, const char *text)
{
    char number[24];
    int len = snprintf(number, sizeof number, "%ld", value);

    if (text[0] != '\0')
        json_text(json, name, text);
    else
        json_raw(json, name, number, (size_t)len);
}

static void
write_found(struct json *json, const struct probe_found *found)
{
    json_open_object(json, "tried");
    json_open_array(json, "taken");
    for (unsigned i = 0; i < found->span_count; i++) {
        json_open_array(json, NULL);
        write_trial_value(json, NULL, found->span[i].lowest.value, found->span[i].lowest.text);
        write_trial_value(json, NULL, found->span[i].highest.value, found->span[i].highest.text);
        json_close_array(json);
    }
    json_close_array(json);
    json_open_array(json, "refused");
    for (unsigned i = 0; i < found->refused_count; i++) {
        json_open_object(json, NULL);
        write_trial_value(json, "value", found->refused[i].value, found->refused[i].text);
        json_text(json, "errno", probe_errno(found->refused[i].code));
        json_close_object(json);
    }
    json_close_array(json);
    json_open_array(json, "effective");
    for (unsigned i = 0; i < found->effect_count; i++) {
        json_open_object(json, NULL);
        write_trial_value(json, "asked", found->effect[i].value, found->effect[i].text);
        write_trial_value(json, "got", found->effect[i].got, found->effect[i].got_text);
        json_close_object(json);
    }
    json_close_array(json);
    json_close_object(json);
}

static void
write_others(struct json *json, const struct tried *tried)
{
    json_open_array(json, "others");
    for (size_t i = 0; i < OTHERS; i++) {
        json_open_object(json, NULL);
        json_text(json, "kernel_name", others[i].kernel_name);
        json_text(json, "type", others[i].type == SOCK_STREAM ? "stream" : "datagram");
        if (tried->other[i].readable)
            write_trial_value(json, "fresh", tried->other[i].value, tried->other[i].text);
        else
            json_null(json, "fresh");
        json_text(json, "doc", others[i].doc);
        write_found(json, &tried->other[i]);
        json_close_object(json);
    }
    json_close_array(json);
}

static void
print_json(const struct defaults *defaults, const struct tried *tried)
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
        write_found(&json, &tried->own[option]);
        json_close_object(&json);
    }
    json_close_array(&json);
    write_others(&json, tried);
    json_close_object(&json);
    json_end(&json);
}

enum status
options_main(const struct config *config)
{
    struct defaults defaults;
    static struct tried tried;

    if (read_defaults(&defaults) == 0 && try_options(&tried) == 0) {
        if (config->json)
            print_json(&defaults, &tried);
        else
            print_table(&defaults, &tried);
        outfile_flush_stdout();
    }
    return err_status();
}
