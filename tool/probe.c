/* probe.c: see probe.h. */
#include "probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "err.h"
#include "lab/case.h"
#include "sockopt.h"

/* Places where limits usually lie: 0, powers of two and their neighbours, on both sides. */
#define PLACES 130

static int
compare(const void *one, const void *other)
{
    long a = *(const long *)one, b = *(const long *)other;
    return (a > b) - (a < b);
}

static size_t
make_places(long places[PLACES])
{
    size_t count = 0, kept = 1;

    for (int bit = 0; bit < 31; bit++)
        for (long step = -1; step <= 1; step++) {
            places[count++] = (1L << bit) + step;
            if (bit < 4 || bit > 29)
                places[count++] = -(1L << bit) + step;
        }
    places[count++] = INT_MIN;
    places[count++] = INT_MAX;
    qsort(places, count, sizeof *places, compare);
    for (size_t i = 1; i < count; i++)
        if (places[i] != places[kept - 1])
            places[kept++] = places[i];
    return kept;
}

static int
fresh_socket(const struct probe_option *option)
{
    int fd = socket(AF_INET, option->type, 0);
    return fd < 0 ? err_system(errno, "cannot make a socket to try %s", option->kernel_name) : fd;
}

/* Reads into a trial what the socket says now. */
static void
read_back(int fd, const struct probe_option *option, struct probe_trial *trial, int *code)
{
    unsigned char bytes[PROBE_TEXT_BYTES] = {0};
    int number;
    struct in_addr address;

    *code = sockopt_get_raw(fd, option->level, option->optname, bytes, sizeof bytes - 1);
    trial->readable = *code == 0;
    if (!trial->readable)
        return;
    memcpy(&number, bytes, sizeof number);
    memcpy(&address, bytes, sizeof address);
    trial->got = number;
    if (option->kind == PROBE_NAME)
        memcpy(trial->got_text, bytes, sizeof trial->got_text);
    if (option->kind == PROBE_ADDRESS)
        inet_ntop(AF_INET, &address, trial->got_text, sizeof trial->got_text);
}

/* Sets one value on a fresh socket. Returns 0, or -1 with an error. */
static int
try_value(const struct probe_option *option, long value, const char *text, struct probe_trial *trial)
{
    int fd = fresh_socket(option), unused, number = (int)value;
    struct in_addr address = {0};

    memset(trial, 0, sizeof *trial);
    trial->value = value;
    if (fd < 0)
        return -1;
    if (option->kind != PROBE_NUMBER)
        snprintf(trial->text, sizeof trial->text, "%s", text);
    if (option->kind == PROBE_ADDRESS)
        inet_pton(AF_INET, text, &address);
    if (option->kind == PROBE_NAME)
        trial->code = sockopt_set_raw(fd, option->level, option->optname, text, strlen(text));
    else
        trial->code = sockopt_set_raw(fd, option->level, option->optname,
                                      option->kind == PROBE_ADDRESS ? (const void *)&address : &number, sizeof number);
    if (trial->code == 0)
        read_back(fd, option, trial, &unused);
    close(fd);
    return 0;
}

/* Finds the border between a value and a larger one of which one is taken and the other refused: two neighbours. */
static int
find_border(const struct probe_option *option, struct probe_trial *below, struct probe_trial *above)
{
    while (above->value - below->value > 1) {
        struct probe_trial middle;
        if (try_value(option, below->value + (above->value - below->value) / 2, "", &middle) != 0)
            return -1;
        *(middle.code == below->code ? below : above) = middle;
    }
    return 0;
}

static void
note_refused(struct probe_found *found, const struct probe_trial *trial)
{
    if (found->refused_count > 0 && trial->text[0] == '\0' &&
        found->refused[found->refused_count - 1].value == trial->value)
        return; /* alone between two spans */
    if (found->refused_count < PROBE_SPANS + 1)
        found->refused[found->refused_count++] = *trial;
}

/* What becomes of a value that is taken; of INT_MIN nobody asks. */
static void
note_effect(struct probe_found *found, const struct probe_trial *trial)
{
    for (unsigned i = 0; i < found->effect_count; i++)
        if (found->effect[i].value == trial->value && strcmp(found->effect[i].text, trial->text) == 0)
            return;
    if (trial->code == 0 && trial->readable && trial->value != INT_MIN &&
        found->effect_count < sizeof found->effect / sizeof found->effect[0])
        found->effect[found->effect_count++] = *trial;
}

static void
note_taken(struct probe_found *found, const struct probe_trial *lowest, const struct probe_trial *highest)
{
    if (found->span_count >= PROBE_SPANS)
        return;
    note_effect(found, lowest);
    note_effect(found, highest);
    found->span[found->span_count].lowest = *lowest;
    found->span[found->span_count++].highest = *highest;
}

static int
try_numbers(const struct probe_option *option, struct probe_found *found)
{
    long places[PLACES];
    size_t count = make_places(places);
    struct probe_trial last, next, lowest;

    if (try_value(option, 1, "", &next) != 0 || try_value(option, places[0], "", &last) != 0)
        return -1;
    note_effect(found, &next);
    lowest = last;
    bool anything = last.code == 0;
    for (size_t i = 1; i < count; i++) {
        struct probe_trial below = last, above;
        if (try_value(option, places[i], "", &next) != 0)
            return -1;
        anything = anything || next.code == 0;
        above = next;
        if ((last.code == 0) != (next.code == 0)) {
            if (find_border(option, &below, &above) != 0)
                return -1;
            if (last.code == 0) {
                note_taken(found, &lowest, &below);
                note_refused(found, &above);
            } else {
                note_refused(found, &below);
                lowest = above;
            }
        }
        last = next;
    }
    if (last.code == 0)
        note_taken(found, &lowest, &last);
    if (!anything && try_value(option, 1, "", &next) == 0)
        note_refused(found, &next); /* nothing is taken: one refusal tells it */
    return 0;
}

/* Names and addresses cannot be searched: some are tried. */
static int
try_words(const struct probe_option *option, struct probe_found *found, const char *const *words)
{
    for (; *words != NULL; words++) {
        struct probe_trial trial;
        if (try_value(option, 0, *words, &trial) != 0)
            return -1;
        if (trial.code == 0)
            note_taken(found, &trial, &trial);
        else
            note_refused(found, &trial);
    }
    return 0;
}

int
probe_try(const struct probe_option *option, struct probe_found *found)
{
    static const char *const addresses[] = {"0.0.0.0", "127.0.0.1", "192.0.2.77", NULL}; /* RFC 5737: nobody's */
    struct probe_trial fresh = {.value = 0};
    int fd = fresh_socket(option);

    memset(found, 0, sizeof *found);
    if (fd < 0)
        return -1;
    read_back(fd, option, &fresh, &found->read_code);
    close(fd);
    found->readable = fresh.readable;
    found->value = fresh.got;
    snprintf(found->text, sizeof found->text, "%s", fresh.got_text);
    const char *const names[] = {found->text, "no-such-name", NULL};
    if (option->kind == PROBE_NUMBER)
        return try_numbers(option, found);
    return try_words(option, found, option->kind == PROBE_NAME ? names : addresses);
}

const char *
probe_errno(int code)
{
    return lab_errno(code);
}
