/* Replication (sections 3.5 and 10.2.1): what followers do with appends and heartbeats, and how a
 * leader follows each follower through PROBE, REPLICATE and SNAPSHOT. Sending is in collect.c. */
#include "base/mark.h"
#include "core/raft/raft_private.h"

/* ---- a follower's window of unacknowledged appends ---- */

static void window_reset(struct raft_progress *progress)
{
    progress->inflight_first = 0;
    progress->inflight_count = 0;
    if (!Q_PLANT(B41)) {
        progress->inflight_bytes = 0;
    }
}

static void window_free_first(struct raft_progress *progress)
{
    Q_CHECK(progress->inflight_count > 0);
    progress->inflight_bytes -= progress->inflight[progress->inflight_first].bytes;
    progress->inflight_first = (progress->inflight_first + 1) % INFLIGHT_MESSAGES_MAX;
    progress->inflight_count--;
}

static void window_free_to(struct raft_progress *progress, raft_index index)
{
    while (progress->inflight_count > 0 &&
           progress->inflight[progress->inflight_first].last_index <= index) {
        window_free_first(progress);
    }
}

bool raft_window_is_full(const struct raft *raft, const struct raft_progress *progress)
{
    return progress->inflight_count >= raft->config.inflight_messages_max ||
           progress->inflight_bytes >= raft->config.inflight_bytes_max;
}

void raft_window_add(struct raft_progress *progress, raft_index last_index, size_t bytes)
{
    Q_CHECK(progress->inflight_count < INFLIGHT_MESSAGES_MAX);
    const size_t at = (progress->inflight_first + progress->inflight_count) % INFLIGHT_MESSAGES_MAX;
    progress->inflight[at].last_index = last_index;
    progress->inflight[at].bytes = bytes;
    progress->inflight_count++;
    progress->inflight_bytes += bytes;
}

/* ---- states of a follower ---- */

static void enter_state(struct raft_progress *progress, enum raft_progress_state state)
{
    progress->state = state;
    progress->next_index = progress->match_index + 1;
    progress->probe_sent = false;
    progress->append_wanted = false;
    progress->snapshot_due = false;
    progress->snapshot_index = 0;
    window_reset(progress);
}

void raft_become_probe(struct raft *raft, struct raft_progress *progress)
{
    Q_CHECK(progress->id != raft->config.self);
    enter_state(progress, RAFT_PROBE);
    progress->commit_sent = 0;
}

void raft_peer_unreachable(struct raft *raft, node_id peer)
{
    struct raft_progress *progress = raft_progress_mutable(raft, peer);
    if (raft->role != RAFT_LEADER || progress == NULL || peer == raft->config.self) {
        return;
    }
    if (progress->state == RAFT_REPLICATE) {
        Q_MARK(RAFT_REPLICATE_BROKEN);
        raft_become_probe(raft, progress);
    }
    progress->probe_sent = false;
}

void raft_want_heartbeats(struct raft *raft)
{
    for (size_t i = 0; i < raft->config.voter_count; i++) {
        raft->progress[i].heartbeat_due = raft->progress[i].id != raft->config.self;
    }
}

/* ---- the follower's side ---- */

/* Acknowledgements are cumulative within a term: while one waits in the outbox (its save cannot be
 * emitted yet), the next only raises it. Otherwise a slow disk would fill the outbox, and the drop
 * of the newest would stall the leader until a heartbeat. */
static void acknowledge(struct raft *raft, node_id leader, raft_index index)
{
    for (size_t i = raft->outbox_count; i > 0; i--) {
        struct raft_message *waiting = &raft->outbox[i - 1].message;
        /* A reply that only tells our term to a sender behind it is not gated and stays so. */
        if (raft->outbox[i - 1].gated && waiting->kind == RAFT_MSG_APPEND_REPLY &&
            waiting->to == leader && !waiting->reject && waiting->term == raft->hard.term) {
            Q_MARK_IF(RAFT_ACK_RAISED, index > waiting->index);
            waiting->index = index > waiting->index ? index : waiting->index;
            return;
        }
    }
    const struct raft_message reply = {
        .kind = RAFT_MSG_APPEND_REPLY,
        .to = leader,
        .index = index,
    };
    raft_send(raft, reply, !Q_PLANT(ACKEARLY));
}

/* Section 5.3 of the paper: only a conflict removes entries. A late append that ends before our
 * log does says nothing about the rest. */
static void store_entries(struct raft *raft,
                          raft_index prev_index,
                          const struct raft_entry *entries,
                          size_t count)
{
    if (Q_PLANT(B08) && raft->log.last_index > prev_index) {
        raft_truncate_tail(raft, prev_index);
    }
    size_t held = 0;
    raft_term term = 0;
    while (held < count && raft_log_term(&raft->log, prev_index + held + 1, &term) &&
           term == entries[held].term) {
        held++;
    }
    if (held == count) {
        Q_MARK_IF(RAFT_APPEND_HELD, count > 0);
        return;
    }
    Q_MARK_IF(RAFT_APPEND_OVERLAPS, held > 0);
    if (raft->log.last_index > prev_index + held) {
        Q_MARK(RAFT_CONFLICT);
        raft_truncate_tail(raft, prev_index + held);
    }
    for (size_t i = held; i < count; i++) {
        raft_append_entry(raft, &entries[i]);
    }
}

void raft_on_append(struct raft *raft,
                    const struct raft_message *message,
                    const struct raft_entry *entries)
{
    const raft_index last_new = message->prev_index + message->entry_count;
    if (message->prev_index < raft->commit_index) {
        /* Late or doubled. All that is committed here is the leader's too. */
        Q_MARK(RAFT_APPEND_BELOW_COMMIT);
        acknowledge(raft, message->from, Q_PLANT(B14) ? last_new : raft->commit_index);
        return;
    }
    raft_term term = 0;
    if (!raft_log_term(&raft->log, message->prev_index, &term) || term != message->prev_term) {
        /* Skips all of ours that cannot be in the leader's log at that place: with the leader's own
         * jump one rejection per conflicting term at most is needed. */
        Q_CHECK(message->prev_index > raft->commit_index);
        const raft_index hint =
            raft_log_floor(&raft->log, message->prev_index - 1, message->prev_term);
        raft_term hint_term = 0;
        Q_CHECK(raft_log_term(&raft->log, hint, &hint_term));
        Q_MARK_IF(RAFT_APPEND_GAP, message->prev_index > raft->log.last_index);
        Q_MARK_IF(RAFT_APPEND_MISMATCH, message->prev_index <= raft->log.last_index);
        const struct raft_message reply = {
            .kind = RAFT_MSG_APPEND_REPLY,
            .to = message->from,
            .index = message->prev_index,
            .reject = true,
            .hint_index = hint,
            .hint_term = hint_term,
        };
        raft_send(raft, reply, false);
        return;
    }
    store_entries(raft, message->prev_index, entries, message->entry_count);
    const raft_index known = Q_PLANT(APPENDCOMMIT) ? raft->log.last_index : last_new;
    raft_commit_to(raft, message->commit < known ? message->commit : known);
    acknowledge(raft, message->from, last_new);
}

void raft_on_heartbeat(struct raft *raft, const struct raft_message *message)
{
    /* The leader sends at most what we acknowledged, so it is the same entry there and here. */
    raft_commit_to(raft,
                   message->commit < raft->log.last_index ? message->commit : raft->log.last_index);
    const struct raft_message reply = {
        .kind = RAFT_MSG_HEARTBEAT_REPLY,
        .to = message->from,
        .context = message->context,
    };
    raft_send(raft, reply, false);
}

/* ---- the leader's side ---- */

static void on_rejection(struct raft *raft,
                         struct raft_progress *progress,
                         const struct raft_message *message)
{
    switch (progress->state) {
    case RAFT_REPLICATE:
        if (message->index > progress->match_index) {
            Q_MARK(RAFT_REPLICATE_REFUSED);
            raft_become_probe(raft, progress);
        }
        break;
    case RAFT_PROBE: {
        if (message->index + 1 != progress->next_index) {
            Q_MARK(RAFT_PROBE_STALE);
            break; /* Answers an earlier probe. */
        }
        const raft_index agreed =
            raft_log_floor(&raft->log, message->hint_index, message->hint_term);
        Q_MARK_IF(RAFT_HINT_BELOW_LEADER, agreed < message->hint_index);
        raft_index next = agreed + 1 < message->index ? agreed + 1 : message->index;
        if (next <= progress->match_index) {
            next = progress->match_index + 1;
        }
        progress->next_index = next;
        progress->probe_sent = false;
        break;
    }
    case RAFT_SNAPSHOT: break; /* The stream is on its way. */
    }
}

static void on_acknowledgement(struct raft *raft,
                               struct raft_progress *progress,
                               const struct raft_message *message)
{
    const raft_index index = message->index;
    if (index > raft->log.last_index || index < progress->match_index) {
        Q_MARK(RAFT_ACK_OUTDATED);
        return;
    }
    if (index == progress->match_index && progress->state != RAFT_PROBE) {
        return; /* No news. */
    }
    progress->match_index = index;
    if (progress->next_index <= index) {
        progress->next_index = index + 1;
    }
    switch (progress->state) {
    case RAFT_PROBE: enter_state(progress, RAFT_REPLICATE); break;
    case RAFT_REPLICATE: window_free_to(progress, index); break;
    case RAFT_SNAPSHOT:
        /* It can go on from our log, whatever became of the snapshot (etcd-io/raft d87942f). */
        if (index >= raft->log.start_index) {
            Q_MARK(RAFT_SNAPSHOT_OVERTAKEN);
            enter_state(progress, RAFT_REPLICATE);
        }
        break;
    }
    raft_commit_by_quorum(raft);
    raft_transfer_advance(raft);
}

void raft_on_append_reply(struct raft *raft, const struct raft_message *message)
{
    struct raft_progress *progress = raft_progress_mutable(raft, message->from);
    Q_CHECK(progress != NULL);
    progress->recently_active = true;
    if (message->reject) {
        on_rejection(raft, progress, message);
    } else {
        on_acknowledgement(raft, progress, message);
    }
}

void raft_on_heartbeat_reply(struct raft *raft, const struct raft_message *message)
{
    struct raft_progress *progress = raft_progress_mutable(raft, message->from);
    Q_CHECK(progress != NULL);
    progress->recently_active = true;
    if (Q_PLANT(B42)) {
        raft_reads_acked(raft, progress, message->context);
        return;
    }
    /* It is alive but behind: whatever we sent last may be lost. A probe goes out again, a full
     * window opens by one, and an append (if only an empty one) asks what it holds. */
    progress->probe_sent = false;
    if (progress->state == RAFT_REPLICATE && progress->match_index < raft->log.last_index) {
        if (raft_window_is_full(raft, progress) && progress->inflight_count > 0) {
            Q_MARK(RAFT_WINDOW_REOPENED);
            window_free_first(progress);
        }
        progress->append_wanted = true;
    }
    raft_reads_acked(raft, progress, message->context);
}
