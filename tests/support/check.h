/* check.h - tests that register themselves, and checks that say what they saw.
 *
 *     TEST(outbox_refuses_past_its_limit) { CHECK_RC(RC_FULL, outbox_push(box, frame)); }
 *
 * A test program is one file of TESTs; main is in this library. Each runs in file order; an
 * argument on the command line is a pattern (with * and ?) of the names to run. A failed check ends
 * its test. Checks take the expected value first. They may be called on the test's own thread only.
 */
#ifndef TESTS_SUPPORT_CHECK_H
#define TESTS_SUPPORT_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/rc.h"

typedef void test_fn(void **state);

/* Called before main by each TEST. */
void test_register(const char *name, test_fn *run);

#define TEST(name)                                                                                 \
    static test_fn test_##name;                                                                    \
    __attribute__((constructor)) static void register_##name(void)                                 \
    {                                                                                              \
        test_register(#name, test_##name);                                                         \
    }                                                                                              \
    static void test_##name(__attribute__((unused)) void **test_state_)

void check_rc(enum rc wanted, enum rc got, const char *text, const char *file, int line);
void check_int(int64_t wanted, int64_t got, const char *text, const char *file, int line);
void check_u64(uint64_t wanted, uint64_t got, const char *text, const char *file, int line);
void check_bytes(struct bytes wanted, struct bytes got, const char *text, const char *file,
                 int line);
void check_true(bool is_so, const char *text, const char *file, int line);

#define CHECK(condition) check_true((condition), #condition, __FILE__, __LINE__)
#define CHECK_RC(wanted, got) check_rc((wanted), (got), #got, __FILE__, __LINE__)
#define CHECK_INT(wanted, got) check_int((wanted), (got), #got, __FILE__, __LINE__)
#define CHECK_U64(wanted, got) check_u64((wanted), (got), #got, __FILE__, __LINE__)
#define CHECK_SIZE(wanted, got) check_u64((wanted), (got), #got, __FILE__, __LINE__)
#define CHECK_BYTES(wanted, got) check_bytes((wanted), (got), #got, __FILE__, __LINE__)
/* wanted is a C string, got is bytes */
#define CHECK_TEXT(wanted, got) check_bytes(bytes_of(wanted), (got), #got, __FILE__, __LINE__)
/* both are C strings */
#define CHECK_STR(wanted, got)                                                                     \
    check_bytes(bytes_of(wanted), bytes_of(got), #got, __FILE__, __LINE__)
/* wanted is a C string, got is a struct id */
#define CHECK_ID(wanted, got)                                                                      \
    check_bytes(bytes_of(wanted), bytes_make((got).text, (got).len), #got, __FILE__, __LINE__)

#endif
