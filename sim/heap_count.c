#include "sim/heap_count.h"

#include "base/check.h"
#include "base/os/heap.h"

#include <malloc.h>

/* What the linker makes of base/os/heap: the real functions, and those called in their place. */
void *__real_heap_alloc(size_t size);
void *__real_heap_alloc_raw(size_t size);
void *__real_heap_realloc(void *memory, size_t size);
void __real_heap_free(void *memory);
void *__wrap_heap_alloc(size_t size);
void *__wrap_heap_alloc_raw(size_t size);
void *__wrap_heap_realloc(void *memory, size_t size);
void __wrap_heap_free(void *memory);

/* The process has one heap, so this is what may be counted in one place. Threads (the server's
 * tests have some) keep counts of their own, which nobody asks for. */
static _Thread_local size_t live;
static _Thread_local size_t peak;

static void *counted(void *memory)
{
    live += malloc_usable_size(memory);
    peak = live > peak ? live : peak;
    return memory;
}

static void uncount(void *memory)
{
    live -= memory == NULL ? 0 : malloc_usable_size(memory); /* LeakSanitizer's dies of NULL. */
}

void *__wrap_heap_alloc(size_t size)
{
    return counted(__real_heap_alloc(size));
}

void *__wrap_heap_alloc_raw(size_t size)
{
    return counted(__real_heap_alloc_raw(size));
}

void *__wrap_heap_realloc(void *memory, size_t size)
{
    uncount(memory);
    return counted(__real_heap_realloc(memory, size));
}

void __wrap_heap_free(void *memory)
{
    uncount(memory);
    __real_heap_free(memory);
}

size_t heap_count_live(void)
{
    return live;
}

size_t heap_count_peak(void)
{
    return peak;
}

void heap_count_begin(void)
{
    peak = live;
}
