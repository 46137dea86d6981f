/*
 * options.c: see options.h. Values are read from real sockets: one fresh, one connected over loopback; what an option
 * takes and refuses is tried on fresh ones of IPv4 (probe.h). Where a socket of another kind answers differently, it
 * has a row of its own (`elsewhere`); the other options of the table answer on inet6 as they do on inet, which a test
 * checks.
 */
#define _GNU_SOURCE
#include "options.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "args.h"
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

/* The same on sockets of other kinds, where name, limits or default differ. */
static const struct {
    int family;
    struct probe_option option;
} elsewhere[] = {
    {AF_INET6,
     {"IPV6_UNICAST_HOPS", SOCK_STREAM, IPPROTO_IPV6, IPV6_UNICAST_HOPS, PROBE_NUMBER,
      "What IP_TTL is for IPv4 (RFC 3493, 5.1); -1 gives the default back."}},
    {AF_INET6,
     {"IPV6_TCLASS", SOCK_STREAM, IPPROTO_IPV6, IPV6_TCLASS, PROBE_NUMBER,
      "What IP_TOS is for IPv4 (RFC 3542, 6.5); --tos sets it on inet6."}},
    {AF_INET6,
     {"IPV6_MULTICAST_HOPS", SOCK_DGRAM, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, PROBE_NUMBER,
      "What IP_MULTICAST_TTL is for IPv4; -1 gives the default back."}},
    {AF_INET6,
     {"IPV6_MULTICAST_LOOP", SOCK_DGRAM, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, PROBE_NUMBER,
      "What IP_MULTICAST_LOOP is for IPv4; there the kernel takes any number, here not."}},
    {AF_INET6,
     {"IPV6_MULTICAST_IF", SOCK_DGRAM, IPPROTO_IPV6, IPV6_MULTICAST_IF, PROBE_NUMBER,
      "What IP_MULTICAST_IF is for IPv4, by the interface's number; 0: the kernel chooses."}},
    {AF_INET,
     {"IP_TOS", SOCK_DGRAM, IPPROTO_IP, IP_TOS, PROBE_NUMBER,
      "Without TCP nobody keeps the two ECN bits back (lab: tos-as-set)."}},
    {AF_INET,
     {"TCP_NODELAY", SOCK_DGRAM, IPPROTO_TCP, TCP_NODELAY, PROBE_NUMBER,
      "Datagrams know no Nagle; the options of TCP are refused by whatever is not TCP."}},
    {AF_INET,
     {"SO_SNDBUF", SOCK_DGRAM, SOL_SOCKET, SO_SNDBUF, PROBE_NUMBER,
      "Default: net.core.wmem_default, not the tcp_wmem of a stream; nothing tunes it."}},
    {AF_INET,
     {"SO_RCVBUF", SOCK_DGRAM, SOL_SOCKET, SO_RCVBUF, PROBE_NUMBER,
      "Default: net.core.rmem_default; what does not fit in is dropped (lab: slow-reader)."}},
    {AF_UNIX,
     {"SO_SNDBUF", SOCK_STREAM, SOL_SOCKET, SO_SNDBUF, PROBE_NUMBER,
      "Default: net.core.wmem_default; it bounds what was sent and not yet read."}},
    {AF_UNIX,
     {"SO_RCVBUF", SOCK_STREAM, SOL_SOCKET, SO_RCVBUF, PROBE_NUMBER,
      "It can be set and does nothing: the sender's SO_SNDBUF decides (unix(7))."}},
    {AF_UNIX,
     {"TCP_NODELAY", SOCK_STREAM, IPPROTO_TCP, TCP_NODELAY, PROBE_NUMBER, "There is no TCP below a unix socket."}},
};

#define ELSEWHERE (sizeof elsewhere / sizeof elsewhere[0])

/* Numbers tried there, all of them: limits of one byte lie in between. */
#define ELSEWHERE_LEAST (-3)
#define ELSEWHERE_MOST 300

/* What was found by trying. */
struct tried {
    struct probe_found own[SOCKOPT_COUNT];
    struct probe_found other[OTHERS];
    struct probe_found elsewhere[ELSEWHERE];
};

/* Sets one number on a fresh socket of that kind. A socket that cannot be made refuses it. */
static struct probe_trial
try_elsewhere(int family, const struct probe_option *option, int number, struct probe_found *found)
{
    struct probe_trial trial = {.value = number};
    int got = 0, fresh = 0, fd = socket(family, option->type, 0);

    trial.code = fd < 0 ? errno : sockopt_get_raw(fd, option->level, option->optname, &fresh, sizeof fresh);
    found->readable = trial.code == 0;
    found->read_code = trial.code;
    found->value = fresh;
    if (fd < 0)
        return trial;
    trial.code = sockopt_set_raw(fd, option->level, option->optname, &number, sizeof number);
    trial.readable = sockopt_get_raw(fd, option->level, option->optname, &got, sizeof got) == 0;
    trial.got = got;
    close(fd);
    return trial;
}

/* Notes what becomes of a number that is taken; of INT_MIN nobody asks. */
static void
note_effect(struct probe_found *found, const struct probe_trial *trial)
{
    for (unsigned i = 0; i < found->effect_count; i++)
        if (found->effect[i].value == trial->value)
            return;
    if (trial->code == 0 && trial->value != INT_MIN && trial->readable &&
        found->effect_count < sizeof found->effect / sizeof found->effect[0])
        found->effect[found->effect_count++] = *trial;
}

/* Tries all numbers from ELSEWHERE_LEAST to ELSEWHERE_MOST, and the smallest and the largest of all. */
static void
probe_elsewhere(int family, const struct probe_option *option, struct probe_found *found)
{
    const int count = ELSEWHERE_MOST - ELSEWHERE_LEAST + 3;
    struct probe_trial last = {.code = -1};

    memset(found, 0, sizeof *found);
    struct probe_trial one = try_elsewhere(family, option, 1, found);
    note_effect(found, &one);
    for (int i = 0; i < count; i++) {
        int number = i == 0 ? INT_MIN : i == count - 1 ? INT_MAX : ELSEWHERE_LEAST + i - 1;
        struct probe_trial trial = try_elsewhere(family, option, number, found);
        bool first = last.code == -1, taken = trial.code == 0, changes = first || taken != (last.code == 0);
        if (changes && taken && found->span_count < PROBE_SPANS) {
            found->span[found->span_count++].lowest = trial;
            note_effect(found, &trial);
            if (!first && found->refused_count <= PROBE_SPANS)
                found->refused[found->refused_count++] = last;
        } else if (changes && !first && found->refused_count <= PROBE_SPANS) {
            note_effect(found, &last);
            found->refused[found->refused_count++] = trial;
        }
        if (taken && found->span_count > 0)
            found->span[found->span_count - 1].highest = trial;
        last = trial;
    }
    note_effect(found, &last);
    if (found->span_count == 0)
        found->refused[found->refused_count++] = one;
}

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
    for (size_t i = 0; i < ELSEWHERE; i++)
        probe_elsewhere(elsewhere[i].family, &elsewhere[i].option, &tried->elsewhere[i]);
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

/* One paragraph that is being put together. */
struct paragraph {
    char text[1024];
    size_t len;
};

static void add(struct paragraph *paragraph, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void
add(struct paragraph *paragraph, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int len = vsnprintf(paragraph->text + paragraph->len, sizeof paragraph->text - paragraph->len, format, arguments);
    va_end(arguments);
    paragraph->len += len > 0 ? (size_t)len : 0;
    if (paragraph->len >= sizeof paragraph->text)
        paragraph->len = sizeof paragraph->text - 1;
}

#define WIDTH 80

/* Prints it in lines that fit a narrow terminal, each behind `indent` blanks. */
static void
print_paragraph(const char *text, int indent)
{
    int room = WIDTH - indent;

    while (*text != '\0') {
        int len = (int)strlen(text);
        if (len > room) {
            for (len = room; len > 0 && text[len] != ' ';)
                len--;
            if (len == 0)
                len = (int)strcspn(text, " ");
        }
        printf("%*s%.*s\n", indent, "", len, text);
        text += len;
        text += strspn(text, " ");
    }
}

/* " 536" for a trial: its number, or its word. */
static void
add_value(struct paragraph *paragraph, long value, const char *text)
{
    if (text[0] != '\0')
        add(paragraph, " %s", text);
    else
        add(paragraph, " %ld", value);
}

/* Whether a value reads back as it was set. */
static bool
is_as_set(const struct probe_trial *trial)
{
    return trial->text[0] != '\0' ? strcmp(trial->text, trial->got_text) == 0 : trial->got == trial->value;
}

static void
add_found(struct paragraph *paragraph, const struct probe_found *found)
{
    int effects = 0;

    add(paragraph, "takes");
    for (unsigned i = 0; i < found->span_count; i++) {
        const struct probe_trial *low = &found->span[i].lowest, *high = &found->span[i].highest;
        add(paragraph, "%s", i > 0 ? "," : "");
        if (low->value == INT_MIN && high->value == INT_MAX) {
            add(paragraph, " any number");
            continue;
        }
        add_value(paragraph, low->value, low->text);
        if (high->value != low->value) {
            add(paragraph, " to");
            add_value(paragraph, high->value, high->text);
        }
    }
    add(paragraph, "%s", found->span_count == 0 ? " nothing" : "");
    for (unsigned i = 0; i < found->refused_count; i++) {
        add(paragraph, "%s", i == 0 ? "; refuses" : ",");
        add_value(paragraph, found->refused[i].value, found->refused[i].text);
        add(paragraph, " (%s)", probe_errno(found->refused[i].code));
    }
    for (unsigned i = 0; i < found->effect_count; i++) {
        const struct probe_trial *effect = &found->effect[i];
        if (is_as_set(effect))
            continue;
        add(paragraph, "%s", effects++ == 0 ? "; reads back" : ",");
        add_value(paragraph, effect->got, effect->got_text);
        add(paragraph, " for");
        add_value(paragraph, effect->value, effect->text);
    }
}

static void
print_other(int family, const struct probe_option *option, const struct probe_found *found)
{
    struct paragraph fresh = {.len = 0}, paragraph = {.len = 0};

    if (found->readable)
        add_value(&fresh, found->value, found->text);
    else
        add(&fresh, " %s", probe_errno(found->read_code));
    printf("%-20s %-6s %-9s%s\n", option->kernel_name, args_choice("family", family),
           option->type == SOCK_STREAM ? "stream" : "datagram", fresh.text);
    print_paragraph(option->doc, 4);
    add_found(&paragraph, found);
    print_paragraph(paragraph.text, 4);
}

static void
print_others(const struct tried *tried)
{
    static const char *const head = "%-20s %-6s %-9s %s\n";

    printf("\nOptions that the program does not set: the lab shows what they do.\n");
    printf(head, "kernel name", "family", "socket", "fresh");
    for (size_t i = 0; i < OTHERS; i++)
        print_other(AF_INET, &others[i], &tried->other[i]);
    printf("\nOn sockets of other kinds: where name, limits or default differ.\n");
    printf(head, "kernel name", "family", "socket", "fresh");
    for (size_t i = 0; i < ELSEWHERE; i++)
        print_other(elsewhere[i].family, &elsewhere[i].option, &tried->elsewhere[i]);
}

static void
print_own(const struct sockopt_row *row, const struct defaults *defaults, enum sockopt option,
          const struct probe_found *found)
{
    char fresh[64], connected[64], range[64];
    struct paragraph paragraph = {.len = 0};

    printf("--%-18s %-18s %-8s %-11s %s\n", row->name, row->kernel_name,
           row->end == SOCKOPT_SENDER ? "sender" : "receiver",
           value_text(fresh, sizeof fresh, option, &defaults->fresh.of[option]),
           value_text(connected, sizeof connected, option, &defaults->connected.of[option]));
    print_paragraph(row->doc, 4);
    add(&paragraph, "range: %s; the kernel ", range_text(range, sizeof range, row));
    add_found(&paragraph, found);
    print_paragraph(paragraph.text, 4);
}

static void
print_table(const struct defaults *defaults, const struct tried *tried)
{
    static const char *const notes[] = {
        "Every option takes `auto` (not set: the kernel decides), and --send-NAME or --recv-NAME to name an end.",
        "fresh: a TCP socket before connect(); connected: after it, over loopback. Nothing was set on either.",
        "range: what the program lets through. takes, refuses, reads back: what this kernel did with numbers that were "
        "tried on fresh sockets. Of a number that is taken and not named behind `reads back`, the same number reads "
        "back, as far as it was tried: 1 and the ends of what is taken.",
        "The three of keepalive have other names elsewhere: macOS calls TCP_KEEPIDLE TCP_KEEPALIVE, older Solaris has "
        "TCP_KEEPALIVE_THRESHOLD in milliseconds, and OpenBSD sets them for the whole system only (lab: "
        "keepalive-name).",
    };

    printf("%-20s %-18s %-8s %-11s %s\n", "option", "kernel name", "end", "fresh", "connected");
    for (int option = 0; option < SOCKOPT_COUNT; option++)
        print_own(sockopt_row(option), defaults, option, &tried->own[option]);
    putchar('\n');
    for (size_t i = 0; i < sizeof notes / sizeof notes[0]; i++)
        print_paragraph(notes[i], 0);
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
write_other(struct json *json, int family, const struct probe_option *option, const struct probe_found *found)
{
    json_open_object(json, NULL);
    json_text(json, "kernel_name", option->kernel_name);
    json_text(json, "family", args_choice("family", family));
    json_text(json, "type", option->type == SOCK_STREAM ? "stream" : "datagram");
    if (found->readable)
        write_trial_value(json, "fresh", found->value, found->text);
    else
        json_null(json, "fresh");
    json_text(json, "doc", option->doc);
    write_found(json, found);
    json_close_object(json);
}

static void
write_others(struct json *json, const struct tried *tried)
{
    json_open_array(json, "others");
    for (size_t i = 0; i < OTHERS; i++)
        write_other(json, AF_INET, &others[i], &tried->other[i]);
    json_close_array(json);
    json_open_array(json, "elsewhere");
    for (size_t i = 0; i < ELSEWHERE; i++)
        write_other(json, elsewhere[i].family, &elsewhere[i].option, &tried->elsewhere[i]);
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
