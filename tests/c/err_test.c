/* err_test.c: one error a thread, a sentence with its context, never longer than its room. */
#include "err.h"

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "check.h"

static void
keeps_the_last_error(void)
{
    CHECK(err_status() == STATUS_DONE);
    CHECK_TEXT(err_text(), "");
    CHECK(err_set(STATUS_USAGE, "first %d", 1) == -1);
    CHECK(err_set(STATUS_FAILED, "second %s", "words") == -1);
    CHECK(err_status() == STATUS_FAILED);
    CHECK_TEXT(err_text(), "second words");
    CHECK(err_context("connection %d", 3) == -1);
    CHECK_TEXT(err_text(), "connection 3: second words");
    CHECK(err_set(STATUS_REFUSED, "%s, again", err_text()) == -1); /* an argument within the kept text */
    CHECK_TEXT(err_text(), "connection 3: second words, again");
    err_clear();
    CHECK(err_status() == STATUS_DONE);
    CHECK_TEXT(err_text(), "");
}

static void
says_what_the_system_said(void)
{
    CHECK(err_system(ENOENT, "cannot open %s", "x") == -1);
    CHECK_TEXT(err_text(), "cannot open x: No such file or directory");
    CHECK_ERROR(STATUS_REFUSED, "x");
    CHECK(err_system(EMFILE, "cannot make a socket") == -1);
    CHECK_ERROR(STATUS_REFUSED, "raise the limit of open files (ulimit -n)");
    CHECK(err_system(99999, "odd") == -1);
    CHECK_ERROR(STATUS_REFUSED, "99999");
}

static void
cuts_what_is_too_long(void)
{
    char longer[3 * ERR_TEXT_BYTES];

    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    CHECK(err_set(STATUS_FAILED, "%s", longer) == -1);
    CHECK_NUMBER(strlen(err_text()), ERR_TEXT_BYTES - 1);
    CHECK(err_context("%s", longer) == -1);
    CHECK_NUMBER(strlen(err_text()), ERR_TEXT_BYTES - 1);
    CHECK(err_system(ENOSPC, "%s", longer) == -1);
    CHECK_ERROR(STATUS_REFUSED, "No space left on device"); /* the cause is not what is cut */
}

static void *
in_a_thread(void *argument)
{
    (void)argument;
    CHECK(err_status() == STATUS_DONE);
    err_set(STATUS_LIMIT, "of the thread");
    return NULL;
}

static void
is_of_one_thread(void)
{
    pthread_t thread;

    err_set(STATUS_USAGE, "of the main thread");
    REQUIRE(pthread_create(&thread, NULL, in_a_thread, NULL) == 0);
    pthread_join(thread, NULL);
    CHECK_TEXT(err_text(), "of the main thread");
    CHECK_ERROR(STATUS_USAGE, "main");
}

/* Standard error while err_print() runs. */
static void
prints_one_line(void)
{
    int ends[2];
    char printed[64] = "";
    int saved = dup(STDERR_FILENO);

    REQUIRE(saved >= 0 && pipe(ends) == 0 && dup2(ends[1], STDERR_FILENO) >= 0);
    err_print(); /* nothing is kept: nothing is printed */
    err_set(STATUS_USAGE, "a sentence");
    err_print();
    dup2(saved, STDERR_FILENO);
    close(ends[1]);
    CHECK(read(ends[0], printed, sizeof printed - 1) > 0);
    CHECK_TEXT(printed, "tinygram: a sentence\n");
    close(ends[0]);
    close(saved);
    err_clear();
}

int
main(void)
{
    keeps_the_last_error();
    says_what_the_system_said();
    cuts_what_is_too_long();
    is_of_one_thread();
    prints_one_line();
    return check_end();
}
