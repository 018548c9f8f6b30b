/* A history of client operations and the judges that read it.
 *
 * Used by the simulator and by the live tests alike: each client invokes one operation at a time,
 * and each operation ends OK (with what the client saw), FAILED (it promises never to take effect)
 * or UNKNOWN (it may take effect at any later time, or never). Times are any monotonic unit. Two
 * moments with the same time are ordered as they were recorded, so record an invocation before the
 * request leaves and a return after the answer came.
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
#define HISTORY_KINDS 8

enum history_outcome {
    HISTORY_PENDING, /* Still open when the history ends: judged as UNKNOWN. */
    HISTORY_OK,
    HISTORY_FAILED,
    HISTORY_UNKNOWN
};

/* What a client asks for. Values, tokens and elements are unique per key. The tokens of one APPEND
 * key must not be prefixes of each other (end each with a byte that occurs nowhere else in it), and
 * elements hold no ','. Judging is fastest when a key sees either registers (READ, WRITE, CAS,
 * DELETE), or APPEND + READ, or PUSH + RANGE, or INCR + READ with positive deltas; anything else is
 * judged too, by a search that many UNKNOWN operations on one key make slow. */
struct history_call {
    uint32_t client;
    enum history_kind kind;
    struct bytes key;
    struct bytes argument;
    struct bytes expected; /* CAS only. */
};

/* The caller owns it: history_free. */
struct history *history_new(void);
void history_free(struct history *history);

/* Begins an operation; the bytes of `call` are copied. Returns its number. */
size_t history_invoke(struct history *history, const struct history_call *call, uint64_t now);
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
    size_t undecided;  /* Keys on which the step budget of linearizability ran out so far. */
    char reason[1024]; /* Why not ok, else which key is undecided. Empty otherwise. */
};

/* Linearizability, key by key: keys that only grow by their contents (growing.c), registers by
 * zones (zones.h) and, where these leave it open, Wing and Gong's search (search.c). `steps_max`
 * bounds the search per key; 0 = 20 million (about 1 GB at worst). */
struct verdict history_check_linearizable(const struct history *history, uint64_t steps_max);

/* Lists and appends: every acknowledged element is in the closing read exactly once, every unknown
 * one at most once, no failed one ever, order agrees with every other read of the key, and lengths
 * returned are the element's place. A closing read is the last successful RANGE (or READ, for
 * APPEND keys) that began after every update of the key had ended (a PENDING one never ends, and
 * is not waited for); a key without one fails. */
struct verdict history_check_lists(const struct history *history);

/* No effect of a FAILED operation is ever seen by a read. */
struct verdict history_check_failures(const struct history *history);

/* The three above, in the order failures, lists, linearizable: the first that is not ok. */
struct verdict history_check_all(const struct history *history);

#endif
