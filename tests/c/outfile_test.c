/* outfile_test.c: a file is written whole or not at all. Works in the current directory. */
#include "outfile.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

static size_t
files_here(void)
{
    size_t count = 0;
    DIR *directory = opendir("outfile");

    REQUIRE(directory != NULL);
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;)
        count += entry->d_name[0] != '.' || (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0);
    closedir(directory);
    return count;
}

static const char *
content(const char *path)
{
    static char text[64];
    FILE *file = fopen(path, "r");

    if (file == NULL)
        return "(no file)";
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

static void
appears_when_it_is_complete(void)
{
    struct outfile file;

    REQUIRE(outfile_open(&file, "outfile/a") == 0);
    fputs("first", file.stream);
    fflush(file.stream);
    CHECK_TEXT(content("outfile/a"), "(no file)");
    CHECK(outfile_commit(&file) == 0);
    CHECK_TEXT(content("outfile/a"), "first");
    CHECK_NUMBER(files_here(), 1);

    REQUIRE(outfile_open(&file, "outfile/a") == 0);
    fputs("second, much longer", file.stream);
    fflush(file.stream);
    CHECK_TEXT(content("outfile/a"), "first"); /* what was there stays until then */
    outfile_discard(&file);
    CHECK_TEXT(content("outfile/a"), "first");
    CHECK_NUMBER(files_here(), 1);
    outfile_discard(&file);            /* twice is once */
    CHECK(outfile_commit(&file) == 0); /* nothing is open: nothing to do */

    REQUIRE(outfile_open(&file, "outfile/a") == 0);
    CHECK(outfile_commit(&file) == 0);
    outfile_discard(&file); /* as at the end of a trial: what was committed stays */
    CHECK_TEXT(content("outfile/a"), "");
}

static void
what_cannot_be_written_is_told(void)
{
    struct outfile file;

    CHECK(outfile_open(&file, "no/such/directory/file") == -1);
    CHECK_ERROR(STATUS_REFUSED, "cannot write no/such/directory/file: No such file or directory");
    outfile_discard(&file);
    CHECK(outfile_open(&file, "outfile") == -1);
    CHECK_ERROR(STATUS_REFUSED, "cannot write outfile: Is a directory");
    outfile_discard(&file);

    REQUIRE(outfile_open(&file, "/dev/full") == 0); /* a device is written directly */
    fputs("x", file.stream);
    CHECK(outfile_commit(&file) == -1);
    CHECK_ERROR(STATUS_REFUSED, "cannot write /dev/full: No space left on device");
    outfile_discard(&file);
    CHECK(access("/dev/full", F_OK) == 0);

    char path[2 * OUTFILE_PATH_BYTES];
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    CHECK(outfile_open(&file, path) == -1);
    CHECK_ERROR(STATUS_USAGE, "is too long");
    outfile_discard(&file);
    CHECK_NUMBER(files_here(), 1);
}

static void
a_target_that_turned_into_a_directory(void)
{
    struct outfile file;

    REQUIRE(outfile_open(&file, "outfile/b") == 0);
    fputs("x", file.stream);
    REQUIRE(mkdir("outfile/b", 0755) == 0);
    CHECK(outfile_commit(&file) == -1);
    CHECK_ERROR(STATUS_REFUSED, "cannot write outfile/b");
    REQUIRE(rmdir("outfile/b") == 0);
    CHECK_NUMBER(files_here(), 1); /* no temporary file is left */
}

static void
a_null_device_is_no_file_to_replace(void)
{
    struct outfile file;
    struct stat status;

    REQUIRE(outfile_open(&file, "/dev/null") == 0);
    fputs("x", file.stream);
    CHECK(outfile_commit(&file) == 0);
    CHECK(stat("/dev/null", &status) == 0 && S_ISCHR(status.st_mode));
}

int
main(void)
{
    REQUIRE(mkdir("outfile", 0755) == 0);
    appears_when_it_is_complete();
    what_cannot_be_written_is_told();
    a_target_that_turned_into_a_directory();
    a_null_device_is_no_file_to_replace();
    unlink("outfile/a");
    rmdir("outfile");
    return check_end();
}
