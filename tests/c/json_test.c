/* json_test.c: one well-formed document, whatever the values. With the argument `print` or `compact` it prints the
 * document, for a parser that is not ours (tests/test_tool_units.py). */
#include "json.h"

#include <math.h>

#include "check.h"
#include "clock.h"

static void
write_document(FILE *stream, bool compact)
{
    struct json json = json_begin(stream, compact);

    json_open_object(&json, NULL);
    json_count(&json, "zero", 0);
    json_count(&json, "large", UINT64_MAX - 1);
    json_count(&json, "missing", MISSING);
    json_real(&json, "real", 0.1);
    json_real(&json, "huge", 1e300);
    json_real(&json, "not_a_number", NAN);
    json_real(&json, "infinite", INFINITY);
    json_boolean(&json, "yes", true);
    json_boolean(&json, "no", false);
    json_null(&json, "null");
    json_text(&json, "no_text", NULL);
    json_text(&json, "quotes", "say \"tiny\\gram\" / 'now'");
    json_text(&json, "controls", "\x01\b\t\n\f\r\x1f\x7f.");
    json_text(&json, "utf8", "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x91 \xf4\x8f\xbf\xbf");
    json_text(&json, "stray_continuation", "a\x80z");
    json_text(&json, "cut_sequence", "a\xe2\x82");
    json_text(&json, "overlong", "a\xc0\xaf\xe0\x80\xaf\xf0\x80\x80\xaf");
    json_text(&json, "surrogate", "a\xed\xa0\x80z");
    json_text(&json, "beyond", "a\xf4\x90\x80\x80\xff");
    json_text(&json, "key \"\\\n", "odd key");
    json_open_array(&json, "empty_array");
    json_close_array(&json);
    json_open_object(&json, "empty_object");
    json_close_object(&json);
    json_open_array(&json, "array");
    json_count(&json, NULL, 1);
    json_text(&json, NULL, "two");
    json_null(&json, NULL);
    json_open_array(&json, NULL);
    json_count(&json, NULL, 4);
    json_close_array(&json);
    json_open_object(&json, NULL);
    json_open_object(&json, "deep");
    json_open_object(&json, "deeper");
    json_open_array(&json, "deepest");
    json_boolean(&json, NULL, true);
    json_close_array(&json);
    json_count(&json, "after", 5);
    json_close_object(&json);
    json_close_object(&json);
    json_close_object(&json);
    json_close_array(&json);
    json_count(&json, "last", 6);
    json_close_object(&json);
    json_end(&json);
}

/* The document as text; free it. */
static char *
document(bool compact)
{
    char *text = NULL;
    size_t len = 0;
    FILE *stream = open_memstream(&text, &len);

    REQUIRE(stream != NULL);
    write_document(stream, compact);
    fclose(stream);
    return text;
}

static void
is_as_said(void)
{
    char *lines = document(false);
    char *line = document(true);

    CHECK(strstr(lines, "\"missing\": null") != NULL);
    CHECK(strstr(lines, "\"large\": 18446744073709551614") != NULL);
    CHECK(strstr(lines, "\"not_a_number\": null") != NULL);
    CHECK(strstr(lines, "\"infinite\": null") != NULL);
    CHECK(strstr(lines, "\"stray_continuation\": \"a\\ufffdz\"") != NULL);
    CHECK(strstr(lines, "\\u0001\\u0008\\u0009\\u000a") != NULL);
    CHECK(strchr(lines, '\x01') == NULL);
    CHECK(lines[strlen(lines) - 1] == '\n');
    CHECK(strchr(line, '\n') == line + strlen(line) - 1); /* compact: one line */
    free(lines);
    free(line);
}

int
main(int argc, char **argv)
{
    if (argc > 1) {
        write_document(stdout, strcmp(argv[1], "compact") == 0);
        return 0;
    }
    is_as_said();
    return check_end();
}
