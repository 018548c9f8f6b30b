/* The one request type behind every front door, and its encoding.
 *
 * A front fills a struct request whose arguments borrow from its input. The node encodes it once
 * into an owned block (request_encode); that same block is the payload of the log entry and the
 * body of a forwarded request, so bytes are copied once between socket and log. Every replica
 * decodes it again to apply it, hence: nothing in it may depend on the node that took it.
 */
#ifndef Q_NODE_REQUEST_H
#define Q_NODE_REQUEST_H

#include "base/bytes.h"
#include "base/cursor.h"
#include "base/limits.h"

/* What each operation takes: args as listed, numbers in a and b, REQUEST_* flags. */
#define OP_MAP(X)                                                                                  \
    X(OP_GET, 1, false)      /* key -> bulk | nil */                                               \
    X(OP_SET, 2, true)       /* key value [expected if IFEQ] -> OK | nil; GET: old value */        \
    X(OP_DEL, 3, true)       /* key... -> number removed */                                        \
    X(OP_EXISTS, 4, false)   /* key... -> number that exist, repeats counted */                    \
    X(OP_APPEND, 5, true)    /* key value -> new length */                                         \
    X(OP_STRLEN, 6, false)   /* key -> length */                                                   \
    X(OP_GETRANGE, 7, false) /* key; a = start, b = end, inclusive, negative from the end */       \
    X(OP_INCRBY, 8, true)    /* key; a = delta -> new value */                                     \
    X(OP_MGET, 9, false)     /* key... -> array of bulk | nil (nil also for a list) */             \
    X(OP_MSET, 10, true)     /* key value key value... -> OK */                                    \
    X(OP_RPUSH, 11, true)    /* key value... -> new length */                                      \
    X(OP_LPUSH, 12, true)    /* key value... -> new length */                                      \
    X(OP_LRANGE, 13, false)  /* key; a = start, b = stop, inclusive -> array */                    \
    X(OP_LLEN, 14, false)    /* key -> length */                                                   \
    X(OP_LPOP, 15, true)     /* key; a = count, or -1: one value, not an array */                  \
    X(OP_RPOP, 16, true)     /* as LPOP */                                                         \
    X(OP_TYPE, 17, false)    /* key -> status string | list | none */                              \
    X(OP_DBSIZE, 18, false)  /* -> number of keys */                                               \
    X(OP_SCAN, 19, false) /* [pattern]; a = cursor, b = count; flags TYPE_* -> [cursor, keys] */   \
    X(OP_NOTHING, 20, false) /* -> OK once this level could be served (readiness probe) */

enum op {
#define X(name, number, writes) name = (number),
    OP_MAP(X)
#undef X
};

/* How fresh a read must be, how durable a write. */
enum level {
    LEVEL_DEFAULT, /* The keyspace's: linearizable. */
    LEVEL_LINEARIZABLE,
    LEVEL_LOCAL /* Reads only: what this replica has applied. */
};

enum request_flag {
    REQUEST_NX = 1 << 0,          /* Only if the key does not exist. */
    REQUEST_XX = 1 << 1,          /* Only if it exists. */
    REQUEST_RETURN_OLD = 1 << 2,  /* SET ... GET. */
    REQUEST_IFEQ = 1 << 3,        /* Only if the value equals args[2]. */
    REQUEST_SCAN_STRING = 1 << 4, /* SCAN TYPE string. */
    REQUEST_SCAN_LIST = 1 << 5    /* SCAN TYPE list. */
};

struct request {
    enum op op;
    uint32_t flags;
    enum level level;
    uint64_t max_stale_ms; /* LEVEL local: refuse when older; 0 = any age. */
    int64_t a;
    int64_t b;
    struct bytes request_id;  /* Idempotency id, empty = none. */
    const struct bytes *args; /* Borrowed. */
    size_t arg_count;
};

bool op_writes(enum op op);

size_t request_encoded_size(const struct request *request);
void request_encode(const struct request *request, struct writer *w);
/* `args` has room for REQUEST_ARGS_MAX; they borrow from `in`. Q_OK or Q_EPROTO. */
int request_decode(struct bytes in, struct request *out_request, struct bytes *args);

#endif
