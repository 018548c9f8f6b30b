/* What the log and the engine hold at start, and how they fit together.
 *
 * The log gives entries and the group's STATE (term, vote, start of the log); the engine gives the
 * applied index. Normally start <= applied <= last. Applied beyond the log, or an entry there with
 * another term, means that the state came from an installed snapshot whose reset of the log was
 * not durable yet: the log is discarded and begins anew after applied.
 */
#include "base/mark.h"
#include "base/os/heap.h"
#include "base/os/log.h"
#include "base/plant.h"
#include "node/node_private.h"
#include "node/resume_driver.h"

#include <stdio.h>

/* An empty directory would not be taken back under the old address (core/cluster/boot). */
#define ADVICE                                                                                     \
    "leave this node stopped and let the others go on; a node that lost its disk cannot be taken " \
    "back yet"

#define RING_FIRST 1024

struct recovery {
    struct group_state state;
    bool has_state;
    bool malformed;
    struct raft_entry *entries; /* Owned, and so are their payloads. */
    size_t count;
    size_t capacity;
    raft_index first; /* Index of entries[0]. */
};

static void drop_after(struct recovery *recovery, size_t count)
{
    while (recovery->count > count) {
        recovery->count--;
        const struct bytes payload = recovery->entries[recovery->count].payload;
        if (payload.size > 0) {
            payload_unref(payload_of(payload));
        }
    }
}

static void visit_entry(void *context, const struct wal_entry *entry)
{
    struct recovery *recovery = context;
    if (entry->stream != GROUP_DEFAULT) {
        recovery->malformed = true;
        return;
    }
    const raft_index next = recovery->first + recovery->count;
    if (recovery->count == 0 || entry->index > next || entry->index < recovery->first) {
        /* The first, or a log that began anew further on. */
        drop_after(recovery, 0);
        recovery->first = entry->index;
    } else {
        Q_MARK_IF(RECOVERY_TAIL_REPLACED, entry->index < next);
        drop_after(recovery, (size_t)(entry->index - recovery->first) + (Q_PLANT(B30) ? 1 : 0));
    }
    if (recovery->count == recovery->capacity) {
        recovery->capacity = recovery->capacity > 0 ? recovery->capacity * 2 : RING_FIRST;
        recovery->entries =
            heap_realloc(recovery->entries, recovery->capacity * sizeof *recovery->entries);
    }
    struct raft_entry *out = &recovery->entries[recovery->count++];
    *out = (struct raft_entry){
        .term = entry->term, .hlc = entry->hlc, .kind = (enum raft_entry_kind)entry->kind};
    if (entry->payload.size > 0) {
        struct payload *payload = payload_new(entry->payload.size);
        memcpy(payload->data, entry->payload.data, payload->size);
        out->payload = payload_bytes(payload);
    }
}

static void visit_state(void *context, group_id stream, struct bytes state)
{
    struct recovery *recovery = context;
    if (stream != GROUP_DEFAULT || !group_state_read(state, &recovery->state)) {
        recovery->malformed = true;
        return;
    }
    recovery->has_state = true;
}

static void visit_reset(void *context, group_id stream)
{
    struct recovery *recovery = context;
    if (stream == GROUP_DEFAULT) {
        Q_MARK(RECOVERY_RESET);
        drop_after(recovery, 0);
    }
}

int recovery_open_log(struct node *node, struct recovery **out, char *error, size_t error_size)
{
    struct recovery *recovery = heap_alloc(sizeof *recovery);
    const struct wal_visitor visitor = {
        .context = recovery,
        .entry = visit_entry,
        .state = visit_state,
        .reset = visit_reset,
    };
    const struct wal_options options = {
        .segment_size = node->options.wal_segment_size,
        .spare_max = 2,
        .seed = prng_next(&node->prng),
    };
    int err = wal_open(node->files, &options, &visitor, &node->wal, error, error_size);
    if (err == Q_OK && recovery->malformed) {
        (void)snprintf(error, error_size, "the log holds records this version does not know");
        err = Q_ECORRUPT;
    }
    if (err != Q_OK) {
        recovery_free(recovery);
        return err;
    }
    *out = recovery;
    return Q_OK;
}

int recovery_expect_nothing(const struct recovery *recovery, char *error, size_t error_size)
{
    if (!recovery->has_state && recovery->count == 0) {
        return Q_OK;
    }
    (void)snprintf(error, error_size,
                   "wal/ holds a log, but the identity file knows no cluster: it is not the one "
                   "that belongs to it, or was lost; " ADVICE);
    return Q_ECORRUPT;
}

struct recovery *recovery_empty(void)
{
    return heap_alloc(sizeof(struct recovery));
}

void recovery_free(struct recovery *recovery)
{
    if (recovery == NULL) {
        return;
    }
    drop_after(recovery, 0);
    heap_free(recovery->entries);
    heap_free(recovery);
}

static void drop_before(struct recovery *recovery, raft_index first)
{
    size_t dropped = 0;
    while (dropped < recovery->count && recovery->first + dropped < first) {
        const struct bytes payload = recovery->entries[dropped].payload;
        if (payload.size > 0) {
            payload_unref(payload_of(payload));
        }
        dropped++;
    }
    if (dropped > 0) {
        Q_MARK(RECOVERY_BEFORE_START);
        memmove(recovery->entries, recovery->entries + dropped,
                (recovery->count - dropped) * sizeof *recovery->entries);
        recovery->count -= dropped;
        recovery->first += dropped;
    }
}

/* Whether the log, from its start on, agrees with the applied state. */
static bool log_fits(const struct recovery *recovery, const struct shard_meta *meta)
{
    const raft_index start = recovery->state.start_index;
    const raft_index applied = meta->applied_index;
    if (applied == start) {
        return meta->applied_term == recovery->state.start_term;
    }
    if (applied > start + recovery->count) {
        return false;
    }
    return recovery->entries[applied - start - 1].term == meta->applied_term;
}

static struct raft_config raft_config_of(struct node *node)
{
    const size_t append_max = node->options.append_size_max;
    const size_t apply_max = node->options.apply_size_max;
    const size_t inflight_max = node->options.inflight_max;
    struct raft_config config = {
        .self = node->self,
        .voter_count = node->list.count,
        .heartbeat_ms = node->options.heartbeat_ms,
        .election_min_ms = node->options.election_min_ms,
        .election_max_ms = node->options.election_max_ms,
        .append_bytes_max = append_max > 0 ? append_max : APPEND_SIZE_MAX,
        .inflight_messages_max = inflight_max > 0 ? inflight_max : INFLIGHT_MESSAGES_MAX,
        .inflight_bytes_max = INFLIGHT_BYTES_MAX,
        .uncommitted_bytes_max = UNCOMMITTED_BYTES_MAX,
        .apply_bytes_max = apply_max > 0 ? apply_max : APPLY_BYTES_MAX,
        .seed = prng_next(&node->prng),
    };
    for (size_t i = 0; i < config.voter_count; i++) {
        config.voters[i] = (node_id)(i + 1);
    }
    return config;
}

/* Moves the recovered entries into raft's ring. */
static void fill_log(struct replica *replica, struct recovery *recovery)
{
    replica_make_room(replica, recovery->count);
    for (size_t i = 0; i < recovery->count; i++) {
        const struct raft_entry *entry = &recovery->entries[i];
        raft_recover_entry(&replica->raft, entry);
        replica_sync_payloads(replica);
        if (entry->payload.size > 0) {
            replica_set_payload(replica, recovery->first + i, payload_of(entry->payload));
        }
        hlc_observe(&replica->clock, entry->hlc);
    }
    recovery->count = 0; /* The payloads are the replica's now. */
}

/* Q_OK, or Q_ECORRUPT with a text when what is left of db/ and wal/ cannot belong together. */
static int judge(const struct recovery *recovery,
                 const struct shard_meta *meta,
                 char *error,
                 size_t error_size)
{
    const unsigned long long start = recovery->state.start_index;
    if (meta->applied_index > 0 && !recovery->has_state) {
        /* Entries are applied only once they and the term are in the log. */
        (void)snprintf(
            error, error_size,
            "db/ holds applied entries but wal/ holds no term and vote: wal/ was lost or "
            "replaced; " ADVICE);
        return Q_ECORRUPT;
    }
    if (recovery->count > 0 && recovery->first != start + 1) {
        (void)snprintf(error, error_size,
                       "wal/ goes on with entry %llu after %llu: files of it are missing, or the "
                       "end of the newest one is damaged; " ADVICE,
                       (unsigned long long)recovery->first, start);
        return Q_ECORRUPT;
    }
    if (meta->applied_index < start) {
        (void)snprintf(
            error, error_size,
            "db/ holds the state as of entry %llu but the log begins after %llu: db/ was "
            "lost or replaced by an older copy; " ADVICE,
            (unsigned long long)meta->applied_index, start);
        return Q_ECORRUPT;
    }
    return Q_OK;
}

static void discard_log(struct node *node, const struct recovery *recovery)
{
    struct replica *replica = &node->replica;
    const struct shard_meta *meta = &replica->machine.meta;
    log_event(LOG_WARN, "log_discarded", "applied=%llu log_start=%llu",
              (unsigned long long)meta->applied_index,
              (unsigned long long)recovery->state.start_index);
    Q_MARK(RECOVERY_LOG_DISCARDED);
    raft_log_reset(&replica->raft.log, meta->applied_index, meta->applied_term);
    replica_sync_payloads(replica);
    (void)wal_append_reset(node->wal, replica->group);
    (void)replica_save_state(node, recovery->state.hard);
}

int recovery_start_replica(struct node *node,
                           struct recovery *recovery,
                           char *error,
                           size_t error_size)
{
    struct replica *replica = &node->replica;
    *replica = (struct replica){
        .group = GROUP_DEFAULT, .capacity = RING_FIRST, .state_durable = recovery->has_state};
    list_init(&replica->gated);
    int err = machine_init(&replica->machine, node->engine, GROUP_DEFAULT);
    const struct shard_meta *meta = &replica->machine.meta;
    if (err != Q_OK) {
        (void)snprintf(error, error_size, "the state in db/ cannot be read: %s (%s); " ADVICE,
                       err_text(err), node->engine->ops->error_text(node->engine));
    } else {
        drop_before(recovery, recovery->state.start_index + 1);
        err = judge(recovery, meta, error, error_size);
    }
    if (err != Q_OK) {
        machine_deinit(&replica->machine);
        recovery_free(recovery);
        return err;
    }
    replica->slots = heap_alloc(replica->capacity * sizeof *replica->slots);
    replica->payloads = heap_alloc(replica->capacity * sizeof *replica->payloads);
    const struct raft_config config = raft_config_of(node);
    raft_init(&replica->raft, &config, replica->slots, replica->capacity, recovery->state.hard);
    hlc_observe(&replica->clock, meta->shard_time);
    replica->raft.last_hlc = meta->shard_time;
    if (log_fits(recovery, meta)) {
        Q_MARK_IF(RECOVERY_EMPTY, recovery->count == 0 && meta->applied_index == 0);
        Q_MARK_IF(RECOVERY_SNAPSHOT_ONLY, recovery->count == 0 && meta->applied_index > 0);
        Q_MARK_IF(RECOVERY_APPLIES,
                  meta->applied_index < recovery->state.start_index + recovery->count);
        raft_log_reset(&replica->raft.log, recovery->state.start_index, recovery->state.start_term);
        replica_sync_payloads(replica);
        fill_log(replica, recovery);
    } else {
        discard_log(node, recovery);
    }
    raft_recovered(&replica->raft, node->now_ms,
                   Q_PLANT(B31) ? replica->raft.log.start_index : meta->applied_index);
    wal_release(node->wal, replica->group, replica->raft.log.start_index);
    replica->role = replica->raft.role;
    replica->term = replica->raft.hard.term;
    node->booted = true;
    resume_driver_start(node);
    recovery_free(recovery);
    return Q_OK;
}
