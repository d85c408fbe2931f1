#include "support/check.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { TESTS_MAX = 512, SHOWN_BYTES_MAX = 200 };

static struct CMUnitTest tests[TESTS_MAX];
static size_t test_count;

void test_register(const char *name, test_fn *run)
{
    if (test_count == TESTS_MAX) {
        (void)fprintf(stderr, "more than %d tests in one program\n", TESTS_MAX);
        abort();
    }
    tests[test_count++] = (struct CMUnitTest){ .name = name, .test_func = run };
}

__attribute__((format(printf, 3, 4), noreturn)) static void fail_at(const char *file, int line,
                                                                    const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vprint_error(format, args);
    va_end(args);
    _fail(file, line);
    abort(); /* not reached: _fail jumps back to the runner */
}

void check_rc(enum rc wanted, enum rc got, const char *text, const char *file, int line)
{
    if (wanted != got)
        fail_at(file, line, "%s: wanted %s, got %s\n", text, rc_name(wanted), rc_name(got));
}

void check_int(int64_t wanted, int64_t got, const char *text, const char *file, int line)
{
    if (wanted != got)
        fail_at(file, line, "%s: wanted %" PRId64 ", got %" PRId64 "\n", text, wanted, got);
}

void check_u64(uint64_t wanted, uint64_t got, const char *text, const char *file, int line)
{
    if (wanted != got)
        fail_at(file, line, "%s: wanted %" PRIu64 ", got %" PRIu64 "\n", text, wanted, got);
}

static void show(struct bytes bytes, char *out, size_t room)
{
    size_t at = 0;
    for (size_t i = 0; i < bytes.len && at + 8 < room; i++) {
        uint8_t byte = bytes.ptr[i];
        at += (size_t)snprintf(out + at, room - at, isprint(byte) ? "%c" : "\\x%02x", byte);
    }
    out[at] = 0;
}

void check_bytes(struct bytes wanted, struct bytes got, const char *text, const char *file,
                 int line)
{
    char left[SHOWN_BYTES_MAX], right[SHOWN_BYTES_MAX];
    if (bytes_equal(wanted, got))
        return;
    show(wanted, left, sizeof left);
    show(got, right, sizeof right);
    fail_at(file, line, "%s: wanted (%zu) \"%s\", got (%zu) \"%s\"\n", text, wanted.len, left,
            got.len, right);
}

void check_true(bool is_so, const char *text, const char *file, int line)
{
    if (!is_so)
        fail_at(file, line, "not so: %s\n", text);
}

int main(int argc, char **argv)
{
    const char *program = strrchr(argv[0], '/');
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return _cmocka_run_group_tests(program ? program + 1 : argv[0], tests, test_count, NULL, NULL);
}
