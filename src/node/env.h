/* The world as a node sees it. The server supplies one, the simulator another.
 *
 * Whatever is not behind this table is not tested under faults, so the table stays small. All calls
 * come from the node's own thread and return at once.
 */
#ifndef Q_NODE_ENV_H
#define Q_NODE_ENV_H

#include "base/ids.h"
#include "base/os/buf.h"
#include "store/engine.h"
#include "store/file.h"

struct env {
    void *context;
    /* The data directory and the storage engine below it. Borrowed by the node. */
    struct files *files;
    struct engine *engine;
    /* CLOCK_BOOTTIME-like milliseconds; never goes back. */
    uint64_t (*monotonic_ms)(void *context);
    /* Milliseconds since 1970; may jump. Only hybrid logical clocks and request ids look at it. */
    uint64_t (*wall_ms)(void *context);
    /* Starts a message to a peer: append its body to the result, then call peer_end. NULL when the
     * peer cannot take it now (not connected, queue full): the message is lost, as in any network.
     */
    struct buf *(*peer_begin)(void *context, node_id to);
    void (*peer_end)(void *context, node_id to);
    /* wal_job_begin succeeded: have the job written and synced, then call node_log_done. */
    void (*log_start)(void *context);
};

#endif
