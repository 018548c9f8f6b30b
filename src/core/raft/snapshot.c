/* Snapshots: followers too far behind for the log, and installing one here (section 5). The bytes
 * are the node's business. */
#include "base/mark.h"
#include "core/raft/raft_private.h"

void raft_enter_snapshot(struct raft *raft, struct raft_progress *progress)
{
    Q_CHECK(raft->role == RAFT_LEADER);
    Q_CHECK(progress->state == RAFT_PROBE || progress->state == RAFT_REPLICATE);
    Q_MARK_IF(RAFT_SNAPSHOT_FROM_PROBE, progress->state == RAFT_PROBE);
    Q_MARK_IF(RAFT_SNAPSHOT_FROM_REPLICATE, progress->state == RAFT_REPLICATE);
    raft_become_probe(raft, progress); /* Forgets the window. */
    progress->state = RAFT_SNAPSHOT;
    progress->snapshot_index = raft->applied_index;
    progress->snapshot_due = true;
}

void raft_snapshot_done(struct raft *raft, node_id to, bool ok, raft_index index)
{
    struct raft_progress *progress = raft_progress_mutable(raft, to);
    if (raft->role != RAFT_LEADER || progress == NULL || progress->state != RAFT_SNAPSHOT) {
        return;
    }
    raft_become_probe(raft, progress);
    if (ok && index > progress->match_index && index <= raft->log.last_index) {
        /* It says so itself soon, and only that counts for commitment: here it is where to probe.
         */
        Q_MARK(RAFT_SNAPSHOT_DONE);
        progress->next_index = index + 1;
    }
    Q_MARK_IF(RAFT_SNAPSHOT_FAILED, !ok);
    progress->probe_sent = !ok; /* A failed stream is tried again once the follower answers. */
}

/* The entries up to `index` are in the durable snapshot, hence committed, durable and applied. */
static void settle(struct raft *raft, raft_index index)
{
    raft_commit_to(raft, index);
    raft->applied_index = index;
    raft->applying_index = index;
    if (raft->saving_index < index) {
        raft->saving_index = index;
    }
    if (raft->stable_index < index) {
        raft->stable_index = index;
    }
}

static void start_over(struct raft *raft, raft_index index, raft_term term)
{
    if (raft->role != RAFT_FOLLOWER) {
        raft_become_follower(raft, raft->hard.term, NODE_NONE);
    }
    raft_log_reset(&raft->log, index, term);
    raft->saving_index = index;
    raft->stable_index = index;
    for (size_t i = 0; i < raft->save_count; i++) {
        /* What is being written belongs to the log that has just gone. */
        struct raft_save *save = &raft->saves[(raft->save_first + i) % RAFT_SAVES_MAX];
        save->last_index = 0;
        save->last_term = 0;
    }
}

bool raft_restore(struct raft *raft, raft_index index, raft_term term)
{
    Q_CHECK(index > 0 && term > 0);
    if (Q_PLANT(B23) && index >= raft->log.start_index && index <= raft->commit_index) {
        raft_log_reset(&raft->log, index, term);
        raft->commit_index = index;
        raft->applied_index = index;
        raft->applying_index = index;
        raft->saving_index = index;
        raft->stable_index = index;
        return true;
    }
    if (index <= raft->commit_index) {
        return false;
    }
    if (term > raft->hard.term) {
        raft_become_follower(raft, term, NODE_NONE);
    }
    raft_term held_term = 0;
    if (raft_log_term(&raft->log, index, &held_term) && held_term == term && !Q_PLANT(B23)) {
        settle(raft, index);
        raft_log_compact(&raft->log, index);
    } else {
        Q_MARK(RAFT_RESTORE_RESETS);
        start_over(raft, index, term);
        settle(raft, index);
    }
    if (raft->role == RAFT_LEADER) {
        struct raft_progress *self = raft_progress_mutable(raft, raft->config.self);
        Q_CHECK(self != NULL);
        self->match_index = raft->stable_index;
    } else if (raft->leader != NODE_NONE) {
        /* Tells the leader where to go on. Only the snapshot itself is vouched for: a tail kept
         * behind it was never compared with this leader's log. */
        const struct raft_message reply = {
            .kind = RAFT_MSG_APPEND_REPLY,
            .to = raft->leader,
            .index = Q_PLANT(TAILACK) ? raft->log.last_index : index,
        };
        raft_send(raft, reply, true);
    }
    return true;
}
