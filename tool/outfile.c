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

int
outfile_flush_stdout(void)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    return err_system(errno != 0 ? errno : EIO, "cannot write to standard output");
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
    errno = 0;
    int failed = ferror(file->stream);
    int code = errno;
    if (fclose(file->stream) != 0) {
        failed = 1;
        code = errno;
    }
    file->stream = NULL;
    if (!failed && (file->part_path[0] == '\0' || rename(file->part_path, file->path) == 0))
        return 0;
    if (!failed)
        code = errno;
    outfile_discard(file);
    return err_system(code != 0 ? code : EIO, "cannot write %.200s", file->path);
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
