/* outfile.c: see outfile.h. */
#include "outfile.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "err.h"

int
outfile_open(struct outfile *file, const char *path)
{
    struct stat status;

    *file = (struct outfile){.path = path};
    if (strcmp(path, "-") == 0) {
        file->stream = stdout;
        return 0;
    }
    const char *opened = path;
    if (stat(path, &status) != 0 || S_ISREG(status.st_mode)) {
        if (snprintf(file->part_path, sizeof file->part_path, "%s.%ld.part", path, (long)getpid()) >=
            (int)sizeof file->part_path)
            return err_set(STATUS_USAGE, "the path %.60s... is too long", path);
        opened = file->part_path;
    }
    file->stream = fopen(opened, "we");
    if (file->stream == NULL) {
        int code = errno;
        file->part_path[0] = '\0';
        return err_system(code, "cannot write %.200s", path);
    }
    return 0;
}

/* Flushes `stream`. Returns 0, or the errno value of what could not be written. A stream on which writing failed
 * earlier remembers that, but not why: one more byte tells. */
static int
flush(FILE *stream)
{
    errno = 0;
    if (fflush(stream) == 0 && !ferror(stream))
        return 0;
    if (errno != 0)
        return errno;
    clearerr(stream);
    if (fputc('\n', stream) == EOF || fflush(stream) != 0)
        return errno != 0 ? errno : EIO;
    return EIO;
}

int
outfile_flush_stdout(void)
{
    int code = flush(stdout);
    return code == 0 ? 0 : err_system(code, "cannot write to standard output");
}

int
outfile_commit(struct outfile *file)
{
    if (file->stream == NULL)
        return 0;
    if (file->stream == stdout) {
        file->stream = NULL;
        return outfile_flush_stdout();
    }
    int code = flush(file->stream);
    if (fclose(file->stream) != 0 && code == 0)
        code = errno;
    file->stream = NULL;
    if (code == 0 && (file->part_path[0] == '\0' || rename(file->part_path, file->path) == 0))
        return 0;
    if (code == 0)
        code = errno;
    outfile_discard(file);
    return err_system(code, "cannot write %.200s", file->path);
}

void
outfile_discard(struct outfile *file)
{
    if (file->stream != NULL && file->stream != stdout)
        fclose(file->stream);
    file->stream = NULL;
    if (file->part_path[0] != '\0')
        unlink(file->part_path);
    file->part_path[0] = '\0';
}
