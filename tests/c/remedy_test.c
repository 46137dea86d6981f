/* remedy_test.c: each remedy changes one thing, or says why it cannot. */
#include "remedy.h"

#include <sys/socket.h>

#include "check.h"

#define LARGER UINT64_C(32768)

static struct config
plain(void)
{
    return (struct config){.family = AF_INET};
}

static void
test_each_changes_its_option(void)
{
    struct config config = plain();
    uint64_t value = 0;

    CHECK(remedy_apply(REMEDY_QUICKACK, &config, &value) == NULL && config.rearm_quickack);
    CHECK(remedy_apply(REMEDY_NODELAY, &config, &value) == NULL && config.sender.of[SOCKOPT_NODELAY].number == 1);
    CHECK(remedy_apply(REMEDY_MSS, &config, &value) == NULL && config.sender.of[SOCKOPT_MSS].number == value);
    CHECK_NUMBER(value, 1460);
    config.sender.of[SOCKOPT_SNDBUF] = config.receiver.of[SOCKOPT_RCVBUF] =
        (struct sockopt_value){.known = true, .number = 4096};
    config.rcvbuf_late = true;
    CHECK(remedy_apply(REMEDY_EARLY_RCVBUF, &config, &value) == NULL && !config.rcvbuf_late);
    CHECK(remedy_apply(REMEDY_SNDBUF, &config, &value) == NULL && value == LARGER);
    CHECK_NUMBER(config.sender.of[SOCKOPT_SNDBUF].number, LARGER);
    CHECK(remedy_apply(REMEDY_RCVBUF, &config, &value) == NULL && value == LARGER);
    for (enum remedy r = 0; r < REMEDIES; r++) /* each is there already, but buffers can still grow */
        CHECK(r == REMEDY_SNDBUF || r == REMEDY_RCVBUF || remedy_apply(r, &config, &value) != NULL);
}

static void
test_what_cannot_be_tried_says_why(void)
{
    struct config config = plain();
    uint64_t value = 0;

    CHECK(strstr(remedy_apply(REMEDY_SNDBUF, &config, &value), "kernel chooses") != NULL);
    CHECK(strstr(remedy_apply(REMEDY_RCVBUF, &config, &value), "kernel chooses") != NULL);
    CHECK(strstr(remedy_apply(REMEDY_EARLY_RCVBUF, &config, &value), "not set") != NULL);
    config.sender.of[SOCKOPT_SNDBUF] = (struct sockopt_value){.known = true, .number = UINT32_MAX};
    CHECK(strstr(remedy_apply(REMEDY_SNDBUF, &config, &value), "as large as the system allows") != NULL);
    config.family = AF_UNIX;
    CHECK(strstr(remedy_apply(REMEDY_NODELAY, &config, &value), "no TCP") != NULL);
    CHECK(!config.sender.of[SOCKOPT_NODELAY].known);
    for (enum remedy r = 0; r < REMEDIES; r++)
        CHECK(remedy_name(r)[0] != '\0' && remedy_words(r)[0] != '\0');
}

int
main(void)
{
    test_each_changes_its_option();
    test_what_cannot_be_tried_says_why();
    return check_end();
}
