/* The process heap. Running out of memory stops the process with a clear message: a node that
 * cannot allocate cannot keep its promises, and its peers go on without it. */
#ifndef Q_BASE_OS_HEAP_H
#define Q_BASE_OS_HEAP_H

#include <stddef.h>

/* The caller owns the result and gives it back with heap_free. Never NULL; zero-filled. */
void *heap_alloc(size_t size);
/* As heap_alloc, but the contents are not initialised. */
void *heap_alloc_raw(size_t size);
/* As realloc; never NULL. New bytes are not initialised. */
void *heap_realloc(void *memory, size_t size);
/* NULL is fine. */
void heap_free(void *memory);

#endif
