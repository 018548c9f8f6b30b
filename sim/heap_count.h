/* Counts what is live on the heap of a simulated run: how much at most, and what is left at its
 * end.
 *
 * The linker puts the counting functions before base/os/heap in everything that links the
 * simulator (--wrap); the server's binary knows nothing of them. Sizes are those of the allocator,
 * so they differ a little between builds: nothing that a run's hash depends on may use them.
 */
#ifndef Q_SIM_HEAP_COUNT_H
#define Q_SIM_HEAP_COUNT_H

#include <stddef.h>

/* Bytes that are allocated now. Not for threads. */
size_t heap_count_live(void);
/* The most there have been since heap_count_begin. */
size_t heap_count_peak(void);
/* The peak is counted from here. */
void heap_count_begin(void);

#endif
