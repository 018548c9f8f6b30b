/* Allocations that fail on demand, in executables named *_out_of_memory_test: CMakeLists.txt has
 * the linker lead every malloc, calloc and realloc of our own code here.
 *
 * Include it in exactly one file of an executable. There is no "from then on": base/os/heap stops
 * the process at the first failure.
 */
#ifndef Q_TESTS_HARNESS_FAILING_HEAP_H
#define Q_TESTS_HARNESS_FAILING_HEAP_H

#include "harness/child.h"
#include "harness/test.h"

#include <signal.h>
#include <string.h>

#define FAILING_HEAP_TEXT "quorate: out of memory ("

struct failing_heap {
    uint64_t count; /* Allocations since it was armed. */
    uint64_t fail_at;
};

static struct failing_heap failing_heap;

static void failing_heap_arm(uint64_t fail_at)
{
    failing_heap = (struct failing_heap){.fail_at = fail_at};
}

static bool failing_heap_fails(void)
{
    failing_heap.count++;
    return failing_heap.count == failing_heap.fail_at;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

void *__wrap_malloc(size_t size)
{
    return failing_heap_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return failing_heap_fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return failing_heap_fails() ? NULL : __real_realloc(memory, size);
}

/* Ended as documented: by abort, with the message? */
static bool failing_heap_stopped(const struct child_result *result)
{
    const bool is_right =
        result->signal == SIGABRT &&
        strncmp(result->errors, FAILING_HEAP_TEXT, strlen(FAILING_HEAP_TEXT)) == 0 &&
        strstr(result->errors, "; stopping\n") != NULL;
    if (!is_right) {
        print_message("# code %d, signal %d: %s\n", result->code, result->signal, result->errors);
    }
    return is_right;
}

#endif
