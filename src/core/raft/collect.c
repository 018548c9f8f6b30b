/* Turns state into effects. Nothing here decides anything about the protocol except what fits into
 * a message: messages are pulled out of the state of each follower, so that all that happened in a
 * loop turn leaves together. */
#include "base/mark.h"
#include "core/raft/raft_private.h"

struct collector {
    struct raft_effect *effects;
    size_t max;
    size_t count;
};

static bool has_room(const struct collector *out)
{
    return out->count < out->max;
}

static struct raft_effect *add(struct collector *out, enum raft_effect_kind kind)
{
    Q_CHECK(has_room(out));
    struct raft_effect *effect = &out->effects[out->count++];
    memset(effect, 0, sizeof *effect);
    effect->kind = kind;
    effect->first = 1; /* No entries: first > last. */
    return effect;
}

static bool hard_is_dirty(const struct raft *raft)
{
    return raft->hard.term != raft->saved_hard.term || raft->hard.vote != raft->saved_hard.vote;
}

static bool must_save(const struct raft *raft)
{
    return hard_is_dirty(raft) || raft->saving_index < raft->log.last_index;
}

static void collect_save(struct raft *raft, struct collector *out)
{
    if (Q_PLANT(B03) && raft->save_count > 0) {
        return; /* Else one batch would take both, and there would be no bug. */
    }
    if (!must_save(raft) || raft->save_count == RAFT_SAVES_MAX || !has_room(out)) {
        return;
    }
    Q_MARK_IF(RAFT_SAVES_OVERLAP, raft->save_count > 0);
    struct raft_effect *effect = add(out, RAFT_EFFECT_SAVE);
    effect->save = ++raft->save_number;
    effect->has_hard = hard_is_dirty(raft);
    effect->hard = raft->hard;
    if (Q_PLANT(B03) && raft->hard.term != raft->saved_hard.term) {
        effect->hard.vote = NODE_NONE;
    }
    raft->saved_hard = effect->hard;
    effect->first = raft->saving_index + 1;
    effect->last = raft->log.last_index;
    raft->saving_index = raft->log.last_index;
    const size_t at = (raft->save_first + raft->save_count) % RAFT_SAVES_MAX;
    raft->saves[at] = (struct raft_save){
        .number = raft->save_number,
        .term = raft->hard.term,
        .last_index = raft->log.last_index,
        .last_term = raft_log_last_term(&raft->log),
        .emitted_at_ms = raft->now_ms,
    };
    raft->save_count++;
}

/* The save that must be complete for everything known now to be durable; 0 when it is. */
static uint64_t newest_save(const struct raft *raft)
{
    return raft->save_number > raft->save_done ? raft->save_number : 0;
}

static struct raft_effect *add_send(struct collector *out, const struct raft_message *message)
{
    struct raft_effect *effect = add(out, RAFT_EFFECT_SEND);
    effect->to = message->to;
    effect->message = *message;
    return effect;
}

static void collect_outbox(struct raft *raft, struct collector *out)
{
    const bool saved = !must_save(raft) || Q_PLANT(B03);
    size_t kept = 0;
    for (size_t i = 0; i < raft->outbox_count; i++) {
        const struct raft_outgoing *outgoing = &raft->outbox[i];
        if (!has_room(out) || (outgoing->gated && !saved)) {
            raft->outbox[kept++] = *outgoing;
            continue;
        }
        struct raft_effect *effect = add_send(out, &outgoing->message);
        effect->after_save = outgoing->gated ? newest_save(raft) : 0;
    }
    raft->outbox_count = kept;
}

static void collect_heartbeat(struct raft *raft,
                              struct raft_progress *progress,
                              struct collector *out)
{
    if (!progress->heartbeat_due || !has_room(out)) {
        return;
    }
    progress->heartbeat_due = false;
    if (Q_PLANT(B28) && progress->state == RAFT_SNAPSHOT) {
        return;
    }
    /* Beyond its match the follower may hold something else at that index. */
    const raft_index commit = raft->commit_index < progress->match_index || Q_PLANT(HBCOMMIT)
                                  ? raft->commit_index
                                  : progress->match_index;
    const struct raft_message heartbeat = {
        .kind = RAFT_MSG_HEARTBEAT,
        .from = raft->config.self,
        .to = progress->id,
        .term = raft->hard.term,
        .commit = commit,
        .index = raft->commit_index,
        .context = raft_reads_context(raft),
    };
    (void)add_send(out, &heartbeat);
}

/* Last entry of a message starting at `first`: up to append_bytes_max, or one entry. */
static raft_index batch_end(
    const struct raft *raft, raft_index first, raft_index end, size_t bytes_max, size_t *out_bytes)
{
    raft_index last = first - 1;
    size_t bytes = 0;
    while (last < end) {
        const size_t size = raft_entry_size(raft_log_at(&raft->log, last + 1));
        if (bytes > 0 && bytes + size > bytes_max && !Q_PLANT(B69)) {
            break;
        }
        bytes += size;
        last++;
    }
    *out_bytes = bytes;
    return last;
}

static bool append_is_due(const struct raft *raft, const struct raft_progress *progress)
{
    switch (progress->state) {
    case RAFT_PROBE: return !progress->probe_sent;
    case RAFT_REPLICATE: {
        if (raft_window_is_full(raft, progress)) {
            Q_MARK(RAFT_WINDOW_FULL);
            return false;
        }
        /* Followers apply what they know to be committed: news of it does not wait for the next
         * heartbeat. What is told beyond what was sent would not be believed. */
        const raft_index sent = progress->next_index - 1;
        const raft_index news = raft->commit_index < sent ? raft->commit_index : sent;
        return progress->next_index <= raft->log.last_index || progress->append_wanted ||
               progress->commit_sent < news;
    }
    case RAFT_SNAPSHOT: return false;
    }
    return false;
}

static void collect_append(struct raft *raft, struct raft_progress *progress, struct collector *out)
{
    if (!append_is_due(raft, progress) || !has_room(out)) {
        return;
    }
    const raft_index prev_index = progress->next_index - 1;
    raft_term prev_term = 0;
    if (!raft_log_term(&raft->log, prev_index, &prev_term)) {
        if (progress->recently_active) {
            raft_enter_snapshot(raft, progress);
        } else {
            Q_MARK(RAFT_SNAPSHOT_NOT_TO_DEAD);
            progress->probe_sent =
                true; /* A heartbeat reply opens it: nobody streams to the dead. */
        }
        return;
    }
    size_t bytes = 0;
    const raft_index last = batch_end(raft, prev_index + 1, raft->log.last_index,
                                      raft->config.append_bytes_max, &bytes);
    Q_MARK_IF(RAFT_APPEND_CUT, last < raft->log.last_index);
    const struct raft_message append = {
        .kind = RAFT_MSG_APPEND,
        .from = raft->config.self,
        .to = progress->id,
        .term = raft->hard.term,
        .prev_index = prev_index,
        .prev_term = prev_term,
        .commit = raft->commit_index,
        .index = raft->stable_index,
        .entry_count = (uint32_t)(last - prev_index),
    };
    struct raft_effect *effect = add_send(out, &append);
    effect->first = prev_index + 1;
    effect->last = last;
    progress->append_wanted = false;
    progress->commit_sent = raft->commit_index < last ? raft->commit_index : last;
    if (progress->state == RAFT_PROBE) {
        progress->probe_sent = true;
    } else if (last > prev_index) {
        raft_window_add(progress, last, bytes);
        progress->next_index = last + 1;
    }
}

static void collect_replication(struct raft *raft, struct collector *out)
{
    for (size_t i = 0; i < raft->config.voter_count; i++) {
        struct raft_progress *progress = &raft->progress[i];
        if (progress->id == raft->config.self) {
            continue;
        }
        collect_heartbeat(raft, progress, out);
        collect_append(raft, progress, out);
        if (progress->snapshot_due && has_room(out)) {
            struct raft_effect *effect = add(out, RAFT_EFFECT_SNAPSHOT);
            effect->to = progress->id;
            effect->index = progress->snapshot_index;
            progress->snapshot_due = false;
        }
    }
}

static void collect_apply(struct raft *raft, struct collector *out)
{
    /* Applied state must not run ahead of this node's own durable log (protocols, "the same hole
     * outside leases"); and one batch at a time keeps a turn short. */
    const raft_index end = raft->commit_index < raft->stable_index || Q_PLANT(APPLYEARLY)
                               ? raft->commit_index
                               : raft->stable_index;
    Q_MARK_IF(RAFT_COMMIT_AHEAD_OF_DISK, raft->commit_index > raft->stable_index);
    if (raft->applying_index >= end || raft->applied_index != raft->applying_index ||
        !has_room(out)) {
        return;
    }
    size_t bytes = 0;
    struct raft_effect *effect = add(out, RAFT_EFFECT_APPLY);
    effect->first = raft->applying_index + 1;
    effect->last = batch_end(raft, effect->first, end, raft->config.apply_bytes_max, &bytes);
    raft->applying_index = effect->last;
}

static void collect_read_and_role(struct raft *raft, struct collector *out)
{
    if (raft->read_ready_pending && has_room(out)) {
        struct raft_effect *effect = add(out, RAFT_EFFECT_READ);
        effect->context = raft->read_confirmed;
        effect->index = raft->read_ready_index;
        raft->read_ready_pending = false;
    }
    if (raft->role_changed && has_room(out)) {
        (void)add(out, RAFT_EFFECT_ROLE);
        raft->role_changed = false;
    }
}

size_t raft_collect(struct raft *raft, struct raft_effect *out_effects, size_t max)
{
    Q_CHECK(max >= 16);
    struct collector out = {.effects = out_effects, .max = max, .count = 0};
    collect_save(raft, &out);
    collect_outbox(raft, &out);
    if (raft->role == RAFT_LEADER) {
        raft_reads_start(raft);
        collect_replication(raft, &out);
    }
    collect_apply(raft, &out);
    collect_read_and_role(raft, &out);
    Q_CHECK(out.count <= max);
    return out.count;
}
