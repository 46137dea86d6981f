/* sysctl.c: see sysctl.h. */
#include "lab/sysctl.h"

#include <stdio.h>
#include <string.h>

#include "system.h"

#define ROOT "/proc/sys/"

bool
lab_sysctl_next(const char **list, char *name, size_t size)
{
    if (*list == NULL)
        return false;
    const char *first = *list + strspn(*list, " ");
    size_t len = strcspn(first, " ");
    *list = first + len;
    snprintf(name, size, "%.*s", (int)len, first);
    return len > 0;
}

const char *
lab_sysctl_read(const char *name, char *text, size_t size)
{
    char path[96];

    snprintf(path, sizeof path, ROOT "%s", name);
    for (char *dot = strchr(path, '.'); dot != NULL; dot = strchr(dot, '.'))
        *dot = '/';
    if (system_read_text(path, text, size) != 0)
        return NULL;
    for (char *next = text; *next != '\0'; next++)
        if (*next == '\t')
            *next = ' ';
    return text;
}

void
lab_sysctl_note(struct lab_case *lab)
{
    struct lab_record *record = lab->record;
    const char *list = lab->entry->sysctls;
    char name[sizeof record->sysctls[0].name], value[sizeof record->sysctls[0].value];

    record->sysctl_count = 0;
    while (record->sysctl_count < LAB_SYSCTLS && lab_sysctl_next(&list, name, sizeof name)) {
        struct lab_sysctl_seen *seen = &record->sysctls[record->sysctl_count++];
        snprintf(seen->name, sizeof seen->name, "%s", name);
        if (lab_sysctl_read(name, value, sizeof value) != NULL)
            snprintf(seen->value, sizeof seen->value, "%s", value);
    }
}

void
lab_sysctl_changed(struct lab_case *lab, const char *path, const char *value)
{
    struct lab_record *record = lab->record;

    if (strncmp(path, ROOT, strlen(ROOT)) != 0)
        return;
    path += strlen(ROOT);
    for (unsigned i = 0; i < record->sysctl_count; i++) {
        struct lab_sysctl_seen *seen = &record->sysctls[i];
        size_t at = 0; /* a dot of the name is a slash of the path */
        while (seen->name[at] != '\0' && (seen->name[at] == path[at] || (seen->name[at] == '.' && path[at] == '/')))
            at++;
        if (seen->name[at] != '\0' || path[at] != '\0')
            continue;
        size_t used = strlen(seen->then);
        snprintf(seen->then + used, sizeof seen->then - used, "%s%s", used > 0 ? ", " : "", value);
    }
}
