#include "base/os/heap.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

static void *checked(void *memory, size_t size)
{
    if (memory == NULL) {
        (void)fprintf(stderr, "quorate: out of memory (%zu bytes wanted); stopping\n", size);
        abort();
    }
    return memory;
}

void *heap_alloc(size_t size)
{
    return checked(calloc(1, size > 0 ? size : 1), size);
}

void *heap_alloc_raw(size_t size)
{
    return checked(malloc(size > 0 ? size : 1), size);
}

void *heap_realloc(void *memory, size_t size)
{
    return checked(realloc(memory, size > 0 ? size : 1), size);
}

void heap_free(void *memory)
{
    free(memory);
}

void check_failed(const char *file, int line, const char *expr)
{
    (void)fprintf(stderr, "quorate: check failed at %s:%d: %s\n", file, line, expr);
    abort();
}
