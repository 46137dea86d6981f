/* lab_case_test.c: the record that an attempt fills in, the table of entries, and the C that is shown of them. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "lab/case.h"
#include "lab/code.h"

static struct lab_record record;
static struct lab_case lab = {.record = &record};

/* What does not fit is left out or cut; nothing is written beyond its place. */
static void
test_a_record_has_bounds(void)
{
    char text[2 * LAB_TEXT_BYTES];

    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (int i = 0; i < 100; i++) {
        lab_step(&lab, "%s", text);
        lab_number(&lab, "number", 7, "bytes");
        lab_moment(&lab, "%s", text);
    }
    CHECK_NUMBER(record.step_count, LAB_STEPS);
    CHECK_NUMBER(record.fact_count, LAB_FACTS);
    CHECK_NUMBER(record.moment_count, LAB_MOMENTS);
    CHECK_NUMBER(strlen(record.steps[LAB_STEPS - 1]), LAB_TEXT_BYTES - 1);
    CHECK_NUMBER(record.facts[LAB_FACTS - 1].number, 7);
    CHECK_TEXT(record.facts[LAB_FACTS - 1].unit, "bytes");
    CHECK(!record.controlled);
}

static void
test_what_is_noted_is_there(void)
{
    memset(&record, 0, sizeof record);
    lab_word(&lab, "errno", "%s", lab_errno(ECONNRESET));
    lab_number(&lab, "unknown", MISSING, "ms");
    lab_control(&lab, true, "another option", "%d bytes", 3);
    lab_decide(&lab, LAB_ONLY_IF, "%d of %d", 1, 2);
    lab_condition(&lab, "it rains");
    CHECK_TEXT(record.facts[0].text, "ECONNRESET");
    CHECK_NUMBER(record.facts[1].number, MISSING);
    CHECK_TEXT(record.facts[1].text, "");
    CHECK(record.controlled && record.control_sound);
    CHECK_TEXT(record.control_outcome, "3 bytes");
    CHECK_NUMBER(record.verdict, LAB_ONLY_IF);
    CHECK_TEXT(record.summary, "1 of 2");
    CHECK_TEXT(record.condition, "it rains");
    CHECK_TEXT(lab_errno(0), "none");
    CHECK_TEXT(lab_errno(4095), "error 4095");
}

static void
test_every_row_is_complete(void)
{
    CHECK(lab_entry_count >= 80);
    for (size_t i = 0; i < lab_entry_count; i++) {
        const struct lab_entry *entry = &lab_entries[i];
        bool shown = false;

        REQUIRE(entry->name != NULL && entry->statement != NULL);
        if (!CHECK(entry->run != NULL && entry->source != NULL && entry->twist != NULL && entry->repeats > 0))
            fprintf(stderr, "in the row of %s\n", entry->name);
        CHECK(strlen(entry->name) <= 28);
        CHECK(entry->statement[strlen(entry->statement) - 1] == '.');
        for (size_t j = 0; j < i; j++)
            CHECK(strcmp(entry->name, lab_entries[j].name) != 0);
        for (size_t c = 0; c < lab_code_count; c++)
            shown = shown || strcmp(lab_code[c].entry, entry->name) == 0;
        if (!CHECK(shown))
            fprintf(stderr, "no C is shown for %s\n", entry->name);
    }
}

static void
test_all_that_is_shown_belongs_to_an_entry(void)
{
    for (size_t c = 0; c < lab_code_count; c++) {
        bool known = false;
        for (size_t i = 0; i < lab_entry_count; i++)
            known = known || strcmp(lab_code[c].entry, lab_entries[i].name) == 0;
        if (!CHECK(known && lab_code[c].text[0] != '\0'))
            fprintf(stderr, "%s:%u shows '%s'\n", lab_code[c].file, lab_code[c].line, lab_code[c].entry);
    }
}

int
main(void)
{
    test_a_record_has_bounds();
    test_what_is_noted_is_there();
    test_every_row_is_complete();
    test_all_that_is_shown_belongs_to_an_entry();
    return check_end();
}
