/* The JSON of /status: the cluster as this node sees it. */
#include "base/check.h"
#include "front/http_session.h"

#include <jansson.h>
#include <stdio.h>

/* Until there are keyspaces and shards to list: the one group is shard 1 of keyspace "default". */
#define SHARD_ID 1

static bool is_leading(const struct node_status *status)
{
    return status->leader != NODE_NONE && status->leader == status->self;
}

/* A leader hears from every node that counts. A connection alone says less: it may be that of a
 * paused process, or of one that lost its disk. Other nodes have nothing better. */
static bool is_reachable(const struct node_status *status, const struct node_peer_status *peer)
{
    return peer->id == status->self || peer->heard || (peer->connected && !is_leading(status));
}

static size_t count_reachable(const struct node_status *status)
{
    size_t count = 0;
    for (size_t i = 0; i < status->peer_count; i++) {
        count += is_reachable(status, &status->peers[i]) ? 1 : 0;
    }
    return count;
}

/* Entries a node is behind the leader's log. Only the leader knows; false otherwise. */
static bool lag_of(const struct node_status *status,
                   const struct node_peer_status *peer,
                   uint64_t *out_lag)
{
    if (!is_leading(status)) {
        return false;
    }
    const raft_index match = peer->id == status->self ? status->last_index : peer->match_index;
    *out_lag = match < status->last_index ? status->last_index - match : 0;
    return true;
}

static void print_spare(struct buf *out, const struct node_status *status, size_t reachable)
{
    const size_t majority = status->peer_count / 2 + 1;
    if (reachable < majority) {
        buf_append_text(out, ", below a majority: only LEVEL local reads are served");
    } else if (status->leader == NODE_NONE) {
        buf_append_text(out, ", requests wait for an election");
    } else if (reachable == majority) {
        buf_append_text(out, ", no further node may fail");
    } else if (reachable == majority + 1) {
        buf_append_text(out, ", one more node may fail");
    } else {
        buf_append_format(out, ", %zu more nodes may fail", reachable - majority);
    }
}

/* One sentence a person can act on. */
static json_t *make_verdict(const struct node_status *status)
{
    struct buf text = {0};
    if (!status->booted) {
        buf_append_format(&text, "starting: %s", status->waiting_for);
    } else {
        const size_t reachable = count_reachable(status);
        buf_append_format(&text, "%zu/%zu nodes, %s", reachable, status->peer_count,
                          status->leader != NODE_NONE ? "every shard has a leader"
                                                      : "shard 1 has no leader");
        uint64_t largest = 0;
        for (size_t i = 0; i < status->peer_count; i++) {
            uint64_t lag = 0;
            if (lag_of(status, &status->peers[i], &lag) && lag > largest) {
                largest = lag;
            }
        }
        if (is_leading(status)) {
            buf_append_format(&text, ", largest lag %llu entries", (unsigned long long)largest);
        }
        print_spare(&text, status, reachable);
        if (status->waiting_for[0] != '\0') {
            buf_append_format(&text, "; %s", status->waiting_for);
        }
    }
    json_t *json = json_stringn((const char *)buf_bytes(&text).data, buf_size(&text));
    buf_deinit(&text);
    return json;
}

static json_t *json_of_count(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static json_t *make_node(const struct node_status *status, const struct node_peer_status *peer)
{
    char id[48];
    (void)snprintf(id, sizeof id, "%016llx-%u", (unsigned long long)status->cluster_id, peer->id);
    uint64_t lag = 0;
    const bool knows_lag = lag_of(status, peer, &lag);
    json_t *node = json_object();
    (void)json_object_set_new(node, "number", json_of_count(peer->id));
    (void)json_object_set_new(node, "id", json_string(id));
    (void)json_object_set_new(node, "addresses", json_pack("{s:s}", "peer", peer->address));
    (void)json_object_set_new(node, "state",
                              json_string(is_reachable(status, peer) ? "up" : "unreachable"));
    json_t *leads = json_array();
    if (peer->id == status->leader) {
        (void)json_array_append_new(leads, json_integer(SHARD_ID));
    }
    (void)json_object_set_new(node, "leads", leads);
    (void)json_object_set_new(node, "lag", knows_lag ? json_of_count(lag) : json_null());
    return node;
}

static json_t *make_keyspace(const struct node_status *status)
{
    json_t *keyspace = json_object();
    (void)json_object_set_new(keyspace, "name", json_string("default"));
    (void)json_object_set_new(keyspace, "number", json_integer(0));
    (void)json_object_set_new(keyspace, "engine", json_string("raft"));
    (void)json_object_set_new(keyspace, "rf", json_of_count(status->peer_count));
    (void)json_object_set_new(keyspace, "shards", json_integer(1));
    return keyspace;
}

static json_t *make_shard(const struct node_status *status)
{
    json_t *shard = json_object();
    (void)json_object_set_new(shard, "id", json_integer(SHARD_ID));
    (void)json_object_set_new(shard, "keyspace", json_string("default"));
    (void)json_object_set_new(
        shard, "leader", status->leader != NODE_NONE ? json_of_count(status->leader) : json_null());
    json_t *replicas = json_array();
    for (size_t i = 0; i < status->peer_count; i++) {
        (void)json_array_append_new(replicas, json_of_count(status->peers[i].id));
    }
    (void)json_object_set_new(shard, "replicas", replicas);
    (void)json_object_set_new(shard, "term", json_of_count(status->term));
    (void)json_object_set_new(shard, "commit", json_of_count(status->commit_index));
    (void)json_object_set_new(shard, "applied", json_of_count(status->applied_index));
    return shard;
}

static int append_json(const char *text, size_t size, void *out)
{
    buf_append(out, bytes_of(text, size));
    return 0;
}

void http_status_print(struct buf *out, const struct node_status *status)
{
    json_t *nodes = json_array();
    for (size_t i = 0; i < status->peer_count; i++) {
        (void)json_array_append_new(nodes, make_node(status, &status->peers[i]));
    }
    json_t *keyspaces = json_array();
    json_t *shards = json_array();
    if (status->booted) {
        (void)json_array_append_new(keyspaces, make_keyspace(status));
        (void)json_array_append_new(shards, make_shard(status));
    }
    json_t *root = json_object();
    (void)json_object_set_new(root, "verdict", make_verdict(status));
    (void)json_object_set_new(root, "nodes", nodes);
    (void)json_object_set_new(root, "keyspaces", keyspaces);
    (void)json_object_set_new(root, "shards", shards);
    (void)json_object_set_new(root, "self", json_of_count(status->self));
    (void)json_object_set_new(root, "version", json_string(QUORATE_VERSION));
    (void)json_object_set_new(root, "waiting_for", json_string(status->waiting_for));
    const int dumped = json_dump_callback(root, append_json, out, JSON_COMPACT);
    Q_CHECK(dumped == 0);
    buf_append_text(out, "\n");
    json_decref(root);
}
