/* The incoming half of the talk between nodes: a listener whose connections carry frames to us.
 *
 * Every frame must be whole, for us and from a known peer; the first one that is not ends its
 * connection. Nothing is ever answered on these connections.
 */
#ifndef Q_NET_PEER_INPUT_H
#define Q_NET_PEER_INPUT_H

#include "base/ids.h"
#include "net/listener.h"
#include "wire/frame.h"

struct peer_input;

struct peer_input_options {
    struct address address;
    node_id self;
    node_id peers_max; /* Ids are 1..peers_max. */
    void *context;
    /* A message, borrowed during the call. Its cluster id is the receiver's to judge: a node of
     * another cluster, or of none yet, may have to be answered. */
    void (*receive)(void *context, const struct frame *frame);
};

struct peer_input_stats {
    uint64_t messages;
    uint64_t bytes;
    uint64_t malformed;  /* Not a frame, another version, or too long. */
    uint64_t corrupt;    /* The checksum did not match. */
    uint64_t wrong_node; /* Not for us, or from nobody we know. */
};

/* As listener_new. The caller owns the result: peer_input_free. */
int peer_input_new(struct loop *loop,
                   const struct peer_input_options *options,
                   struct peer_input **out_input,
                   char *error,
                   size_t error_size);
/* Stops listening and closes the connections; the loop has to run once more. NULL is fine. */
void peer_input_close(struct peer_input *input);
/* After peer_input_close and the loop's end. NULL is fine. */
void peer_input_free(struct peer_input *input);

uint16_t peer_input_port(const struct peer_input *input);
struct peer_input_stats peer_input_stats(const struct peer_input *input);

#endif
