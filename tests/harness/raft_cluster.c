/* The cluster fixture; see raft_cluster.h. */
#include "harness/raft_cluster.h"

#include "base/err.h"
#include "harness/test.h"

#include <stdio.h>
#include <stdlib.h>

/* Values are told apart by the address of their payload, which nobody reads. */
static uint8_t value_pool[1 << 16];

void cluster_failed(const struct cluster *cluster, const char *expr, const char *file, int line)
{
    (void)fprintf(stderr, "# seed %llu: %s\n", (unsigned long long)cluster->seed, expr);
    _fail(file, line);
}

static bool same_entry(const struct raft_entry *a, const struct raft_entry *b)
{
    return a->term == b->term && a->hlc == b->hlc && a->kind == b->kind &&
           a->payload.data == b->payload.data && a->payload.size == b->payload.size;
}

struct cluster_node *cluster_node_of(struct cluster *cluster, node_id id)
{
    REQUIRE(id >= 1 && id <= cluster->node_count);
    return &cluster->nodes[id];
}

struct raft *cluster_raft(struct cluster *cluster, node_id id)
{
    return &cluster_node_of(cluster, id)->raft;
}

/* ---- disks ---- */

static void drop_saves(struct cluster_node *node)
{
    for (size_t i = 0; i < node->save_count; i++) {
        free(node->saves[i].entries);
    }
    node->save_count = 0;
}

/* Entries at or below the start of the disk's log came with a snapshot meanwhile. */
static void write_save(struct cluster *cluster,
                       struct cluster_node *node,
                       const struct cluster_save *save)
{
    struct cluster_disk *disk = &node->disk;
    if (save->has_hard) {
        CLUSTER_CHECK(cluster, save->hard.term >= disk->hard.term);
        CLUSTER_CHECK(cluster, save->hard.term > disk->hard.term || disk->hard.vote == NODE_NONE ||
                                   save->hard.vote == disk->hard.vote);
        disk->hard = save->hard;
    }
    for (size_t i = 0; i < save->count; i++) {
        const raft_index index = save->first + i;
        if (index <= disk->start_index) {
            continue;
        }
        CLUSTER_CHECK(cluster, index < CLUSTER_INDEX_MAX);
        CLUSTER_CHECK(cluster, index <= disk->last_index + 1);
        disk->entries[index] = save->entries[i];
        disk->last_index = index;
    }
}

static bool disk_holds(const struct cluster_disk *disk,
                       raft_index index,
                       const struct raft_entry *entry)
{
    return index <= disk->start_index ||
           (index <= disk->last_index && same_entry(&disk->entries[index], entry));
}

/* ---- start and end of a replica ---- */

static void make_room(struct cluster_node *node, size_t wanted)
{
    while (raft_log_room(&node->raft.log) < wanted) {
        const size_t capacity = node->raft.log.capacity * 2;
        struct raft_entry *slots = calloc(capacity, sizeof *slots);
        REQUIRE(slots != NULL);
        free(raft_log_grow(&node->raft.log, slots, capacity));
        node->slots = slots;
    }
}

void cluster_restart(struct cluster *cluster, node_id id)
{
    struct cluster_node *node = cluster_node_of(cluster, id);
    REQUIRE(!node->alive);
    struct raft_config config = cluster->config;
    config.self = id;
    config.seed = prng_next(&cluster->prng);
    node->slots = calloc(16, sizeof *node->slots);
    REQUIRE(node->slots != NULL);
    const struct cluster_disk *disk = &node->disk;
    raft_init(&node->raft, &config, node->slots, 16, disk->hard);
    raft_log_reset(&node->raft.log, disk->start_index, disk->start_term);
    for (raft_index i = disk->start_index + 1; i <= disk->last_index; i++) {
        make_room(node, 2);
        raft_recover_entry(&node->raft, &disk->entries[i]);
    }
    raft_recovered(&node->raft, cluster->now_ms, disk->applied);
    node->seen_commit = disk->applied;
    node->alive = true;
}

void cluster_crash(struct cluster *cluster, node_id id)
{
    struct cluster_node *node = cluster_node_of(cluster, id);
    REQUIRE(node->alive);
    node->alive = false;
    node->held_count = 0;
    node->read_count = 0;
    drop_saves(node);
    memset(node->streams, 0, sizeof node->streams);
    free(node->slots);
    node->slots = NULL;
}

void cluster_init_config(struct cluster *cluster, struct raft_config config, uint64_t seed)
{
    memset(cluster, 0, sizeof *cluster);
    cluster->seed = seed;
    cluster->now_ms = 1000;
    cluster->node_count = config.voter_count;
    for (size_t i = 0; i < config.voter_count; i++) {
        config.voters[i] = (node_id)(i + 1);
    }
    cluster->config = config;
    prng_init(&cluster->prng, seed);
    for (size_t i = 1; i <= cluster->node_count; i++) {
        cluster->nodes[i].id = (node_id)i;
        cluster_restart(cluster, (node_id)i);
    }
}

struct raft_config cluster_config(size_t node_count)
{
    return (struct raft_config){
        .voter_count = node_count,
        .heartbeat_ms = 50,
        .election_min_ms = 300,
        .election_max_ms = 600,
        .append_bytes_max = 400,
        .inflight_messages_max = 4,
        .inflight_bytes_max = 1200,
        .uncommitted_bytes_max = 4000,
        .apply_bytes_max = 300,
    };
}

void cluster_init(struct cluster *cluster, size_t node_count, uint64_t seed)
{
    cluster_init_config(cluster, cluster_config(node_count), seed);
}

void cluster_deinit(struct cluster *cluster)
{
    for (size_t i = 1; i <= cluster->node_count; i++) {
        if (cluster->nodes[i].alive) {
            cluster_crash(cluster, (node_id)i);
        }
    }
}

/* ---- the oracle ---- */

static void see_leader(struct cluster *cluster, struct cluster_node *node)
{
    const struct raft *raft = &node->raft;
    if (raft->role != RAFT_LEADER) {
        return;
    }
    CLUSTER_CHECK(cluster, raft->hard.term < CLUSTER_TERM_MAX);
    node_id *leader = &cluster->leaders[raft->hard.term];
    if (*leader == node->id) {
        return;
    }
    CLUSTER_CHECK(cluster, *leader == NODE_NONE); /* Election safety. */
    *leader = node->id;
    for (raft_index i = raft->log.start_index + 1; i <= cluster->committed_to; i++) {
        CLUSTER_CHECK(cluster, i <= raft->log.last_index); /* Leader completeness. */
        CLUSTER_CHECK(cluster, same_entry(raft_log_at(&raft->log, i), &cluster->committed[i]));
    }
}

static void see_commit(struct cluster *cluster, struct cluster_node *node)
{
    const struct raft *raft = &node->raft;
    CLUSTER_CHECK(cluster, raft->commit_index >= node->seen_commit);
    for (raft_index i = node->seen_commit + 1; i <= raft->commit_index; i++) {
        if (i <= raft->log.start_index) {
            CLUSTER_CHECK(cluster, i <= cluster->committed_to); /* Came by snapshot. */
            continue;
        }
        const struct raft_entry *entry = raft_log_at(&raft->log, i);
        CLUSTER_CHECK(cluster, i <= cluster->committed_to + 1);
        if (i <= cluster->committed_to) {
            CLUSTER_CHECK(cluster, same_entry(entry, &cluster->committed[i]));
            continue;
        }
        CLUSTER_CHECK(cluster, i < CLUSTER_INDEX_MAX);
        cluster->committed[i] = *entry;
        cluster->committed_to = i;
        size_t durable = 0;
        for (size_t n = 1; n <= cluster->node_count; n++) {
            durable += disk_holds(&cluster->nodes[n].disk, i, entry) ? 1 : 0;
        }
        CLUSTER_CHECK(cluster, durable > cluster->node_count / 2);
    }
    node->seen_commit = raft->commit_index;
}

static void see(struct cluster *cluster, struct cluster_node *node)
{
    raft_check(&node->raft);
    see_leader(cluster, node);
    see_commit(cluster, node);
}

void cluster_check_logs(struct cluster *cluster)
{
    for (size_t a = 1; a <= cluster->node_count; a++) {
        for (size_t b = a + 1; b <= cluster->node_count; b++) {
            const struct raft_log *left = &cluster->nodes[a].raft.log;
            const struct raft_log *right = &cluster->nodes[b].raft.log;
            if (!cluster->nodes[a].alive || !cluster->nodes[b].alive) {
                continue;
            }
            const raft_index first =
                left->start_index > right->start_index ? left->start_index : right->start_index;
            raft_index i =
                left->last_index < right->last_index ? left->last_index : right->last_index;
            bool matched = false;
            for (; i > first; i--) {
                const struct raft_entry *one = raft_log_at(left, i);
                const struct raft_entry *other = raft_log_at(right, i);
                matched = matched || one->term == other->term;
                CLUSTER_CHECK(cluster, !matched || same_entry(one, other)); /* Log matching. */
            }
        }
    }
}

/* ---- effects ---- */

static void post(struct cluster *cluster, const struct cluster_packet *packet)
{
    const struct raft_message *message = &packet->message;
    const bool votes = message->kind == RAFT_MSG_VOTE_REPLY && !message->reject;
    if (votes || message->kind == RAFT_MSG_VOTE) {
        /* A replica votes once per term, whatever it forgets in between; a candidate for itself. */
        CLUSTER_CHECK(cluster, message->term < CLUSTER_TERM_MAX);
        const node_id vote = votes ? message->to : message->from;
        node_id *voted = &cluster->nodes[message->from].vote_sent[message->term];
        CLUSTER_CHECK(cluster, *voted == NODE_NONE || *voted == vote);
        *voted = vote;
    }
    if (cluster->packet_count < CLUSTER_PACKETS_MAX) {
        cluster->packets[cluster->packet_count++] = *packet;
    }
}

static void do_save(struct cluster *cluster,
                    struct cluster_node *node,
                    const struct raft_effect *effect)
{
    CLUSTER_CHECK(cluster, node->save_count < RAFT_SAVES_MAX);
    struct cluster_save *save = &node->saves[node->save_count++];
    *save = (struct cluster_save){
        .number = effect->save,
        .has_hard = effect->has_hard,
        .hard = effect->hard,
        .first = effect->first,
        .count = (size_t)(effect->last + 1 - effect->first),
    };
    save->entries = calloc(save->count + 1, sizeof *save->entries);
    REQUIRE(save->entries != NULL);
    for (size_t i = 0; i < save->count; i++) {
        save->entries[i] = *raft_log_at(&node->raft.log, save->first + i);
    }
}

static void do_send(struct cluster *cluster,
                    struct cluster_node *node,
                    const struct raft_effect *effect)
{
    struct cluster_packet packet = {.message = effect->message};
    CLUSTER_CHECK(cluster, effect->message.entry_count <= CLUSTER_ENTRIES_MAX);
    CLUSTER_CHECK(cluster, effect->message.from == node->id && effect->message.term > 0);
    for (size_t i = 0; i < effect->message.entry_count; i++) {
        packet.entries[i] = *raft_log_at(&node->raft.log, effect->first + i);
    }
    if (effect->after_save > node->raft.save_done) {
        if (node->held_count < CLUSTER_HELD_MAX) {
            node->held[node->held_count].after_save = effect->after_save;
            node->held[node->held_count++].packet = packet;
        }
        return;
    }
    post(cluster, &packet);
}

static void do_apply(struct cluster *cluster,
                     struct cluster_node *node,
                     const struct raft_effect *effect)
{
    see_commit(cluster, node);
    CLUSTER_CHECK(cluster, effect->first == node->raft.applied_index + 1);
    for (raft_index i = effect->first; i <= effect->last; i++) {
        const struct raft_entry *entry = raft_log_at(&node->raft.log, i);
        CLUSTER_CHECK(cluster, i <= cluster->committed_to);
        CLUSTER_CHECK(cluster, same_entry(entry, &cluster->committed[i]));
        CLUSTER_CHECK(cluster, disk_holds(&node->disk, i, entry)); /* Never ahead of the log. */
    }
    raft_applied(&node->raft, effect->last);
}

static void do_read(struct cluster *cluster,
                    struct cluster_node *node,
                    const struct raft_effect *effect)
{
    size_t kept = 0;
    for (size_t i = 0; i < node->read_count; i++) {
        if (node->reads[i].context > effect->context) {
            node->reads[kept++] = node->reads[i];
            continue;
        }
        CLUSTER_CHECK(cluster, effect->index >= node->reads[i].needed); /* Not stale. */
        node->reads_served++;
    }
    node->read_count = kept;
}

static void do_effect(struct cluster *cluster,
                      struct cluster_node *node,
                      const struct raft_effect *effect)
{
    if (cluster->trace != NULL) {
        cluster->trace(cluster, node->id, effect);
    }
    switch (effect->kind) {
    case RAFT_EFFECT_SAVE: do_save(cluster, node, effect); break;
    case RAFT_EFFECT_SEND: do_send(cluster, node, effect); break;
    case RAFT_EFFECT_APPLY: do_apply(cluster, node, effect); break;
    case RAFT_EFFECT_READ: do_read(cluster, node, effect); break;
    case RAFT_EFFECT_ROLE:
        if (node->raft.role != RAFT_LEADER) {
            node->read_count = 0;
        }
        break;
    case RAFT_EFFECT_SNAPSHOT: {
        struct cluster_stream *stream = &node->streams[effect->to];
        stream->active = true;
        stream->index = node->raft.applied_index;
        CLUSTER_CHECK(cluster, raft_log_term(&node->raft.log, stream->index, &stream->term));
        break;
    }
    }
}

void cluster_collect(struct cluster *cluster, node_id id)
{
    struct cluster_node *node = cluster_node_of(cluster, id);
    if (!node->alive) {
        return;
    }
    see(cluster, node);
    struct raft_effect effects[16];
    size_t count = raft_collect(&node->raft, effects, 16);
    for (int rounds = 0; count > 0; rounds++) {
        CLUSTER_CHECK(cluster, rounds < 1000); /* It must come to an end. */
        for (size_t i = 0; i < count; i++) {
            do_effect(cluster, node, &effects[i]);
        }
        see(cluster, node);
        count = raft_collect(&node->raft, effects, 16);
    }
}

void cluster_collect_all(struct cluster *cluster)
{
    for (size_t i = 1; i <= cluster->node_count; i++) {
        cluster_collect(cluster, (node_id)i);
    }
}

/* ---- events ---- */

void cluster_advance(struct cluster *cluster, uint64_t ms)
{
    cluster->now_ms += ms;
    for (size_t i = 1; i <= cluster->node_count; i++) {
        struct cluster_node *node = &cluster->nodes[i];
        if (node->alive && raft_next_deadline(&node->raft) <= cluster->now_ms) {
            make_room(node, 1);
            raft_tick(&node->raft, cluster->now_ms);
        }
    }
}

void cluster_drop(struct cluster *cluster, size_t at)
{
    REQUIRE(at < cluster->packet_count);
    cluster->packet_count--;
    memmove(&cluster->packets[at], &cluster->packets[at + 1],
            (cluster->packet_count - at) * sizeof cluster->packets[0]);
}

void cluster_duplicate(struct cluster *cluster, size_t at)
{
    REQUIRE(at < cluster->packet_count);
    if (cluster->packet_count < CLUSTER_PACKETS_MAX) {
        cluster->packets[cluster->packet_count++] = cluster->packets[at];
    }
}

void cluster_deliver(struct cluster *cluster, size_t at)
{
    REQUIRE(at < cluster->packet_count);
    const struct cluster_packet packet = cluster->packets[at];
    cluster_drop(cluster, at);
    struct cluster_node *node = cluster_node_of(cluster, packet.message.to);
    if (!node->alive || cluster->cut[packet.message.from][packet.message.to]) {
        return;
    }
    make_room(node, packet.message.entry_count + 1);
    raft_receive(&node->raft, cluster->now_ms, &packet.message, packet.entries);
}

bool cluster_complete_save(struct cluster *cluster, node_id id)
{
    struct cluster_node *node = cluster_node_of(cluster, id);
    if (!node->alive || node->save_count == 0 || node->disk_hangs) {
        return false;
    }
    const struct cluster_save save = node->saves[0];
    node->save_count--;
    memmove(&node->saves[0], &node->saves[1], node->save_count * sizeof node->saves[0]);
    write_save(cluster, node, &save);
    free(save.entries);
    make_room(node, 1);
    raft_persisted(&node->raft, cluster->now_ms, save.number);
    size_t kept = 0;
    for (size_t i = 0; i < node->held_count; i++) {
        if (node->held[i].after_save <= save.number) {
            post(cluster, &node->held[i].packet);
        } else {
            node->held[kept++] = node->held[i];
        }
    }
    node->held_count = kept;
    return true;
}

int cluster_propose_bytes(struct cluster *cluster,
                          node_id id,
                          struct bytes payload,
                          raft_index *out_index)
{
    struct cluster_node *node = cluster_node_of(cluster, id);
    if (!node->alive) {
        return Q_EUNAVAILABLE;
    }
    make_room(node, 1);
    return raft_propose(&node->raft, cluster->now_ms << HLC_COUNTER_BITS, payload, out_index);
}

int cluster_propose(struct cluster *cluster, node_id id, raft_index *out_index)
{
    const uint64_t value = cluster->next_value++;
    const struct bytes payload = bytes_of(&value_pool[value % sizeof value_pool], value * 37 % 90);
    return cluster_propose_bytes(cluster, id, payload, out_index);
}

int cluster_read(struct cluster *cluster, node_id id)
{
    struct cluster_node *node = cluster_node_of(cluster, id);
    uint64_t context = 0;
    if (!node->alive || node->read_count == CLUSTER_READS_MAX) {
        return Q_EUNAVAILABLE;
    }
    const int err = raft_read_index(&node->raft, &context);
    if (err == Q_OK) {
        node->reads[node->read_count++] =
            (struct cluster_read){.context = context, .needed = cluster->committed_to};
    }
    return err;
}

void cluster_compact(struct cluster *cluster, node_id id, raft_index index)
{
    struct cluster_node *node = cluster_node_of(cluster, id);
    struct cluster_disk *disk = &node->disk;
    if (!node->alive || index > disk->applied || index <= disk->start_index) {
        return;
    }
    raft_compact(&node->raft, index);
    disk->start_term = disk->entries[index].term;
    disk->start_index = index;
    CLUSTER_CHECK(cluster, node->raft.log.start_term == disk->start_term);
}

/* The snapshot is durable before raft hears of it, and replaces what storage was writing. What the
 * disk's log holds after it counts only if that log holds the snapshot's last entry itself. */
static void install(struct cluster *cluster, struct cluster_node *node, struct cluster_stream what)
{
    if (!raft_restore(&node->raft, what.index, what.term)) {
        return;
    }
    struct cluster_disk *disk = &node->disk;
    const bool tail_kept = node->raft.log.last_index > what.index;
    const bool disk_agrees = what.index > disk->start_index && what.index <= disk->last_index &&
                             disk->entries[what.index].term == what.term;
    if (!tail_kept) {
        for (size_t i = 0; i < node->save_count; i++) {
            node->saves[i].count = 0;
        }
    }
    disk->start_index = what.index;
    disk->start_term = what.term;
    if (!tail_kept || !disk_agrees) {
        disk->last_index = what.index;
    }
    disk->applied = what.index;
    see(cluster, node);
}

void cluster_finish_stream(struct cluster *cluster, node_id from, node_id to, bool ok)
{
    struct cluster_node *sender = cluster_node_of(cluster, from);
    struct cluster_node *receiver = cluster_node_of(cluster, to);
    struct cluster_stream stream = sender->streams[to];
    if (!stream.active || !sender->alive) {
        return;
    }
    sender->streams[to].active = false;
    const bool arrives = ok && receiver->alive && !cluster->cut[from][to];
    if (arrives) {
        install(cluster, receiver, stream);
    }
    raft_snapshot_done(&sender->raft, to, arrives, stream.index);
}

void cluster_link(struct cluster *cluster, node_id a, node_id b, bool up)
{
    cluster->cut[a][b] = !up;
    cluster->cut[b][a] = !up;
}

void cluster_isolate(struct cluster *cluster, node_id id, bool isolated)
{
    for (size_t i = 1; i <= cluster->node_count; i++) {
        cluster_link(cluster, id, (node_id)i, !isolated);
    }
}

/* One round of everything that can move without time; false when nothing did. */
static bool flow(struct cluster *cluster)
{
    bool moved = false;
    cluster_collect_all(cluster);
    for (size_t left = cluster->packet_count; left > 0; left--) {
        const node_id to = cluster->packets[0].message.to;
        cluster_deliver(cluster, 0);
        cluster_collect(cluster, to);
        moved = true;
    }
    for (size_t i = 1; i <= cluster->node_count; i++) {
        struct cluster_node *node = &cluster->nodes[i];
        while (cluster_complete_save(cluster, (node_id)i)) {
            moved = true;
        }
        if (node->alive) {
            node->disk.applied = node->raft.applied_index;
        }
        for (size_t to = 1; to <= cluster->node_count; to++) {
            moved = moved || node->streams[to].active;
            cluster_finish_stream(cluster, (node_id)i, (node_id)to, true);
        }
        cluster_collect(cluster, (node_id)i);
    }
    return moved;
}

void cluster_settle(struct cluster *cluster)
{
    for (int rounds = 0; flow(cluster); rounds++) {
        CLUSTER_CHECK(cluster, rounds < 1000);
    }
}

void cluster_run(struct cluster *cluster, uint64_t ms)
{
    const uint64_t end_ms = cluster->now_ms + ms;
    while (cluster->now_ms < end_ms) {
        cluster_advance(cluster, 5);
        (void)flow(cluster);
    }
}

node_id cluster_leader(const struct cluster *cluster)
{
    node_id leader = NODE_NONE;
    raft_term term = 0;
    for (size_t i = 1; i <= cluster->node_count; i++) {
        const struct cluster_node *node = &cluster->nodes[i];
        if (node->alive && node->raft.role == RAFT_LEADER && node->raft.hard.term > term) {
            term = node->raft.hard.term;
            leader = node->id;
        }
    }
    return leader;
}
