/* length_test.c: slow trials stay short, fast ones are limited in time. */
#include "length.h"

#include "check.h"
#include "clock.h"
#include "workload.h"

static struct config
transfer(void)
{
    return (struct config){.workload = WORKLOAD_TRANSFER,
                           .bytes = UINT64_C(64) << 20,
                           .duration_ns = MISSING,
                           .timeout_ns = 60 * NS_PER_S,
                           .pacing = {.count = MISSING}};
}

/* Learns trials at `rate` bytes a second until the length is settled, and returns the time that they take together. */
static uint64_t
settle(struct length *length, double rate)
{
    uint64_t spent_ns = 0;

    for (int i = 0; i < 20 && !length->settled; i++) {
        uint64_t took_ns = (uint64_t)((double)length->bytes / rate * 1e9);
        spent_ns += took_ns;
        length_learn(length, length->bytes, took_ns);
    }
    CHECK(length->settled);
    return spent_ns;
}

static void
test_a_fast_value_is_limited_in_time(void)
{
    struct config config = transfer();
    struct length length = length_begin(&config);

    CHECK(!length.settled && length.bytes < UINT64_C(1) << 20);
    CHECK(settle(&length, 4e9) < 10 * NS_PER_MS);
    CHECK_NUMBER(length.bytes, MISSING);
    length_apply(&length, &config);
    CHECK(config.duration_ns < NS_PER_S);
    CHECK_NUMBER(config.bytes, UINT64_C(64) << 20);
}

static void
test_a_slow_value_sends_few_bytes(void)
{
    const double rates[] = {20e3, 50e3, 200e3, 1e6, 4e6};

    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        double rate = rates[i];
        struct config config = transfer();
        struct length length = length_begin(&config);
        CHECK(settle(&length, rate) < 2 * NS_PER_S);
        REQUIRE(length.bytes != MISSING);
        CHECK((double)length.bytes / rate < 2);
        length_apply(&length, &config);
        CHECK_NUMBER(config.bytes, length.bytes);
        CHECK_NUMBER(config.duration_ns, MISSING);
    }
}

static void
test_full_buffers_that_take_too_long_make_it_shorter(void)
{
    struct config config = transfer();
    struct length length = length_begin(&config);

    settle(&length, 4e9);
    length_learn(&length, 4000000, 4 * NS_PER_S);
    CHECK(length.bytes < 1000000);
    CHECK(length_shorten(&length));
    while (length_shorten(&length))
        ;
    CHECK(length.bytes > 0 && length.bytes <= 16384);
}

static void
test_what_is_given_stays(void)
{
    struct config config = transfer();

    config.duration_ns = 7 * NS_PER_MS;
    struct length length = length_begin(&config);
    settle(&length, 4e9);
    CHECK_NUMBER(length.duration_ns, 7 * NS_PER_MS);
    config.file = "x";
    length = length_begin(&config);
    CHECK(length.settled && length.bytes == MISSING && !length_shorten(&length));
    config = transfer();
    config.bytes = 100;
    CHECK_NUMBER(length_begin(&config).bytes, 100);
    config = (struct config){.workload = WORKLOAD_EXCHANGE, .duration_ns = MISSING, .pacing = {.count = 5}};
    length = length_begin(&config);
    length_apply(&length, &config);
    CHECK(length.settled && config.pacing.count == 5 && config.duration_ns != MISSING);
}

static void
test_a_trial_is_given_up_in_time(void)
{
    struct config config = transfer();

    CHECK(length_limit_ns(&config) < 10 * NS_PER_S);
    config.timeout_ns = NS_PER_S;
    CHECK_NUMBER(length_limit_ns(&config), NS_PER_S);
    config = (struct config){.workload = WORKLOAD_STREAM,
                             .duration_ns = MISSING,
                             .timeout_ns = 60 * NS_PER_S,
                             .pacing = {.count = 20, .rate = 1}};
    CHECK(length_limit_ns(&config) > 20 * NS_PER_S);
}

int
main(void)
{
    test_a_fast_value_is_limited_in_time();
    test_a_slow_value_sends_few_bytes();
    test_full_buffers_that_take_too_long_make_it_shorter();
    test_what_is_given_stays();
    test_a_trial_is_given_up_in_time();
    return check_end();
}
