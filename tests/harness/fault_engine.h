/* A storage engine that fails on demand, in front of a real one.
 *
 * Every call that can fail is counted, so that a test can make each of them fail in turn. A write
 * that fails has no effect, or all of it (`fail_late`): batches are atomic. An iterator that fails
 * ends early and says why only when asked.
 */
#ifndef Q_TESTS_HARNESS_FAULT_ENGINE_H
#define Q_TESTS_HARNESS_FAULT_ENGINE_H

#include "harness/fault_call.h"
#include "store/engine.h"

struct fault_engine {
    struct engine engine; /* First: what is handed to the code under test. */
    struct engine *real;  /* Borrowed. */
    struct engine_ops ops;

    uint64_t operations; /* Calls so far. */
    uint64_t fail_at;    /* This call fails with `fail_err`; 0 = none... */
    bool fail_sticky;    /* ...and all after it... */
    bool fail_late;      /* ...having had their effect. */
    int fail_err;
    bool flush_stalls;         /* Flushes are promised and never come. */
    unsigned flushes_put_off;  /* So many are answered Q_EBUSY, without being counted. */
    struct fault_calls *calls; /* Borrowed: told of every call; NULL = nobody is. */
};

/* `real` stays the caller's. */
void fault_engine_init(struct fault_engine *fault, struct engine *real);

#endif
