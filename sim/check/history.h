/* A history of client operations and the judges that read it.
 *
 * Used by the simulator and by the live tests alike: each client invokes one operation at a time,
 * and each operation ends OK (with what the client saw), FAILED (it promises never to take effect)
 * or UNKNOWN (it may take effect at any later time, or never). Times are any monotonic unit.
 */
#ifndef Q_SIM_CHECK_HISTORY_H
#define Q_SIM_CHECK_HISTORY_H

#include "base/bytes.h"
#include "base/os/buf.h"

struct history;

enum history_kind {
    HISTORY_READ,   /* GET: result = value, or absent. */
    HISTORY_WRITE,  /* SET: argument = value (unique per key), no result. */
    HISTORY_CAS,    /* SET IFEQ: expected, argument; result "1" done or "0" refused. */
    HISTORY_DELETE, /* DEL: result "1" or "0". */
    HISTORY_APPEND, /* APPEND: argument = unique token; result = new length in decimal. */
    HISTORY_PUSH,   /* RPUSH: argument = unique element; result = new length in decimal. */
    HISTORY_RANGE,  /* LRANGE 0 -1: result = elements joined by ','. */
    HISTORY_INCR    /* INCRBY: argument = delta; result = new value. */
};

enum history_outcome {
    HISTORY_PENDING, /* Still open when the history ends: judged as UNKNOWN. */
    HISTORY_OK,
    HISTORY_FAILED,
    HISTORY_UNKNOWN
};

/* The caller owns it: history_free. */
struct history *history_new(void);
void history_free(struct history *history);

/* Begins an operation; bytes are copied. `expected` only for CAS. Returns its number. */
size_t history_invoke(struct history *history,
                      uint32_t client,
                      enum history_kind kind,
                      struct bytes key,
                      struct bytes argument,
                      struct bytes expected,
                      uint64_t now);
/* Ends it. `absent`: a READ found no key. `result` is copied. */
void history_return(struct history *history,
                    size_t operation,
                    enum history_outcome outcome,
                    bool absent,
                    struct bytes result,
                    uint64_t now);
size_t history_count(const struct history *history);

/* One operation a line, so that a history can be saved, read back and looked at. */
void history_write(const struct history *history, struct buf *out);
/* NULL when malformed. The caller owns the result. */
struct history *history_read(struct bytes in);

struct verdict {
    bool ok;
    bool undecided; /* The step budget of linearizability ran out on some key. */
    char reason[1024];
};

/* Linearizability, key by key (Wing and Gong with Lowe's caching): registers, appends, lists and
 * counters. `steps_max` bounds the search per key; 0 = 50 million. */
struct verdict history_check_linearizable(const struct history *history, uint64_t steps_max);

/* Lists and appends: every acknowledged element is in the closing read exactly once, every unknown
 * one at most once, no failed one ever, order agrees with every other read of the key, and lengths
 * returned are the element's place. A closing read is the last successful RANGE (or READ, for
 * APPEND keys) that began after all other operations on the key had ended; a key without one fails.
 */
struct verdict history_check_lists(const struct history *history);

/* No effect of a FAILED operation is ever seen by a read. */
struct verdict history_check_failures(const struct history *history);

#endif
