/* arguments.c: a whole command line: the first byte chooses the subcommand, zeros part the words. It is taken, or
 * refused as wrong usage with a sentence. */
#include <string.h>

#include "args.h"
#include "fuzz.h"

#define WORDS_MAX 64

static const enum command commands[] = {COMMAND_RECV,    COMMAND_SEND,  COMMAND_PAIR,   COMMAND_OPTIONS, COMMAND_HELP,
                                        COMMAND_VERSION, COMMAND_CLIFF, COMMAND_SLICES, COMMAND_ARM,     COMMAND_LAB};

int
fuzz_one(const uint8_t *bytes, size_t length)
{
    static struct config config;
    char *words[WORDS_MAX + 3] = {(char[]){"tinygram"}, (char[]){"subcommand"}};
    int count = 2;
    char *text;

    if (length < 1)
        return 0;
    enum command command = commands[bytes[0] % (sizeof commands / sizeof commands[0])];
    text = malloc(length);
    if (text == NULL)
        return 0;
    memcpy(text, bytes + 1, length - 1);
    text[length - 1] = '\0';
    for (size_t at = 0; at + 1 < length && count < WORDS_MAX + 2; at += strlen(text + at) + 1)
        words[count++] = text + at;
    if (args_parse(command, count, words, &config) != 0)
        MUST_REFUSE(STATUS_USAGE);
    else
        MUST(err_status() == STATUS_DONE);
    free(text);
    return 0;
}
