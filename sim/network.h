/* The simulated network between nodes: directed links that delay, lose, double and reorder frames.
 *
 * Every pair of nodes has one connection, made and reset as a whole; a reset kills what is in
 * flight, as TCP does. Blocking is per direction and silent: frames vanish, the connection seems
 * to stand. What arrives is real bytes of wire/frame, so a flipped bit is found by the frame's own
 * checksum or by nobody.
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

struct network_link {
    uint32_t blocks;     /* Partitions that cut it now. */
    uint64_t epoch;      /* Counts connections: frames of an earlier one die with it. */
    uint64_t last_at_us; /* When the last frame sent will arrive. */
    uint64_t clogged_until_us;
};

struct network {
    struct network_options options;
    struct prng prng;
    struct events *events;                                   /* Borrowed. */
    struct network_link links[NODES_MAX + 1][NODES_MAX + 1]; /* [from][to] */
    bool connected[NODES_MAX + 1][NODES_MAX + 1];            /* Symmetric. */
    uint64_t sent;
    uint64_t lost;
};

void network_init(struct network *network,
                  const struct network_options *options,
                  struct events *events,
                  uint64_t seed);
/* Sends a frame, its body copied; it may never arrive. Nothing is sent over a reset connection. */
void network_send(struct network *network, uint64_t now_us, const struct frame *frame);
/* Q_OK and the frame, its body inside event->data, when an EVENT_MESSAGE may be delivered;
 * Q_ENOTFOUND when it was lost on the way; Q_ECORRUPT when its bytes were damaged: the receiver
 * resets the connection.
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
void network_connect(struct network *network, node_id a, node_id b);
void network_reset(struct network *network, node_id a, node_id b);
/* Opens every link and takes all faults but an ordinary delay away; connections stay as they are.
 */
void network_heal(struct network *network);

#endif
