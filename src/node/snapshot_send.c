/* Leader's side of a snapshot: streams a group's state from an engine snapshot in chunks.
 *
 * One stream at a time per node. A few chunks are in flight; the receiver acknowledges the next
 * sequence number it wants, and whatever got lost is sent again from there. The engine snapshot is
 * taken when the stream starts, at the applied index of that moment.
 */
#include "base/check.h"
#include "base/hash.h"
#include "base/mark.h"
#include "base/os/heap.h"
#include "base/os/log.h"
#include "base/plant.h"
#include "node/node_private.h"

#define CHUNK_SIZE       ((size_t)256 * 1024)
#define CHUNKS_IN_FLIGHT 4
#define RESEND_MS        300
/* No acknowledgement for so long: the follower is gone; the leader will start anew when it is back.
 */
#define GIVE_UP_MS 10000
/* So long another follower goes first after that: each one asks ten times meanwhile, at least. */
#define OTHERS_FIRST_MS 2000

struct chunk {
    struct buf data; /* Owned. */
    uint64_t checksum;
    bool last;
};

struct snapshot_sender {
    node_id to;
    raft_term term;
    uint64_t id;
    raft_index index;
    raft_term index_term;
    struct engine_snapshot *snapshot;      /* Owned. */
    struct engine_iterator *iterator;      /* Owned. */
    struct chunk chunks[CHUNKS_IN_FLIGHT]; /* By sequence modulo. */
    uint32_t acked;                        /* First sequence not acknowledged. */
    uint32_t made;                         /* First sequence not made yet. */
    uint64_t checksum;
    bool complete; /* The last chunk was made. */
    uint64_t resend_at_ms;
    uint64_t heard_at_ms;
};

void snapshot_send_stop(struct node *node)
{
    struct snapshot_sender *sender = node->sender;
    if (sender == NULL) {
        return;
    }
    node->engine->ops->iterator_free(sender->iterator);
    node->engine->ops->snapshot_free(node->engine, sender->snapshot);
    for (size_t i = 0; i < CHUNKS_IN_FLIGHT; i++) {
        buf_deinit(&sender->chunks[i].data);
    }
    heap_free(sender);
    node->sender = NULL;
}

static void finish(struct node *node, bool ok)
{
    const node_id to = node->sender->to;
    const raft_index index = node->sender->index;
    log_event(LOG_INFO, "snapshot_sent", "to=%u index=%llu ok=%d", to, (unsigned long long)index,
              (int)ok);
    snapshot_send_stop(node);
    raft_snapshot_done(&node->replica.raft, to, ok, index);
}

/* Fills the next chunk with whole records: key size u32, value size u32, key (group cut off),
 * value. False when the engine failed. */
static bool make_chunk(struct node *node)
{
    struct snapshot_sender *sender = node->sender;
    const struct engine_ops *ops = node->engine->ops;
    struct chunk *chunk = &sender->chunks[sender->made % CHUNKS_IN_FLIGHT];
    buf_clear(&chunk->data);
    chunk->last = true;
    while (ops->iterator_next(sender->iterator)) {
        const struct bytes key = ops->iterator_key(sender->iterator);
        struct bytes value = ops->iterator_value(sender->iterator);
        if (Q_PLANT(B74)) {
            value.size %= UINT64_C(1) << 16;
        }
        Q_CHECK(key.size > 4);
        if (Q_PLANT(B44S) && key.data[4] >= SPACE_ID) {
            continue;
        }
        buf_append_uint(&chunk->data, key.size - 4, 4);
        buf_append_uint(&chunk->data, value.size, 4);
        buf_append(&chunk->data, bytes_of(key.data + 4, key.size - 4));
        buf_append(&chunk->data, value);
        if (buf_size(&chunk->data) >= CHUNK_SIZE) {
            chunk->last = false;
            break;
        }
    }
    const int err = ops->iterator_error(sender->iterator);
    if (err != Q_OK) {
        node_judge_read(node, err);
        return false;
    }
    sender->checksum = hash_bytes_seeded(buf_bytes(&chunk->data), sender->checksum);
    chunk->checksum = sender->checksum;
    sender->complete = chunk->last;
    sender->made++;
    return true;
}

static void send_chunk(struct node *node, uint32_t sequence)
{
    struct snapshot_sender *sender = node->sender;
    const struct chunk *chunk = &sender->chunks[sequence % CHUNKS_IN_FLIGHT];
    const struct snapshot_chunk header = {
        .group = node->replica.group,
        .term = sender->term,
        .id = sender->id,
        .index = sender->index,
        .index_term = sender->index_term,
        .sequence = sequence,
        .last = chunk->last,
        .checksum = chunk->checksum,
    };
    struct buf *out = node_send_begin(node, sender->to, PEER_SNAPSHOT_CHUNK);
    if (out == NULL) {
        return;
    }
    struct writer w =
        writer_of(buf_reserve(out, SNAPSHOT_CHUNK_HEADER_SIZE), SNAPSHOT_CHUNK_HEADER_SIZE);
    snapshot_chunk_write(&w, &header);
    Q_CHECK(!w.failed);
    buf_added(out, writer_size(&w));
    buf_append(out, buf_bytes(&chunk->data));
    node_send_end(node, sender->to);
}

static void fill_window(struct node *node)
{
    struct snapshot_sender *sender = node->sender;
    while (!sender->complete && sender->made - sender->acked < CHUNKS_IN_FLIGHT) {
        if (!make_chunk(node)) {
            finish(node, false);
            return;
        }
        send_chunk(node, sender->made - 1);
    }
}

void snapshot_send_start(struct node *node, node_id to)
{
    struct replica *replica = &node->replica;
    const raft_index index = replica->raft.applied_index;
    raft_term term = 0;
    if (Q_PLANT(B25)) {
        snapshot_send_stop(node);
    }
    /* One that takes nothing (its disk hangs) must not keep the only stream from the others. */
    const bool others_first = to == node->given_up_on && node->now_ms < node->others_first_until_ms;
    if (node->sender != NULL || others_first || snapshot_is_installing(node) || index == 0 ||
        !raft_log_term(&replica->raft.log, index, &term)) {
        /* Busy: the leader asks again at a later heartbeat. */
        Q_MARK_IF(SNAPSHOT_SEND_BUSY, node->sender != NULL);
        raft_snapshot_done(&replica->raft, to, false, 0);
        return;
    }
    Q_CHECK(replica->machine.meta.applied_index == index);
    struct snapshot_sender *sender = heap_alloc(sizeof *sender);
    sender->to = to;
    sender->term = replica->raft.hard.term;
    sender->id = ++node->last_stream_id;
    sender->index = index;
    sender->index_term = term;
    sender->snapshot = node->engine->ops->snapshot_new(node->engine);
    struct storage_key from;
    struct storage_key end;
    storage_key_space(&from, replica->group, SPACE_META);
    storage_key_space(&end, replica->group, SPACE_END);
    sender->iterator = node->engine->ops->iterator_new(
        node->engine, sender->snapshot, storage_key_bytes(&from), storage_key_bytes(&end));
    sender->heard_at_ms = node->now_ms;
    sender->resend_at_ms = node->now_ms + RESEND_MS;
    node->sender = sender;
    log_event(LOG_INFO, "snapshot_send", "to=%u index=%llu", to, (unsigned long long)index);
    fill_window(node);
}

void snapshot_send_ack(struct node *node, node_id from, const struct snapshot_ack *ack)
{
    struct snapshot_sender *sender = node->sender;
    if (sender == NULL || sender->to != from || sender->id != ack->id) {
        Q_MARK(SNAPSHOT_ACK_STALE);
        return;
    }
    sender->heard_at_ms = node->now_ms;
    switch (ack->status) {
    case SNAPSHOT_INSTALLED: finish(node, true); return;
    case SNAPSHOT_REFUSED:
        Q_MARK(SNAPSHOT_SEND_REFUSED);
        finish(node, false);
        return;
    case SNAPSHOT_CONTINUE: break;
    }
    if (ack->next_sequence > sender->acked && ack->next_sequence <= sender->made) {
        Q_MARK_IF(SNAPSHOT_SEND_LONG, ack->next_sequence > CHUNKS_IN_FLIGHT);
        sender->acked = ack->next_sequence;
        sender->resend_at_ms = node->now_ms + RESEND_MS;
        fill_window(node);
    } else {
        Q_MARK(SNAPSHOT_ACK_REPEATED);
    }
}

void snapshot_send_tick(struct node *node)
{
    struct snapshot_sender *sender = node->sender;
    if (sender == NULL) {
        return;
    }
    const struct raft *raft = &node->replica.raft;
    if (raft->role != RAFT_LEADER || raft->hard.term != sender->term) {
        Q_MARK(SNAPSHOT_SEND_DEPOSED);
        snapshot_send_stop(node);
        return;
    }
    const struct raft_progress *progress = raft_progress_of(raft, sender->to);
    if (progress == NULL || progress->state != RAFT_SNAPSHOT) {
        snapshot_send_stop(node); /* It caught up by itself. */
        return;
    }
    if (node->now_ms >= sender->heard_at_ms + GIVE_UP_MS) {
        node->given_up_on = sender->to;
        node->others_first_until_ms = node->now_ms + OTHERS_FIRST_MS;
        finish(node, false);
        return;
    }
    if (node->now_ms >= sender->resend_at_ms) {
        sender->resend_at_ms = node->now_ms + RESEND_MS;
        /* All acknowledged: the last one again, to hear how the installation goes. */
        uint32_t first = sender->acked;
        Q_MARK_IF(SNAPSHOT_SEND_RESENT, first < sender->made);
        if (first == sender->made && first > 0) {
            Q_MARK(SNAPSHOT_SEND_ASKED_ON);
            first--;
        }
        for (uint32_t i = first; i < sender->made; i++) {
            send_chunk(node, i);
        }
    }
}

uint64_t snapshot_send_deadline(const struct node *node)
{
    return node->sender != NULL ? node->sender->resend_at_ms : UINT64_MAX;
}

raft_index snapshot_send_index(const struct node *node)
{
    return node->sender != NULL ? node->sender->index : UINT64_MAX;
}
