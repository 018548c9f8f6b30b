/* The node's messages: outgoing ones go to the peer's link, incoming frames to the node. */
#include "base/err.h"
#include "server/server_private.h"

#include <stdio.h>

struct buf *server_peer_begin(void *context, node_id to)
{
    struct server *server = context;
    struct peer_link *link = to <= NODES_MAX ? server->links[to] : NULL;
    return link != NULL ? peer_link_begin(link) : NULL;
}

void server_peer_end(void *context, node_id to)
{
    struct server *server = context;
    peer_link_end(server->links[to]);
}

static uint64_t cluster_id(void *context)
{
    const struct server *server = context;
    return node_cluster_id(server->node);
}

static void changed(void *context, node_id peer, bool connected)
{
    struct server *server = context;
    node_peer_changed(server->node, peer, connected);
}

static void receive(void *context, const struct frame *frame)
{
    struct server *server = context;
    node_receive(server->node, frame->from, frame->cluster_id, frame->body);
}

int server_open_peers(struct server *server, char *error, size_t error_size)
{
    struct node_status status;
    node_status(server->node, &status);
    const struct peer_input_options input_options = {
        .address = server->config.peer,
        .self = node_self(server->node),
        .peers_max = (node_id)status.peer_count,
        .context = server,
        .receive = receive,
    };
    const int result =
        peer_input_new(server->loop, &input_options, &server->peer_input, error, error_size);
    if (result != Q_OK) {
        return result;
    }
    for (node_id id = 1; id <= status.peer_count; id++) {
        struct peer_link_options link_options = {
            .self = node_self(server->node),
            .peer = id,
            .context = server,
            .cluster_id = cluster_id,
            .changed = changed,
        };
        if (id == link_options.self) {
            continue;
        }
        if (!address_parse(node_address(server->node, id), &link_options.address)) {
            (void)snprintf(error, error_size, "node %u: bad address '%.200s'", id,
                           node_address(server->node, id));
            return Q_EINVAL;
        }
        server->links[id] = peer_link_new(server->loop, &link_options);
    }
    return Q_OK;
}

void server_close_peers(struct server *server)
{
    peer_input_close(server->peer_input);
    for (node_id id = 1; id <= NODES_MAX; id++) {
        peer_link_close(server->links[id]);
        server->links[id] = NULL;
    }
}
