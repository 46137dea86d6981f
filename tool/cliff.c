/* cliff.c: see cliff.h. The conversation: search, find the cliffs, explain them, then say so. search.c measures,
 * bisect.c decides where. */
#include "cliff.h"

#include <stdio.h>
#include <string.h>

#include "cliff_explain.h"
#include "cliff_findings.h"
#include "cliff_record.h"
#include "cliff_show.h"
#include "interrupt.h"
#include "outfile.h"
#include "search.h"

/* Writes the document, or prints the map, also of a search that ended early. */
static int
report(const struct search *search, const struct findings *findings, struct outfile *json)
{
    enum status status = err_status();
    char text[ERR_TEXT_BYTES];

    memcpy(text, err_text(), sizeof text);
    if (json->stream != NULL) {
        cliff_record(json->stream, search, findings, status, status == STATUS_DONE ? NULL : text);
        return outfile_commit(json);
    }
    if (status == STATUS_DONE || status == STATUS_INTERRUPTED)
        cliff_show(search, findings);
    return outfile_flush_stdout();
}

/* Fills both, also with a part that ends with an error. */
static int
explore(struct search *search, struct findings *findings)
{
    if (search_run(search) != 0) {
        if (err_status() == STATUS_INTERRUPTED && findings_gather(findings, search) == 0)
            err_set(STATUS_INTERRUPTED, "interrupted by a signal; the result is partial");
        return -1;
    }
    return findings_gather(findings, search) == 0 ? cliff_explain(findings, search) : -1;
}

enum status
cliff_main(const struct config *config)
{
    static struct search search; /* too large for a stack */
    static struct findings findings;
    struct outfile json = {.stream = NULL};

    interrupt_install();
    if (search_prepare(&search, config) != 0)
        return err_status();
    if (config->json_path != NULL && outfile_open(&json, config->json_path) != 0)
        return err_status();
    if (explore(&search, &findings) == 0)
        err_clear();
    report(&search, &findings, &json);
    outfile_discard(&json);
    findings_free(&findings);
    search_free(&search);
    return err_status();
}
