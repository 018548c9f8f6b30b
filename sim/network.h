/* The simulated network between nodes: directed links that delay, lose, double and reorder frames.
 *
 * Each node has a connection of its own to each other one and knows of that alone, as in the server
 * (net/peer_link): it is up, down, or half open, when the far end is gone and the near end has not
 * noticed. Breaking it kills what is in flight, as TCP does. Blocking is per direction and silent:
 * frames vanish, the connection seems to stand. What arrives is real bytes of wire/frame, so a
 * flipped bit, a missing end or a wrong address is found by the production code or by nobody.
 */
#ifndef Q_SIM_NETWORK_H
#define Q_SIM_NETWORK_H

#include "base/bytes.h"
#include "base/ids.h"
#include "base/limits.h"
#include "base/prng.h"
#include "sim/events.h"
#include "sim/options.h"
#include "wire/frame.h"

/* What can be wrong with one frame. */
enum network_spoil {
    SPOIL_NONE,
    SPOIL_CUT,     /* Only a beginning of it arrives: the connection breaks in its middle. */
    SPOIL_SPLICE,  /* Bytes of its middle are missing, the next frame's follow. */
    SPOIL_CLUSTER, /* It names another cluster. */
    SPOIL_TO,      /* It is for another node. */
    SPOIL_FROM,    /* It is from nobody in the cluster. */
    SPOIL_KINDS
};

struct network_link {
    bool is_connected;   /* As its sender knows. */
    bool is_half_open;   /* The far end is gone: what is sent is lost. */
    uint32_t blocks;     /* Partitions that cut it now. */
    uint64_t epoch;      /* Counts connections: frames of an earlier one die with it. */
    uint64_t last_at_us; /* When the last frame sent will arrive. */
    uint64_t clogged_until_us;
    /* A cap on bytes per second: what is too much waits in the sender's queue. 0 = none. */
    uint64_t bytes_per_second;
    uint64_t queue_max;     /* In bytes; past it the sender cannot even begin a frame. */
    uint64_t queue_ends_us; /* When what is in the queue now has left it. */
    enum network_spoil spoil;
    uint32_t spoil_after; /* Frames that go by before the one that is spoilt. */
};

struct network {
    struct network_options options;
    struct network_options usual; /* While it is calm: the options before and after. */
    uint64_t calm_until_us;       /* 0 = it is as usual. */
    struct prng prng;
    struct events *events;                                   /* Borrowed. */
    struct network_link links[NODES_MAX + 1][NODES_MAX + 1]; /* [from][to] */
    node_id node_count;                                      /* Ids are 1..node_count. */
    uint64_t sent;
    uint64_t lost;
    uint64_t spoilt;
};

void network_init(struct network *network,
                  const struct network_options *options,
                  struct events *events,
                  uint64_t seed);
/* Sends a frame, its body copied; it may never arrive. Nothing is sent over a reset connection. */
void network_send(struct network *network, uint64_t now_us, const struct frame *frame);
/* False when the sender's queue for that peer is full. */
bool network_takes(const struct network *network, uint64_t now_us, node_id from, node_id to);
/* Q_OK and the frame, its body inside event->data, when an EVENT_MESSAGE may be delivered;
 * Q_ENOTFOUND when it was lost on the way; Q_ECORRUPT when its bytes are damaged or it is not for
 * this node: the receiver breaks the connection; Q_EAGAIN when it is not whole and its rest will
 * not come: the connection has broken.
 */
int network_arrive(const struct network *network,
                   const struct event *event,
                   struct frame *out_frame);

/* Each block is taken back by one unblocking. */
void network_block(struct network *network, node_id from, node_id to, bool blocked);
/* Nothing arrives over the link before that time; then all of it does, in order. */
void network_clog(struct network *network, node_id from, node_id to, uint64_t until_us);
uint64_t network_clogged_until(const struct network *network, node_id from, node_id to);
/* Both directions open. */
bool network_is_open(const struct network *network, node_id a, node_id b);
bool network_is_connected(const struct network *network, node_id from, node_id to);
void network_connect(struct network *network, node_id from, node_id to);
/* The connection of `from` to `to` is gone, and `from` will know. */
void network_break(struct network *network, node_id from, node_id to);
/* It is gone, and `from` does not know. */
void network_half_open(struct network *network, node_id from, node_id to);
bool network_is_half_open(const struct network *network, node_id from, node_id to);
/* 0 takes the cap away, for what will be sent. */
void network_cap(struct network *network,
                 node_id from,
                 node_id to,
                 uint64_t bytes_per_second,
                 uint64_t queue_max);
/* Spoils one frame, after so many others. */
void network_spoil(
    struct network *network, node_id from, node_id to, enum network_spoil spoil, uint32_t after);
/* When the last frame that was sent arrives; frames may be far behind a cap or a tail delay. */
uint64_t network_last_arrival(const struct network *network, node_id from, node_id to);
/* Until then frames are neither lost nor spoilt, nor do they take longer than is ordinary. */
void network_calm(struct network *network, uint64_t until_us);
/* Opens every link and takes all faults but an ordinary delay away; connections stay as they are.
 */
void network_heal(struct network *network);

#endif
