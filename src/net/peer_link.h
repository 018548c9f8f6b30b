/* The outgoing half of the talk between nodes: one TCP connection per peer, dialled by us.
 *
 * DESIGN
 *
 * We write only on connections we dialled and read only on connections we accepted (peer_input), so
 * there is never a question of which of two crossing connections is the right one. A link redials
 * for ever, 50 ms to 500 ms apart with some jitter: a healed partition must be noticed well within
 * an election timeout, and seven nodes redialling at that pace cost nothing.
 *
 * Messages are sealed in place (wire/frame) into one queue per peer; a turn's messages leave in one
 * write. The queue is bounded: past it, or while there is no connection, a message is lost, which
 * the protocols expect of any network. What was queued when a connection broke is lost as well.
 *
 * A peer that is gone without a word is noticed by TCP_USER_TIMEOUT: unacknowledged bytes for 3 s
 * break the connection.
 */
#ifndef Q_NET_PEER_LINK_H
#define Q_NET_PEER_LINK_H

#include "base/ids.h"
#include "base/os/buf.h"
#include "net/address.h"
#include "net/loop.h"

struct peer_link;

/* Unsent bytes for one peer; enough for a full window of appends and a snapshot's chunks. */
#define PEER_QUEUE_SIZE_MAX ((size_t)64 * 1024 * 1024)

struct peer_link_options {
    node_id self;
    node_id peer;
    struct address address; /* Looked up anew for every dial: its numbers may change. */
    size_t queue_size_max;  /* 0 = PEER_QUEUE_SIZE_MAX. */
    void *context;
    /* Goes into each frame; 0 while this node has no cluster yet. */
    uint64_t (*cluster_id)(void *context);
    void (*changed)(void *context, node_id peer, bool connected);
};

struct peer_link_stats {
    uint64_t connects;
    uint64_t messages;
    uint64_t bytes;
    uint64_t dropped; /* Messages refused because the queue was full. */
};

/* Starts dialling. The caller owns the link: peer_link_close. */
struct peer_link *peer_link_new(struct loop *loop, const struct peer_link_options *options);
/* No callback comes after it; frees itself within the next turns of the loop. NULL is fine. */
void peer_link_close(struct peer_link *link);

/* Append the message's body to the result, then call peer_link_end. NULL: it cannot be sent. */
struct buf *peer_link_begin(struct peer_link *link);
void peer_link_end(struct peer_link *link);

bool peer_link_is_connected(const struct peer_link *link);
struct peer_link_stats peer_link_stats(const struct peer_link *link);

#endif
