/* cliff.c: see cliff.h. The conversation: search, then say what was found; search.c measures, bisect.c decides where.
 */
#include "cliff.h"

#include <stdio.h>
#include <string.h>

#include "cliff_record.h"
#include "cliff_show.h"
#include "interrupt.h"
#include "outfile.h"
#include "search.h"

/* Writes the document, or prints the map, also of a search that ended early. */
static int
report(const struct search *search, struct outfile *json)
{
    enum status status = err_status();
    char text[ERR_TEXT_BYTES];

    memcpy(text, err_text(), sizeof text);
    if (json->stream != NULL) {
        cliff_record(json->stream, search, status, status == STATUS_DONE ? NULL : text);
        return outfile_commit(json);
    }
    if (status == STATUS_DONE || status == STATUS_INTERRUPTED)
        cliff_show(search);
    return outfile_flush_stdout();
}

enum status
cliff_main(const struct config *config)
{
    static struct search search; /* too large for a stack */
    struct outfile json = {.stream = NULL};

    interrupt_install();
    if (search_prepare(&search, config) != 0)
        return err_status();
    if (config->json_path != NULL && outfile_open(&json, config->json_path) != 0)
        return err_status();
    if (search_run(&search) == 0)
        err_clear();
    report(&search, &json);
    outfile_discard(&json);
    search_free(&search);
    return err_status();
}
