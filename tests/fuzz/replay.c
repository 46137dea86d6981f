/* replay.c: runs a fuzzing target on the files that are named, without a fuzzer: what it once found stays found. */
#include <string.h>

#include "fuzz.h"

#define INPUT_MAX (1 << 20)

/* One file, in memory of exactly its size, so that a sanitizer sees a read past its end. Returns 0, or -1. */
static int
replay(const char *path)
{
    static uint8_t room[INPUT_MAX];
    FILE *file = fopen(path, "rb");
    size_t length;
    uint8_t *exact;

    if (file == NULL) {
        fprintf(stderr, "cannot read %s\n", path);
        return -1;
    }
    length = fread(room, 1, sizeof room, file);
    fclose(file);
    exact = malloc(length > 0 ? length : 1);
    if (exact == NULL)
        return -1;
    memcpy(exact, room, length);
    fuzz_one(exact, length);
    free(exact);
    return 0;
}

int
main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (replay(argv[i]) != 0)
            return 2;
    return argc > 1 ? 0 : 2;
}
