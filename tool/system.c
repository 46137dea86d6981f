/* system.c: see system.h. */
#include "system.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"

int
system_read_text(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return -1;
    char *line = fgets(text, (int)size, file);
    fclose(file);
    if (line == NULL)
        return -1;
    text[strcspn(text, "\n")] = '\0';
    return 0;
}

uint64_t
system_read_number(const char *path)
{
    char text[64];
    char *end;

    if (system_read_text(path, text, sizeof text) != 0 || text[0] < '0' || text[0] > '9')
        return MISSING;
    errno = 0;
    uintmax_t number = strtoumax(text, &end, 10);
    return errno != 0 || end == text ? MISSING : (uint64_t)number;
}
