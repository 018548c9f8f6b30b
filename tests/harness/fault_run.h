/* How long the storage fault tests take: a sample that moves on each day, or everything.
 *
 * QUORATE_FAULTS=full runs everything; QUORATE_FAULTS_TURN (a number, 0 when not set) chooses the
 * sample, and is printed so that a failure can be had again.
 */
#ifndef Q_TESTS_HARNESS_FAULT_RUN_H
#define Q_TESTS_HARNESS_FAULT_RUN_H

#include "base/bytes.h"
#include "harness/test.h"

#include <string.h>

static inline bool fault_run_is_full(void)
{
    const char *value = getenv("QUORATE_FAULTS");
    return value != NULL && strcmp(value, "full") == 0;
}

static inline uint64_t fault_run_turn(void)
{
    const char *value = getenv("QUORATE_FAULTS_TURN");
    int64_t turn = 0;
    return value != NULL && bytes_to_int64(bytes_of_text(value), &turn) && turn >= 0
               ? (uint64_t)turn
               : 0;
}

/* Is case `number` among the one in `stride` that this run takes? */
static inline bool fault_run_takes(uint64_t number, uint64_t stride)
{
    return fault_run_is_full() || number % stride == fault_run_turn() % stride;
}

#endif
