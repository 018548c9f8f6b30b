/* One group on this node: carries out what raft asks for. */
#include "base/check.h"
#include "base/mark.h"
#include "base/os/heap.h"
#include "base/os/log.h"
#include "base/plant.h"
#include "node/node_private.h"
#include "node/resume_driver.h"

#define EFFECTS_MAX        64
#define RING_ROOM_SPARE    8 /* Entries raft may add by itself: its no-op. */
#define COMPACT_EVERY_MS   100
#define COLLECT_MS_MAX     20 /* Of one turn; far below an election timeout. */
#define GROUP_STATE_FORMAT 1
/* While a snapshot is sent the log may grow to this many times log_keep_bytes. */
#define STREAM_KEEP_FACTOR 4

/* ---- the group's STATE record ---- */

void group_state_write(struct writer *w, const struct group_state *state)
{
    write_u8(w, GROUP_STATE_FORMAT);
    write_u64(w, state->hard.term);
    write_u32(w, state->hard.vote);
    write_u64(w, state->start_index);
    write_u64(w, state->start_term);
}

bool group_state_read(struct bytes in, struct group_state *out_state)
{
    struct reader r = reader_of(in);
    const uint8_t format = read_u8(&r);
    out_state->hard.term = read_u64(&r);
    out_state->hard.vote = read_u32(&r);
    out_state->start_index = read_u64(&r);
    out_state->start_term = read_u64(&r);
    return reader_is_done(&r) && format == GROUP_STATE_FORMAT;
}

wal_ticket replica_save_state(struct node *node, struct raft_hard_state hard)
{
    const struct replica *replica = &node->replica;
    const struct group_state state = {
        .hard = hard,
        .start_index = replica->raft.log.start_index,
        .start_term = replica->raft.log.start_term,
    };
    uint8_t bytes[GROUP_STATE_SIZE];
    struct writer w = writer_of(bytes, sizeof bytes);
    group_state_write(&w, &state);
    Q_CHECK(!w.failed && writer_size(&w) == sizeof bytes);
    return wal_append_state(node->wal, replica->group, bytes_of(bytes, sizeof bytes));
}

/* ---- payloads ---- */

static struct payload **payload_slot(struct replica *replica, raft_index index)
{
    return &replica->payloads[index & (replica->capacity - 1)];
}

void replica_make_room(struct replica *replica, size_t count)
{
    if (raft_log_room(&replica->raft.log) >= count + RING_ROOM_SPARE) {
        return;
    }
    Q_MARK(REPLICA_RING_GROWS);
    size_t capacity = replica->capacity;
    const size_t held = (size_t)(replica->raft.log.last_index - replica->raft.log.start_index);
    while (capacity - held < count + RING_ROOM_SPARE + 1) {
        capacity *= 2;
    }
    struct raft_entry *slots = heap_alloc(capacity * sizeof *slots);
    heap_free(raft_log_grow(&replica->raft.log, slots, capacity));
    replica->slots = slots;
    struct payload **payloads = heap_alloc(capacity * sizeof *payloads);
    for (raft_index i = replica->payload_first; i <= replica->payload_last; i++) {
        payloads[i & (capacity - 1)] = *payload_slot(replica, i);
    }
    heap_free(replica->payloads);
    replica->payloads = payloads;
    replica->capacity = capacity;
}

void replica_sync_payloads(struct replica *replica)
{
    const struct raft_log *log = &replica->raft.log;
    while (replica->payload_last > log->last_index &&
           replica->payload_last >= replica->payload_first) {
        payload_unref(*payload_slot(replica, replica->payload_last));
        replica->payload_last--;
    }
    while (replica->payload_first <= replica->payload_last &&
           replica->payload_first <= log->start_index) {
        payload_unref(*payload_slot(replica, replica->payload_first));
        replica->payload_first++;
    }
    if (replica->payload_first > replica->payload_last) {
        replica->payload_first = log->start_index + 1;
        replica->payload_last = log->start_index;
    }
    while (replica->payload_last < log->last_index) {
        replica->payload_last++;
        *payload_slot(replica, replica->payload_last) = NULL;
    }
}

void replica_set_payload(struct replica *replica, raft_index index, struct payload *payload)
{
    Q_CHECK(index >= replica->payload_first && index <= replica->payload_last);
    struct payload **slot = payload_slot(replica, index);
    payload_unref(*slot);
    *slot = payload;
}

/* ---- messages in ---- */

/* Takes the payloads of the entries that raft really kept; drops the others. */
static void keep_payloads(struct replica *replica,
                          raft_index first,
                          const struct raft_entry *entries,
                          size_t count)
{
    const struct raft_log *log = &replica->raft.log;
    replica_sync_payloads(replica);
    for (size_t i = 0; i < count; i++) {
        if (entries[i].payload.size == 0) {
            continue;
        }
        struct payload *payload = payload_of(entries[i].payload);
        const raft_index index = first + i;
        const bool kept = index > log->start_index && index <= log->last_index &&
                          raft_log_at(log, index)->payload.data == entries[i].payload.data;
        if (kept) {
            replica_set_payload(replica, index, payload);
        } else {
            Q_MARK(REPLICA_ENTRIES_DROPPED);
            payload_unref(payload);
        }
    }
}

static void note_freshness(struct node *node, const struct raft_message *message)
{
    struct replica *replica = &node->replica;
    if (message->kind != RAFT_MSG_APPEND && message->kind != RAFT_MSG_HEARTBEAT) {
        return;
    }
    if (message->term != replica->raft.hard.term) {
        return;
    }
    /* A heartbeat's commit is cut to what we hold; its index is the leader's whole commit index. */
    const raft_index told = message->kind == RAFT_MSG_APPEND ? message->commit : message->index;
    if (told <= replica->raft.applied_index) {
        replica->fresh_at_ms = node->now_ms;
    } else if (replica->fresh_wanted <= replica->raft.applied_index) {
        /* One that is still open stays: under load none would ever be met. */
        replica->fresh_wanted = told;
        replica->fresh_wanted_at_ms = node->now_ms;
    }
}

/* While the state is being replaced a replica votes and hears that its leader lives, no more: its
 * log and commit index must stand still. */
static bool is_welcome_while_installing(enum raft_message_kind kind)
{
    return Q_PLANT(B27) || kind == RAFT_MSG_HEARTBEAT || kind == RAFT_MSG_VOTE ||
           kind == RAFT_MSG_PRE_VOTE;
}

void replica_receive(struct node *node, node_id from, struct bytes body)
{
    struct replica *replica = &node->replica;
    const size_t count = raft_message_entry_count(body);
    struct raft_entry *entries = heap_alloc_raw((count + 1) * sizeof *entries);
    struct raft_message message;
    const int err = raft_message_decode(body, &message, entries, count);
    const bool wanted = err == Q_OK && message.from == from && message.to == node->self;
    if (wanted) {
        resume_driver_note(node, from, &message);
    }
    if (!wanted || !node->resume.is_done ||
        (snapshot_is_installing(node) && !is_welcome_while_installing(message.kind))) {
        Q_MARK_IF(REPLICA_INSTALLING_DEAF, wanted && node->resume.is_done);
        heap_free(entries);
        return;
    }
    for (size_t i = 0; i < message.entry_count; i++) {
        if (entries[i].payload.size > 0) {
            struct payload *payload = payload_new(entries[i].payload.size);
            memcpy(payload->data, entries[i].payload.data, payload->size);
            entries[i].payload = payload_bytes(payload);
        }
    }
    if (snapshot_is_installing(node) && !Q_PLANT(B27)) {
        message.commit = 0;
    }
    replica_make_room(replica, message.entry_count);
    raft_receive(&replica->raft, node->now_ms, &message, entries);
    keep_payloads(replica, message.prev_index + 1, entries, message.entry_count);
    note_freshness(node, &message);
    heap_free(entries);
}

/* ---- effects ---- */

void replica_log_entries(struct node *node, raft_index first, raft_index last)
{
    struct replica *replica = &node->replica;
    for (raft_index i = first; i <= last; i++) {
        const struct raft_entry *entry = raft_log_at(&replica->raft.log, i);
        hlc_observe(&replica->clock, entry->hlc);
        const struct wal_entry record = {
            .stream = replica->group,
            .index = i,
            .term = entry->term,
            .hlc = entry->hlc,
            .kind = (uint8_t)entry->kind,
            .payload = entry->payload,
        };
        (void)wal_append_entry(node->wal, &record);
    }
}

static void do_save(struct node *node, const struct raft_effect *effect)
{
    struct replica *replica = &node->replica;
    if (effect->has_hard) {
        const struct raft_hard_state nothing = {0};
        (void)replica_save_state(node, Q_PLANT(B02) ? nothing : effect->hard);
    }
    replica_log_entries(node, effect->first, effect->last);
    const wal_ticket ticket = wal_appended(node->wal);
    Q_CHECK(replica->save_count < RAFT_SAVES_MAX);
    const size_t slot = (replica->save_first + replica->save_count) % RAFT_SAVES_MAX;
    replica->saves[slot] = (struct save_ticket){.number = effect->save, .ticket = ticket};
    replica->save_count++;
}

/* Bytes of a raft message with its entries. */
static void write_raft_message(const struct replica *replica,
                               const struct raft_effect *effect,
                               struct buf *out)
{
    struct writer w =
        writer_of(buf_reserve(out, 4 + RAFT_MESSAGE_SIZE_MAX), 4 + RAFT_MESSAGE_SIZE_MAX);
    write_u32(&w, replica->group);
    raft_message_encode(&effect->message, &w);
    Q_CHECK(!w.failed);
    buf_added(out, writer_size(&w));
    for (raft_index i = effect->first; i <= effect->last; i++) {
        const struct raft_entry *entry = raft_log_at(&replica->raft.log, i);
        struct writer h =
            writer_of(buf_reserve(out, RAFT_ENTRY_HEADER_SIZE), RAFT_ENTRY_HEADER_SIZE);
        raft_entry_encode_header(entry, &h);
        Q_CHECK(!h.failed);
        buf_added(out, writer_size(&h));
        buf_append(out, entry->payload);
    }
}

static void gate_message(struct node *node, const struct raft_effect *effect)
{
    struct replica *replica = &node->replica;
    if (replica->gated_count == GATED_MESSAGES_MAX) {
        return;
    }
    buf_clear(&node->scratch);
    write_raft_message(replica, effect, &node->scratch);
    const struct bytes body = buf_bytes(&node->scratch);
    Q_CHECK(body.data != NULL && body.size > 0);
    struct gated_message *gated = heap_alloc_raw(sizeof *gated + body.size);
    gated->save = effect->after_save;
    gated->to = effect->to;
    gated->size = body.size;
    memcpy(gated->body, body.data, body.size);
    list_init(&gated->link);
    list_append(&replica->gated, &gated->link);
    replica->gated_count++;
    replica->gated_bytes += gated->size;
}

static void drop_gated(struct replica *replica, struct gated_message *gated)
{
    list_remove(&gated->link);
    replica->gated_count--;
    replica->gated_bytes -= gated->size;
    heap_free(gated);
}

static void do_send(struct node *node, const struct raft_effect *effect)
{
    if (effect->after_save > node->replica.raft.save_done) {
        gate_message(node, effect);
        return;
    }
    struct buf *out = node_send_begin(node, effect->to, PEER_RAFT);
    if (out == NULL) {
        return;
    }
    write_raft_message(&node->replica, effect, out);
    node_send_end(node, effect->to);
}

static void do_apply(struct node *node, const struct raft_effect *effect)
{
    struct replica *replica = &node->replica;
    if (snapshot_is_installing(node)) {
        return; /* The snapshot holds these entries' effects; raft_restore moves past them. */
    }
    buf_clear(&node->replies);
    for (raft_index i = effect->first; i <= effect->last; i++) {
        const struct raft_entry *entry = raft_log_at(&replica->raft.log, i);
        const size_t start = buf_size(&node->replies);
        const int err = machine_apply(&replica->machine, i, entry, &node->replies);
        if (err != Q_OK) {
            node_fail_storage(node, err, "reading db/ to apply an entry failed");
            return;
        }
        requests_applied(node, i, entry->term, start);
    }
    const int err = machine_commit(&replica->machine);
    if (err != Q_OK) {
        node_fail_storage(node, err, "writing applied entries to db/ failed");
        return;
    }
    raft_applied(&replica->raft, effect->last);
    if (effect->last >= replica->fresh_wanted &&
        replica->fresh_wanted_at_ms > replica->fresh_at_ms) {
        Q_MARK(REPLICA_FRESH_BY_APPLYING);
        replica->fresh_at_ms = replica->fresh_wanted_at_ms;
    }
    requests_deliver(node);
    requests_serve_ready(node);
}

static void do_role(struct node *node)
{
    struct replica *replica = &node->replica;
    const struct raft *raft = &replica->raft;
    if (raft->role == RAFT_CANDIDATE && replica->role != RAFT_CANDIDATE) {
        node->elections_total++;
    }
    if (raft->leader != replica->leader || raft->role != replica->role) {
        log_event(LOG_INFO, "raft_role", "group=%u role=%s leader=%u term=%llu", replica->group,
                  raft_role_name(raft->role), raft->leader, (unsigned long long)raft->hard.term);
    }
    replica->role = raft->role;
    replica->term = raft->hard.term;
    replica->leader = raft->leader;
    requests_role_changed(node);
}

static void do_effect(struct node *node, const struct raft_effect *effect)
{
    switch (effect->kind) {
    case RAFT_EFFECT_SAVE: do_save(node, effect); return;
    case RAFT_EFFECT_SEND: do_send(node, effect); return;
    case RAFT_EFFECT_APPLY: do_apply(node, effect); return;
    case RAFT_EFFECT_READ: requests_reads_confirmed(node, effect->context, effect->index); return;
    case RAFT_EFFECT_ROLE: do_role(node); return;
    case RAFT_EFFECT_SNAPSHOT: snapshot_send_start(node, effect->to); return;
    }
}

void replica_collect(struct node *node)
{
    struct replica *replica = &node->replica;
    struct raft_effect effects[EFFECTS_MAX];
    replica_make_room(replica, 0);
    size_t count = raft_collect(&replica->raft, effects, EFFECTS_MAX);
    replica->unfinished = false;
    while (count > 0 && node->failure == Q_OK) {
        replica_sync_payloads(replica);
        for (size_t i = 0; i < count && node->failure == Q_OK; i++) {
            do_effect(node, &effects[i]);
        }
        replica_make_room(replica, 0);
        if (node->env->monotonic_ms(node->env->context) >= node->now_ms + COLLECT_MS_MAX) {
            /* A long backlog to apply must not keep heartbeats waiting: the rest next turn. */
            replica->unfinished = true;
            return;
        }
        count = node->failure == Q_OK ? raft_collect(&replica->raft, effects, EFFECTS_MAX) : 0;
    }
}

/* ---- the log ---- */

void replica_log_done(struct node *node)
{
    struct replica *replica = &node->replica;
    const wal_ticket durable = wal_durable(node->wal);
    while (replica->save_count > 0 && replica->saves[replica->save_first].ticket <= durable) {
        const uint64_t number = replica->saves[replica->save_first].number;
        replica->save_first = (replica->save_first + 1) % RAFT_SAVES_MAX;
        replica->save_count--;
        raft_persisted(&replica->raft, node->now_ms, number);
        replica->state_durable = true; /* The first save of all has the term. */
    }
    struct list *link = list_first(&replica->gated);
    while (link != NULL) {
        struct gated_message *gated = LIST_ITEM(link, struct gated_message, link);
        if (gated->save > replica->raft.save_done && !Q_PLANT(GATEALL)) {
            Q_MARK(REPLICA_GATE_WAITS);
            break;
        }
        struct buf *out = node_send_begin(node, gated->to, PEER_RAFT);
        if (out != NULL) {
            buf_append(out, bytes_of(gated->body, gated->size));
            node_send_end(node, gated->to);
        }
        drop_gated(replica, gated);
        link = list_first(&replica->gated);
    }
}

/* How far the log could go if all of the state were persistent. A follower that is being sent a
 * snapshot will want what follows it: else, under a steady load, it would need another one each
 * time. That is held back up to a limit. */
static raft_index compaction_bound(const struct node *node)
{
    const raft_index applied = node->replica.raft.applied_index;
    const raft_index streamed = snapshot_send_index(node);
    if (node->replica.raft.log.bytes < node->options.log_keep_bytes * STREAM_KEEP_FACTOR &&
        streamed < applied) {
        Q_MARK(REPLICA_COMPACT_HELD_BY_STREAM);
        return streamed;
    }
    return applied;
}

/* How far the log goes: half of what is kept stays, and nothing that a crash could still need. */
static raft_index compaction_target(const struct node *node, raft_index bound, raft_index persisted)
{
    const struct raft_log *log = &node->replica.raft.log;
    const raft_index end = persisted < bound ? persisted : bound;
    uint64_t bytes = log->bytes;
    raft_index target = log->start_index;
    while (target < end && bytes > node->options.log_keep_bytes / 2) {
        target++;
        bytes -= raft_entry_size(raft_log_at(log, target));
    }
    return target;
}

/* What holds the log back may be state that is not flushed yet; else a flush would change nothing,
 * and one after the other would wear the engine out. */
static void flush_for_compaction(struct node *node, raft_index bound, raft_index persisted)
{
    struct replica *replica = &node->replica;
    const bool is_flushing = replica->flush_index > persisted;
    if (replica->raft.log.bytes <= node->options.log_keep_bytes || persisted >= bound ||
        is_flushing) {
        return;
    }
    const int err = node->engine->ops->flush(node->engine, false);
    if (err == Q_OK) {
        Q_MARK(REPLICA_COMPACT_HELD_BY_FLUSH);
        replica->flush_index = replica->raft.applied_index;
    } else if (err != Q_EBUSY) {
        node_fail_storage(node, err, "flushing db/ failed");
    }
}

/* Does the leader give up entries that a follower has not got? It will need a snapshot. */
static void mark_lagging(const struct raft *raft, raft_index target)
{
    for (size_t i = 0; i < raft->config.voter_count; i++) {
        Q_MARK_IF(REPLICA_COMPACT_BELOW_FOLLOWER,
                  raft->role == RAFT_LEADER && raft->progress[i].match_index < target);
    }
}

void replica_compact(struct node *node)
{
    struct replica *replica = &node->replica;
    const struct raft_log *log = &replica->raft.log;
    if (node->now_ms < replica->compact_at_ms || snapshot_is_installing(node)) {
        return;
    }
    replica->compact_at_ms = node->now_ms + COMPACT_EVERY_MS;
    if (log->bytes <= node->options.log_keep_bytes) {
        return;
    }
    uint64_t persisted = 0;
    const int err = machine_persisted(&replica->machine, &persisted);
    if (err != Q_OK) {
        /* An engine that cannot make its state persistent would let the log grow for ever. */
        node_fail_storage(node, err, "making db/ persistent failed");
        return;
    }
    if (Q_PLANT(B26)) {
        persisted = UINT64_MAX;
    }
    const raft_index bound = compaction_bound(node);
    const raft_index target = compaction_target(node, bound, persisted);
    if (target > log->start_index) {
        mark_lagging(&replica->raft, target);
        raft_compact(&replica->raft, target);
        replica_sync_payloads(replica);
        struct raft_hard_state hard = replica->raft.hard;
        if (Q_PLANT(COMPACTVOTE)) {
            hard.vote = NODE_NONE;
        }
        (void)replica_save_state(node, hard);
        wal_release(node->wal, replica->group, target);
    }
    flush_for_compaction(node, bound, persisted);
}

uint64_t replica_age_ms(const struct node *node)
{
    const struct replica *replica = &node->replica;
    /* What its predecessors committed a leader knows only from its own term's first commit on. */
    if (replica->raft.role != RAFT_LEADER ||
        replica->raft.applied_index < replica->raft.term_start_index) {
        return replica->fresh_at_ms == 0 ? UINT64_MAX : node->now_ms - replica->fresh_at_ms;
    }
    /* A leader is as fresh as the moment at which a quorum was last heard from. */
    uint64_t heard[NODES_MAX] = {0};
    const size_t count = replica->raft.config.voter_count;
    for (size_t i = 0; i < count; i++) {
        const struct raft_progress *progress = &replica->raft.progress[i];
        const uint64_t at = progress->id == node->self ? node->now_ms : progress->heard_at_ms;
        size_t place = i;
        while (place > 0 && heard[place - 1] < at) {
            heard[place] = heard[place - 1];
            place--;
        }
        heard[place] = at;
    }
    const uint64_t quorum_at = heard[count / 2];
    return quorum_at == 0 ? UINT64_MAX : node->now_ms - quorum_at;
}

void replica_deinit(struct node *node)
{
    struct replica *replica = &node->replica;
    if (replica->slots == NULL) {
        return;
    }
    for (raft_index i = replica->payload_first; i <= replica->payload_last; i++) {
        payload_unref(*payload_slot(replica, i));
    }
    struct list *link = list_first(&replica->gated);
    while (link != NULL) {
        drop_gated(replica, LIST_ITEM(link, struct gated_message, link));
        link = list_first(&replica->gated);
    }
    machine_deinit(&replica->machine);
    heap_free(replica->payloads);
    heap_free(replica->slots);
    replica->slots = NULL;
}
