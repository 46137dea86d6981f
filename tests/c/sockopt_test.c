/* sockopt_test.c: every option of the table is set on a real connection, read back and proved; what did not take effect
 * is found out. */
#include "sockopt.h"

#include "check.h"
#include "sockets.h"
#include "system.h"

/* A value of each option that differs from what a fresh socket has. */
static const char *const unusual[SOCKOPT_COUNT] = {
    [SOCKOPT_NODELAY] = "on",
    [SOCKOPT_CORK] = "on",
    [SOCKOPT_QUICKACK] = "on",
    [SOCKOPT_SNDBUF] = "16K",
    [SOCKOPT_RCVBUF] = "16K",
    [SOCKOPT_MSS] = "1448",
    [SOCKOPT_CONGESTION] = "reno",
    [SOCKOPT_NOTSENT_LOWAT] = "8K",
    [SOCKOPT_KEEPALIVE] = "on",
    [SOCKOPT_KEEPALIVE_IDLE] = "77",
    [SOCKOPT_KEEPALIVE_INTERVAL] = "7",
    [SOCKOPT_KEEPALIVE_COUNT] = "3",
    [SOCKOPT_TOS] = "16",
    [SOCKOPT_REUSEADDR] = "on",
    [SOCKOPT_BUSY_POLL] = "50",
    [SOCKOPT_USER_TIMEOUT] = "5000",
    [SOCKOPT_MAX_PACING_RATE] = "1000000",
};

static struct sockopt_values
asked(enum sockopt option, const char *text)
{
    struct sockopt_values values = {.of = {[0] = {.known = false}}};
    REQUIRE(sockopt_parse(option, text, &values.of[option]) == 0);
    return values;
}

static void
the_table_is_sound(void)
{
    for (enum sockopt i = 0; i < SOCKOPT_COUNT; i++) {
        const struct sockopt_row *row = sockopt_row(i);
        REQUIRE(row->name != NULL && row->kernel_name != NULL && row->unit != NULL && row->doc != NULL);
        CHECK(row->smallest <= row->largest);
        CHECK(row->doc[strlen(row->doc) - 1] == '.');
        for (enum sockopt j = 0; j < i; j++)
            CHECK(strcmp(row->name, sockopt_row(j)->name) != 0);
    }
}

static void
parses(void)
{
    struct sockopt_value value;

    CHECK(sockopt_parse(SOCKOPT_NODELAY, "on", &value) == 0 && value.known && value.number == 1);
    CHECK(sockopt_parse(SOCKOPT_NODELAY, "off", &value) == 0 && value.known && value.number == 0);
    CHECK(sockopt_parse(SOCKOPT_NODELAY, "auto", &value) == 0 && !value.known);
    CHECK(sockopt_parse(SOCKOPT_SNDBUF, "auto", &value) == 0 && !value.known);
    CHECK(sockopt_parse(SOCKOPT_SNDBUF, "16K", &value) == 0 && value.known && value.number == 16384);
    CHECK(sockopt_parse(SOCKOPT_CONGESTION, "auto", &value) == 0 && !value.known);
    CHECK(sockopt_parse(SOCKOPT_CONGESTION, "cubic", &value) == 0 && strcmp(value.text, "cubic") == 0);
    CHECK(sockopt_parse(SOCKOPT_TOS, "0", &value) == 0 && value.known && value.number == 0); /* 0 is not "not set" */

    static const struct {
        enum sockopt option;
        const char *text;
    } bad[] = {{SOCKOPT_NODELAY, "1"},
               {SOCKOPT_NODELAY, "yes"},
               {SOCKOPT_NODELAY, ""},
               {SOCKOPT_SNDBUF, "0"},
               {SOCKOPT_SNDBUF, "-1"},
               {SOCKOPT_SNDBUF, "1G"},
               {SOCKOPT_SNDBUF, "12Q"},
               {SOCKOPT_MSS, "87"},
               {SOCKOPT_MSS, "32768"},
               {SOCKOPT_CONGESTION, ""},
               {SOCKOPT_CONGESTION, "a_name_of_sixtee"},
               {SOCKOPT_KEEPALIVE_IDLE, "1K"},
               {SOCKOPT_KEEPALIVE_COUNT, "128"},
               {SOCKOPT_TOS, "256"},
               {SOCKOPT_TOS, "0x10"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK(sockopt_parse(bad[i].option, bad[i].text, &value) == -1);
        CHECK(!value.known);
        CHECK_ERROR(STATUS_USAGE, "'");
    }
}

/* Sets `option` alone on one end of a connection, and proves it there. */
static void
set_on_one_end(enum sockopt option, int end, int family)
{
    struct sockopt_values values = asked(option, unusual[option]);
    struct sockopt_values fresh, found;
    const char *name = end == 0 ? "sender" : "receiver";
    int plain[2], ends[2];

    REQUIRE(connect_pair(family, NULL, NULL, plain) == 0);
    sockopt_read(plain[end], &fresh);
    close_pair(plain);
    if (option == SOCKOPT_BUSY_POLL && geteuid() != 0) {
        CHECK(connect_pair(family, end == 0 ? &values : NULL, end == 1 ? &values : NULL, ends) == -1);
        CHECK_ERROR(STATUS_REFUSED, "SO_BUSY_POLL");
        return;
    }
    REQUIRE(connect_pair(family, end == 0 ? &values : NULL, end == 1 ? &values : NULL, ends) == 0);
    REQUIRE(sockopt_apply(ends[end], &values, SOCKOPT_CONNECTED, name) == 0);
    sockopt_read(ends[end], &found);
    if (!CHECK(sockopt_verify(&values, &found, name) == 0))
        fprintf(stderr, "%s on the %s of family %d: %s\n", sockopt_row(option)->name, name, family, err_text());
    err_clear();
    CHECK(found.of[option].known);
    /* Without the option the same connection has another value, so that the proof proves something. A fresh socket
     * may have acknowledged at once anyhow, reno may be the default, and an accepted socket inherits reuseaddr. */
    if (option != SOCKOPT_QUICKACK && option != SOCKOPT_CONGESTION)
        CHECK(!fresh.of[option].known || fresh.of[option].number != found.of[option].number);
    /* Every other option is as it was. */
    for (enum sockopt other = 0; other < SOCKOPT_COUNT; other++)
        if (other != option && other != SOCKOPT_SNDBUF && other != SOCKOPT_RCVBUF && other != SOCKOPT_QUICKACK &&
            other != SOCKOPT_MSS)
            CHECK(found.of[other].known == fresh.of[other].known && found.of[other].number == fresh.of[other].number &&
                  strcmp(found.of[other].text, fresh.of[other].text) == 0);
    close_pair(ends);
}

static void
every_option_takes_effect(void)
{
    for (enum sockopt option = 0; option < SOCKOPT_COUNT; option++) {
        REQUIRE(unusual[option] != NULL); /* a new row of the table needs a value above */
        for (int end = 0; end < 2; end++) {
            set_on_one_end(option, end, AF_INET);
            set_on_one_end(option, end, AF_INET6);
        }
    }
}

static void
a_clamped_buffer_is_found_out(enum sockopt option, const char *path, const char *words)
{
    struct sockopt_values values = {.of = {[0] = {.known = false}}}, found;
    uint64_t limit = system_read_number(path);
    int ends[2];

    if (limit == MISSING || limit >= sockopt_row(option)->largest) {
        fprintf(stderr, "skipped: %s does not clamp here\n", path);
        return;
    }
    values.of[option] = (struct sockopt_value){.known = true, .number = limit};
    REQUIRE(connect_pair(AF_INET, &values, NULL, ends) == 0);
    sockopt_read(ends[0], &found);
    CHECK(sockopt_verify(&values, &found, "sender") == 0); /* the limit itself is granted */
    close_pair(ends);

    values.of[option].number = limit + 1;
    REQUIRE(connect_pair(AF_INET, &values, NULL, ends) == 0);
    sockopt_read(ends[0], &found);
    CHECK(sockopt_verify(&values, &found, "sender") == -1);
    CHECK_ERROR(STATUS_REFUSED, words);
    close_pair(ends);
}

static void
the_floor_is_allowed(void)
{
    struct sockopt_values small = asked(SOCKOPT_SNDBUF, "1"), found;
    int ends[2];

    REQUIRE(connect_pair(AF_INET, &small, NULL, ends) == 0);
    sockopt_read(ends[0], &found);
    CHECK(found.of[SOCKOPT_SNDBUF].number > 2);
    CHECK(sockopt_verify(&small, &found, "sender") == 0);
    close_pair(ends);
}

/* What is in effect differs from what was asked, option by option. */
static void
a_lost_option_is_found_out(void)
{
    for (enum sockopt option = 0; option < SOCKOPT_COUNT; option++) {
        struct sockopt_values values = asked(option, unusual[option]), found = values;
        found.of[option].known = false;
        CHECK(sockopt_verify(&values, &found, "sender") == -1);
        CHECK(strstr(err_text(), sockopt_row(option)->kernel_name) != NULL);
        CHECK_ERROR(STATUS_REFUSED, "cannot be read back");
        found = values;
        if (sockopt_row(option)->kind == SOCKOPT_TEXT)
            strcpy(found.of[option].text, "other");
        else
            found.of[option].number ^= 1;
        CHECK(sockopt_verify(&values, &found, "receiver") == -1);
        CHECK(strstr(err_text(), sockopt_row(option)->kernel_name) != NULL);
        CHECK_ERROR(STATUS_REFUSED, "receiver: ");
    }
    struct sockopt_values none = {.of = {[0] = {.known = false}}}, found = none;
    CHECK(sockopt_verify(&none, &found, "sender") == 0); /* nothing was asked: nothing is to be proved */

    struct sockopt_values mss = asked(SOCKOPT_MSS, "1448");
    static const struct {
        uint64_t found;
        int outcome;
    } cases[] = {{1448, 0}, {1436, 0}, {1408, 0}, {1407, -1}, {1449, -1}, {536, -1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        found.of[SOCKOPT_MSS] = (struct sockopt_value){.known = true, .number = cases[i].found};
        CHECK(sockopt_verify(&mss, &found, "sender") == cases[i].outcome);
        err_clear();
    }
    struct sockopt_values buffer = asked(SOCKOPT_SNDBUF, "16K");
    static const struct {
        uint64_t found;
        int outcome;
    } sizes[] = {{32768, 0}, {40000, 0}, {32767, -1}, {16384, -1}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        found.of[SOCKOPT_SNDBUF] = (struct sockopt_value){.known = true, .number = sizes[i].found};
        CHECK(sockopt_verify(&buffer, &found, "sender") == sizes[i].outcome);
        err_clear();
    }
}

static void
an_unknown_congestion_control_is_refused(void)
{
    struct sockopt_values values = asked(SOCKOPT_CONGESTION, "nosuch");
    int ends[2];

    CHECK(connect_pair(AF_INET, &values, NULL, ends) == -1);
    CHECK(strstr(err_text(), "'nosuch'") != NULL);
    CHECK(strstr(err_text(), "reno") != NULL); /* what is available */
    CHECK_ERROR(STATUS_REFUSED, "available: ");
}

static void
ecn_bits_are_not_ours(void)
{
    struct sockopt_values values = asked(SOCKOPT_TOS, "3"), found;
    int ends[2];

    REQUIRE(connect_pair(AF_INET, &values, NULL, ends) == 0);
    sockopt_read(ends[0], &found);
    CHECK(sockopt_verify(&values, &found, "sender") == -1);
    CHECK_ERROR(STATUS_REFUSED, "IP_TOS");
    close_pair(ends);
}

static void
a_unix_socket_has_what_it_has(void)
{
    struct sockopt_values found;
    int ends[2];

    for (enum sockopt option = 0; option < SOCKOPT_COUNT; option++) {
        struct sockopt_values values = asked(option, unusual[option]);
        bool tcp_only = sockopt_row(option)->tcp_only;
        CHECK(sockopt_check_family(&values, AF_INET) == 0);
        CHECK(sockopt_check_family(&values, AF_UNIX) == (tcp_only ? -1 : 0));
        if (tcp_only)
            CHECK_ERROR(STATUS_USAGE, sockopt_row(option)->name);
    }
    REQUIRE(connect_pair(AF_UNIX, NULL, NULL, ends) == 0);
    sockopt_read(ends[0], &found);
    CHECK(found.of[SOCKOPT_SNDBUF].known && !found.of[SOCKOPT_NODELAY].known && !found.of[SOCKOPT_MSS].known);
    struct sockopt_values small = asked(SOCKOPT_SNDBUF, "16K");
    close_pair(ends);
    REQUIRE(connect_pair(AF_UNIX, &small, NULL, ends) == 0);
    sockopt_read(ends[0], &found);
    CHECK(sockopt_verify(&small, &found, "sender") == 0);
    close_pair(ends);
}

static void
a_wait_is_bounded(void)
{
    int ends[2];
    char byte;

    REQUIRE(connect_pair(AF_INET, NULL, NULL, ends) == 0);
    REQUIRE(sockopt_limit_wait(ends[1], 20 * NS_PER_MS) == 0);
    uint64_t begin_ns = clock_now_ns();
    CHECK(read(ends[1], &byte, 1) == -1);
    CHECK(clock_now_ns() - begin_ns >= 10 * NS_PER_MS);
    CHECK_NUMBER(sockopt_pending_error(ends[1]), 0);
    close_pair(ends);
}

int
main(void)
{
    the_table_is_sound();
    parses();
    every_option_takes_effect();
    a_clamped_buffer_is_found_out(SOCKOPT_SNDBUF, "/proc/sys/net/core/wmem_max", "net.core.wmem_max (");
    a_clamped_buffer_is_found_out(SOCKOPT_RCVBUF, "/proc/sys/net/core/rmem_max", "net.core.rmem_max (");
    the_floor_is_allowed();
    a_lost_option_is_found_out();
    an_unknown_congestion_control_is_refused();
    ecn_bits_are_not_ours();
    a_unix_socket_has_what_it_has();
    a_wait_is_bounded();
    return check_end();
}
