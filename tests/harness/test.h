/* The only door to cmocka: include this, never <cmocka.h>, whose include order is fragile.
 *
 * A test file defines cases with TEST(sentence) and ends with TEST_MAIN(CASE(sentence), ...).
 * scripts/run_tests.py runs the executables with TAP output and counts cases, not executables.
 */
#ifndef Q_TESTS_HARNESS_TEST_H
#define Q_TESTS_HARNESS_TEST_H

/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
/* clang-format on */

#include "harness/plant_env.h"

#define TEST(sentence) static void sentence(void **state_)
#define CASE(sentence) cmocka_unit_test(sentence)

/* Ends the case. Known not to return, which tells clang-tidy what holds after an EXPECT. */
static inline _Noreturn void test_failed(const char *expr, const char *file, int line)
{
    _assert_true(0, expr, file, line);
    abort();
}

/* Fails the case, naming the expression. */
#define EXPECT(expr)                                                                               \
    do {                                                                                           \
        (void)state_;                                                                              \
        REQUIRE(expr);                                                                             \
    } while (0)

/* As EXPECT, for helpers that are not cases themselves. */
#define REQUIRE(expr) ((expr) ? (void)0 : test_failed(#expr, __FILE__, __LINE__))

#define TEST_MAIN(...)                                                                             \
    int main(void)                                                                                 \
    {                                                                                              \
        const struct CMUnitTest tests[] = {__VA_ARGS__};                                           \
        /* A case that aborts must not take the results of those before it along. */               \
        (void)setvbuf(stdout, NULL, _IOLBF, 0);                                                    \
        cmocka_set_message_output(CM_OUTPUT_TAP);                                                  \
        return cmocka_run_group_tests(tests, NULL, NULL);                                          \
    }

#endif
