/* units_test.c: whole numbers with units are read whole or refused, and written with three digits. */
#include "units.h"

#include "check.h"
#include "clock.h"

static void
reads_sizes(void)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {{"0", 0},
                {"1", 1},
                {"100", 100},
                {"16K", 16384},
                {"3M", UINT64_C(3) << 20},
                {"2G", UINT64_C(2) << 30},
                {"007", 7},
                {"18446744073709551614", UINT64_MAX - 1},
                {"17179869183G", UINT64_C(17179869183) << 30}};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        uint64_t bytes = 1234567;
        CHECK(units_parse_size(good[i].text, &bytes) == 0);
        CHECK_NUMBER(bytes, good[i].bytes);
    }
}

static void
refuses_sizes(void)
{
    static const struct {
        const char *text;
        const char *words;
    } bad[] = {{"", "is not a number"},
               {"-1", "is negative"},
               {"+1", "is not a number"},
               {" 1", "is not a number"},
               {"1 ", "is not a size"},
               {"12Q", "is not a size"},
               {"1e30", "is not a size"},
               {"0x10", "is not a size"},
               {"1.5K", "is not a size"},
               {"1k", "is not a size"},
               {"1KB", "is not a size"},
               {"K", "is not a number"},
               {"99999999999999999999", "too large"},
               {"18446744073709551615", "too large"}, /* the value that means "missing" */
               {"17179869184G", "too large"},
               {"18014398509481984K", "too large"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint64_t bytes;
        CHECK(units_parse_size(bad[i].text, &bytes) == -1);
        CHECK(strstr(err_text(), bad[i].text) != NULL);
        CHECK_ERROR(STATUS_USAGE, bad[i].words);
    }
}

static void
reads_and_refuses_times(void)
{
    static const struct {
        const char *text;
        uint64_t ns;
    } good[] = {{"7ns", 7}, {"40us", 40000}, {"5ms", 5000000}, {"2s", 2000000000}, {"0s", 0}};
    static const char *const bad[] = {"5", "5m", "5 ms", "5MS", "ms", "1.5s", "-1s", "18446744073709551614s"};
    uint64_t ns;

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        CHECK(units_parse_time(good[i].text, &ns) == 0);
        CHECK_NUMBER(ns, good[i].ns);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK(units_parse_time(bad[i], &ns) == -1);
        CHECK_ERROR(STATUS_USAGE, bad[i]);
    }
}

static void
reads_and_refuses_counts(void)
{
    static const char *const bad[] = {"", "4K", "four", "4 ", "-4", "0x4", "18446744073709551615"};
    uint64_t value;

    CHECK(units_parse_count("4", &value) == 0);
    CHECK_NUMBER(value, 4);
    CHECK(units_parse_count("18446744073709551614", &value) == 0);
    CHECK_NUMBER(value, UINT64_MAX - 1);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK(units_parse_count(bad[i], &value) == -1);
        CHECK_ERROR(STATUS_USAGE, "'");
    }
}

static void
a_long_text_does_not_flood_the_sentence(void)
{
    char text[4096];
    uint64_t value;

    memset(text, '9', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    CHECK(units_parse_size(text, &value) == -1);
    CHECK(strlen(err_text()) < 120);
    CHECK_ERROR(STATUS_USAGE, "too large");
}

static void
writes(void)
{
    char text[UNITS_TEXT_BYTES];

    CHECK_TEXT(units_format_size(text, 0), "0 B");
    CHECK_TEXT(units_format_size(text, 1023), "1023 B");
    CHECK_TEXT(units_format_size(text, 16384), "16 KiB");
    CHECK_TEXT(units_format_size(text, 6831736), "6.52 MiB");
    CHECK_TEXT(units_format_size(text, UINT64_C(2) << 30), "2 GiB");
    CHECK_TEXT(units_format_size(text, UINT64_MAX - 1), "17179869184 GiB");
    CHECK_TEXT(units_format_time(text, MISSING), "-");
    CHECK_TEXT(units_format_time(text, 812), "812 ns");
    CHECK_TEXT(units_format_time(text, 1500), "1.50 us");
    CHECK_TEXT(units_format_time(text, 44120000), "44.1 ms");
    CHECK_TEXT(units_format_time(text, UINT64_C(2300000000)), "2.30 s");
    CHECK_TEXT(units_format_rate(text, 12), "12.0 B/s");
    CHECK_TEXT(units_format_rate(text, 67e3), "67.0 kB/s");
    CHECK_TEXT(units_format_rate(text, 456e6), "456 MB/s");
    CHECK_TEXT(units_format_rate(text, 2.912e9), "2.91 GB/s");
}

int
main(void)
{
    reads_sizes();
    refuses_sizes();
    reads_and_refuses_times();
    reads_and_refuses_counts();
    a_long_text_does_not_flood_the_sentence();
    writes();
    return check_end();
}
